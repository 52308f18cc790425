// A model packed into one file that the next start only has to map: every matrix in the form its kernel reads
// (engine/panel_file.h), the per-layer table in rows that are read one by one, norms as they were. Matrix by
// matrix: memory holds one of them, never the model.
//
//   Result<PackedReport> report = export_packed(config, source, scheme, kernels, team,
//   "folder/model.safetensors", options);
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/scheme.h"
#include "engine/thread_team.h"
#include "engine/weight_quantizer.h"
#include "engine/weights.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

// What became of one tensor.
struct PackedTensor {
  std::string name;
  TensorClass tensor_class = TensorClass::kFloat;
  std::string scheme;  // "int4", "bf16"; of floats that stay as they are, their type
  double bits = 0;     // stored bits per weight, scales included
  uint64_t elements = 0;
  uint64_t bytes = 0;            // in the file
  bool kept = false;             // the source's own levels
  bool on_grid = false;          // the tensor lies on a trained 4-bit grid
  uint64_t groups = 0;           // of 32, quantized to 4 bits
  uint64_t off_grid_groups = 0;  // of those, on no grid though the tensor has one
  bool measured =
      true;  // false: written before an interruption or without looking; the next two are not known
  double mean_squared_error = 0;  // against the source's values; 0 where nothing was rounded
  double snr_db = 0;              // 10 log10(sum w^2 / sum error^2); infinity where nothing was rounded

  // Of the groups; 0 if the tensor has no grid.
  double on_grid_share() const {
    if (!on_grid || groups == 0) return 0;
    return static_cast<double>(groups - off_grid_groups) / static_cast<double>(groups);
  }
};

struct PackedReport {
  std::vector<PackedTensor> tensors;
  uint64_t file_bytes = 0;
};

struct PackOptions {
  bool errors = true;  // compare with the source: reads it a second time
  Progress progress;   // elements done and in all
  // What tensors without a grid get under 4 bits in groups of 32. Empty: MatrixBuilder's own choice.
  std::optional<OffGrid> off_grid;
  std::string source_name;  // for the metadata
  // export_model() reads from here instead of from the model's own files: those with scales added
  // (engine/extended_source.h). Null: the model's.
  const TensorSource* source = nullptr;
  // Asked between matrices: true stops with kUsage "interrupted", to be resumed.
  std::function<bool()> interrupted;
};

// `config` and `source` fit each other (check_tensors). kUsage for a scheme that keeps no levels (fake:...),
// kResource if the disk has no room (checked first, with the figures). An interrupted export goes on where it
// was if called again with the same arguments.
Result<PackedReport> export_packed(const ModelConfig& config, const TensorSource& source,
                                   const Scheme& scheme, const kernels::KernelTable& kernels,
                                   const ThreadTeam& team, const std::string& path,
                                   const PackOptions& options);

}  // namespace gemma
