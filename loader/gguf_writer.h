// Writes a GGUF file, version 3: keys, then the list of tensors, then their data in the order in which they
// were announced. All but the data is held until it is written; data streams through.
//
//   GgufWriter writer(path);
//   writer.add_string("general.architecture", "gemma4");
//   writer.add_tensor("token_embd.weight", GgufTensorType::kQ4_0, {262144, 1536});
//   writer.begin();                  // writes everything up to the data
//   writer.write(bytes);             // exactly the announced bytes of each tensor, any number of pieces
//   writer.finish();
//
// The caller keeps keys and names unique and within the format's limits (loader/gguf.h): reading back tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/gguf.h"
#include "loader/result.h"

namespace gemma {

class GgufWriter {
 public:
  explicit GgufWriter(std::string path) : path_(std::move(path)) {}

  void add_string(std::string_view key, std::string_view value);
  void add_u32(std::string_view key, uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_strings(std::string_view key, std::span<const std::string_view> values);
  void add_u32s(std::string_view key, std::span<const uint32_t> values);
  void add_i32s(std::string_view key, std::span<const int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  void add_bools(std::string_view key, const std::vector<bool>& values);

  // Announces the next tensor; shape outermost first, as computed with. Columns are whole blocks.
  void add_tensor(std::string_view name, GgufTensorType type, const std::vector<size_t>& shape);
  // Bytes that the file will have.
  uint64_t file_bytes() const;

  // Creates the file (an existing one is overwritten) and writes all but the data. kIo, kResource (disk
  // full).
  Result<void> begin();
  // The next bytes of the data; padding between tensors is added here. kInternal beyond what was announced.
  Result<void> write(std::span<const std::byte> bytes);
  // Flushes to the disk and closes. kInternal if data is missing.
  Result<void> finish();

 private:
  struct Tensor {
    uint64_t bytes;
    uint64_t padding;  // zeros behind it
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void key(std::string_view key, GgufType type);
  void array(std::string_view key, GgufType type, uint64_t count);
  Result<void> put(std::span<const std::byte> bytes);
  Result<void> pad(uint64_t bytes);
  uint64_t header_bytes() const;

  std::string path_;
  std::string keys_, infos_;
  uint64_t key_count_ = 0;
  std::vector<Tensor> tensors_;
  uint64_t data_bytes_ = 0;
  size_t current_ = 0;    // tensor being written
  uint64_t written_ = 0;  // bytes of it
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace gemma
