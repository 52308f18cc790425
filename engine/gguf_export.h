// A checkpoint, from whatever source, as one GGUF file of architecture "gemma4" that other programs open:
// config, tokenizer and template as its keys, the tensors under its names.
//
//   type    matrices, embeddings and the per-layer table   per_layer_model_proj   norms, router, scales
//   Q4_0    Q4_0; rows that are no whole blocks F16        F16                    F32
//   Q8_0    Q8_0; rows that are no whole blocks F16        F16                    F32
//   F16     F16                                            F16                    F32
//
// Weights on a trained 4-bit grid (found per tensor, kernels/quantize.h) keep their levels and get the step
// that was recovered, in Q4_0 and in Q8_0 alike; the textbook rounding of other converters would move a
// quarter of them. Levels stored in groups of 32 columns with 4 bits pass through. All other weights are
// rounded: Q4_0 by ggml's rule, Q8_0 by rint(w / d), d = fp16(absmax / 127). docs/formats/gguf.md has the
// keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/matrix_builder.h"
#include "engine/thread_team.h"
#include "loader/config.h"
#include "loader/generation_config.h"
#include "loader/gguf.h"
#include "loader/tensor_source.h"
#include "loader/tokenizer.h"

namespace gemma {

// What goes into the file. All of it must outlive the export.
struct GgufContent {
  const ModelConfig* config = nullptr;
  const GenerationConfig* generation = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const TensorSource* source = nullptr;  // fits `config` (check_tensors)
  std::string chat_template;             // empty: none
  std::string name;                      // general.name
};

struct GgufExportedTensor {
  std::string name;  // canonical
  GgufTensorType type = GgufTensorType::kF32;
  uint64_t elements = 0;
  uint64_t bytes = 0;
  bool on_grid = false;          // a trained grid was found and kept
  uint64_t groups = 0;           // of 32 columns, of quantized tensors
  uint64_t off_grid_groups = 0;  // of a tensor on a grid: groups that were not, and were rounded
  double squared_error = 0;      // sum over the elements of (written - read)^2
  double squared_norm = 0;       // sum of read^2
};

// Writes the file at `path`, which the caller names and renames. `type`: kQ4_0, kQ8_0 or kF16. kUsage without
// a tokenizer; kUnsupported for what GGUF's keys cannot say (head widths that differ within a kind of layer,
// a rotation factor); kResource if the disk has no room (checked first); errors of reading.
Result<std::vector<GgufExportedTensor>> export_gguf(const GgufContent& content, GgufTensorType type,
                                                    const std::string& path,
                                                    const kernels::KernelTable& kernels,
                                                    const ThreadTeam& team, const Progress& progress);

}  // namespace gemma
