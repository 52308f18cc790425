// Reading the keys of a GGUF file with checks, problem by problem, as loader/json_fields.h does for JSON: an
// accessor that does not find what it expects notes "gemma4.block_count: expected 1 to 4096, found 0" and
// gives nothing, so that one pass over a broken file names everything that is wrong with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/gguf.h"
#include "loader/json_fields.h"

namespace gemma {

class GgufFields {
 public:
  // Keys are looked up behind `prefix`. All three must outlive this.
  GgufFields(const GgufFile& file, std::string_view prefix, Problems& problems)
      : file_(file), prefix_(prefix), problems_(problems) {}

  bool has(std::string_view key) const { return find(key) != nullptr; }

  // One whole number (or boolean) in [low, high]; an array of one will do.
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
  // 1 .. 2^31, missing is a problem and reads as 1: a size of a tensor.
  size_t size(std::string_view key) const;
  // One number for all or an array of `count`: always `count` values, each in [low, high]; missing is a
  // problem.
  std::vector<int64_t> each(std::string_view key, size_t count, int64_t low, int64_t high) const;
  // A finite number in [low, high].
  std::optional<double> number(std::string_view key, double low, double high) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  // A number or an array of them, each 0 .. 2^31 - 1.
  std::vector<int32_t> ids(std::string_view key) const;
  // An array of strings, of whole numbers; empty if absent or anything else (noted).
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;

  void invalid(std::string_view key, std::string_view what) const;
  void unsupported(std::string_view key, std::string_view what) const;
  void missing(std::string_view key) const { invalid(key, "missing"); }

 private:
  const GgufValue* find(std::string_view key) const { return file_.find(path(key)); }
  std::string path(std::string_view key) const { return std::string(prefix_).append(key); }
  // Of the value, or of nothing with a note that it is not `wanted`.
  std::optional<std::vector<int64_t>> whole(std::string_view key, std::string_view wanted) const;

  const GgufFile& file_;
  std::string_view prefix_;
  Problems& problems_;
};

}  // namespace gemma
