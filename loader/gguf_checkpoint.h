// The text decoder of a .gguf file of architecture "gemma4" as a TensorSource: canonical names, logical
// shapes, the encodings as they are stored. A split model (NAME-00001-of-0000N.gguf) is opened by its first
// file.
//
// Experts stored as two tensors, ffn_gate_exps and ffn_up_exps, are listed as the one that the engine knows,
// experts.gate_up_proj: of each expert the gate rows, then the up rows. rope_freqs.weight is no weight; it
// says how much of a full layer's head turns (rope_freqs(), loader/gguf_config.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loader/gguf.h"
#include "loader/tensor_source.h"

namespace gemma {

class GgufCheckpoint final : public TensorSource {
 public:
  // Errors of GgufFile::open; kUnsupported for another architecture, or gate and up experts of two types;
  // kMismatch for shards that do not belong together; kUsage for a shard that is not the first.
  static Result<std::unique_ptr<GgufCheckpoint>> open(const std::string& path);
  ~GgufCheckpoint() override;

  std::span<const TensorInfo> tensors() const override;
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override;
  Result<void> read_row_start(const TensorInfo& tensor, size_t row, std::span<std::byte> out) const override;
  // Empty for experts that are joined from two tensors.
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override;
  Result<void> read_bytes(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const override;

  // The keys: those of the (first) file.
  const GgufFile& file() const;
  // Divisors of the angles, one per pair of a full layer's head; empty if the file has none.
  Result<std::vector<float>> rope_freqs() const;

 private:
  struct Impl;
  explicit GgufCheckpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

bool is_gguf_path(std::string_view path);  // ends in ".gguf"

// The .gguf file of a folder that holds a text model: the only one, or the first of a split one; files named
// mmproj are vision and audio and are passed over. Empty if there is none. kUsage naming them if there are
// several.
Result<std::string> find_gguf(const std::string& folder);

}  // namespace gemma
