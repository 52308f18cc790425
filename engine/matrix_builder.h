// One weight matrix of a checkpoint -> a Matrix in the form that its scheme's kernel reads. Rows are read,
// quantized and packed a few at a time by all threads, each taking the next: the file is read from front to
// back, and memory holds the result and those rows.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/grid_survey.h"
#include "engine/matrix.h"
#include "engine/row_packer.h"
#include "engine/scheme.h"
#include "engine/stored_tensor.h"
#include "engine/thread_team.h"
#include "engine/weight_memory.h"
#include "engine/weight_plan.h"
#include "engine/weight_quantizer.h"
#include "kernels/kernel_table.h"
#include "loader/tensor_source.h"

namespace gemma {

// What was found while building: how many groups of 32 lay on a trained 4-bit grid.
struct TensorReport {
  std::string name;
  TensorClass tensor_class = TensorClass::kFloat;
  std::string scheme;            // of this tensor: "int4", "bf16", ...
  bool on_grid = false;          // sampled rows lie on a 4-bit grid
  uint64_t groups = 0;           // quantized in groups of 32 at 4 bits
  uint64_t off_grid_groups = 0;  // of those, on no grid though the tensor has one
  uint64_t elements = 0;
  uint64_t owned_bytes = 0;   // memory of its own
  uint64_t mapped_bytes = 0;  // used where the file is mapped
  bool kept = false;          // the file's own levels and scales
};

// Called now and then while weights are built, always by the thread that builds: elements done, never fewer
// than before, and in all. About a thousand calls for a whole model and one for each tensor.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

class MatrixBuilder {
 public:
  // `total`: elements of all matrices to come, for `progress`, which may be empty. All must outlive this.
  MatrixBuilder(const Scheme& scheme, const TensorSource& source, const kernels::KernelTable& kernels,
                const ThreadTeam& team, uint64_t total, const Progress& progress);

  const ThreadTeam& team() const { return team_; }

  // What tensors without a grid get under 4 bits in groups of 32, to be said before the first matrix. Unless
  // said: the least error in a checkpoint that was trained on a grid, the textbook in any other
  // (docs/decisions/003-recovered-levels-are-exact.md).
  void set_off_grid(OffGrid off_grid) { off_grid_ = off_grid; }

  // Where the matrices go. Unless said: each into a buffer of its own, and what the file holds ready stays
  // mapped.
  void place_in(WeightMemory memory, Placement placement) {
    memory_ = std::move(memory);
    placement_ = placement;
  }
  Placement placement() const { return placement_; }
  WeightMemory& memory() { return memory_; }

  // Rows [row0, row0 + rows) of a tensor as a matrix of their own.
  Result<Matrix> matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0, size_t rows);

  // A tensor of `count` equal matrices that lie one after the other: a layer's experts.
  Result<std::vector<Matrix>> matrices(const TensorInfo& tensor, TensorClass tensor_class, size_t count);

  // The quantizer of a tensor whose levels are not kept; `cols` is the width that a "channel" has (a layer's
  // slice in the per-layer table).
  Result<WeightQuantizer> quantizer(const StoredTensor& tensor, const ClassScheme& scheme, size_t cols);

  // The report of a tensor computed as `scheme`, begun if it is new.
  TensorReport& report(const TensorInfo& tensor, TensorClass tensor_class, const ClassScheme& scheme);
  std::vector<TensorReport> take_reports() { return std::move(reports_); }

  // The bytes that lie at `mapped`, inside the tensor's map, by all threads and with pread.
  Result<void> copy(const TensorInfo& tensor, const std::byte* mapped, std::span<std::byte> to) const;

 private:
  Result<std::vector<Matrix>> build(const TensorInfo& tensor, TensorClass tensor_class, size_t row0,
                                    size_t rows, size_t count);
  Result<uint64_t> pack(const StoredTensor& stored, const RowPacker::Target& target, size_t row0,
                        std::span<Matrix> matrices);
  Result<Matrix> mapped_matrix(const StoredTensor& stored, const ClassScheme& scheme, size_t row0,
                               size_t rows);
  Result<void> copy_mapped(const StoredTensor& stored, std::span<Matrix> matrices, TensorReport& told);
  Result<OffGrid> off_grid();
  Result<void> static_rounding(const TensorInfo& tensor, const ClassScheme& scheme, InputFormat& input,
                               kernels::MatrixView& view) const;
  Result<std::pair<float, float>> tensor_range(const StoredTensor& tensor) const;
  void tell(bool always);

  const Scheme& scheme_;
  const TensorSource& source_;
  const kernels::KernelTable& kernels_;
  const ThreadTeam& team_;
  std::vector<RowPacker::Scratch> scratch_;  // of each thread
  std::optional<OffGrid> off_grid_;
  WeightMemory memory_;
  Placement placement_ = Placement::kMapped;
  bool drop_behind_;  // the files are so large that they would push everything else out of the page cache
  std::atomic<uint64_t> done_{0};
  uint64_t told_ = 0;
  uint64_t total_;
  const Progress& progress_;
  std::vector<TensorReport> reports_;
  std::map<std::string, WeightQuantizer> quantizers_;  // by tensor and class: experts share one tensor's
};

// Runs step(row0, rows) over all rows in parallel; the first error wins.
Result<void> over_rows(const ThreadTeam& team, size_t rows, size_t cols,
                       const std::function<Result<void>(size_t row0, size_t rows)>& step);

// What a matrix of a resolved scheme wants of its input; with static scales, which are read from the file, as
// far as the scheme alone says.
InputFormat input_format(const ClassScheme& scheme, size_t cols);

// How a matrix of a class is stored, given the type it has in the file.
kernels::WeightFormat target_format(const ClassScheme& scheme, Dtype stored);
// The format that keeps a float type as it is.
kernels::WeightFormat float_format(Dtype dtype);
size_t float_bytes(kernels::WeightFormat format);

// How a tensor is computed under a class's scheme: `stored` becomes the scheme of what the file holds.
ClassScheme resolve(const ClassScheme& scheme, const StoredTensor& stored);
// Whether the levels and scales of the file are those of the scheme, so that nothing is quantized again.
bool keeps_levels(const ClassScheme& scheme, const StoredTensor& stored);

}  // namespace gemma
