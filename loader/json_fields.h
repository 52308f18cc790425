// Reading the fields of a JSON object with checks, problem by problem: every accessor that does not find what
// it expects notes "text_config.head_dim: expected 2 to 65536, found -1" and returns its default, so that one
// pass over a broken file names everything that is wrong with it.
//
//   Problems problems;
//   JsonFields text(json, "text_config.", problems);
//   size_t heads = text.count("num_attention_heads", 8);
//   if (!problems.empty()) return problems.failure("config.json");
//
// An absent field and null are the same thing, as in the files of transformers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loader/result.h"

namespace gemma {

class Problems {
 public:
  void add(ErrorCode code, std::string_view key, std::string_view what);
  bool empty() const { return count_ == 0; }
  // All of them in one line (the first 20, then a count), with the code of the first.
  Failure failure(const std::string& where) const;

 private:
  size_t count_ = 0;
  ErrorCode code_ = ErrorCode::kInvalidFile;
  std::string text_;
};

class JsonFields {
 public:
  // `object` (anything but an object reads as one without fields) and `problems` must outlive this.
  JsonFields(const nlohmann::json& object, std::string prefix, Problems& problems);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const nlohmann::json* find(std::string_view key) const;  // nullptr if absent or null
  std::string path(std::string_view key) const;            // "text_config.head_dim"

  // Whole numbers in [low, high]; 2.0 is not a whole number.
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
  // 1 .. 2^31: a size of a tensor.
  size_t size(std::string_view key, size_t absent) const;
  // A finite number in [low, high].
  std::optional<double> number(std::string_view key, double low, double high) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  // One id or a list of ids, each 0 .. 2^31 - 1.
  std::vector<int32_t> ids(std::string_view key) const;
  // The object of that key, or one without fields.
  JsonFields object(std::string_view key) const;
  const nlohmann::json& json() const { return *object_; }

  void invalid(std::string_view key, std::string_view what) const;
  void unsupported(std::string_view key, std::string_view what) const;

 private:
  const nlohmann::json* object_;
  std::string prefix_;
  Problems* problems_;
};

// A value as a message shows it: -1, "gelu", an array.
std::string shown(const nlohmann::json& value);

}  // namespace gemma
