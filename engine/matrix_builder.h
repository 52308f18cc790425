// One weight matrix of a checkpoint -> a Matrix in the form that its scheme's kernel reads. Rows are read,
// quantized and packed a megabyte at a time by all threads; memory holds the result and those rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/matrix.h"
#include "engine/scheme.h"
#include "engine/stored_tensor.h"
#include "engine/thread_team.h"
#include "engine/weight_quantizer.h"
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

// Called now and then while weights are built: elements done and in all.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

class MatrixBuilder {
 public:
  // `total`: elements of all matrices to come, for `progress`, which may be empty. All must outlive this.
  MatrixBuilder(const Scheme& scheme, const TensorSource& source, const ThreadTeam& team, uint64_t total,
                const Progress& progress)
      : scheme_(scheme), source_(source), team_(team), total_(total), progress_(progress) {}

  // Rows [row0, row0 + rows) of a tensor as a matrix of their own.
  Result<Matrix> matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0, size_t rows);

  // The quantizer of a tensor whose levels are not kept; `cols` is the width that a "channel" has (a layer's
  // slice in the per-layer table).
  Result<WeightQuantizer> quantizer(const StoredTensor& tensor, const ClassScheme& scheme, size_t cols);

  // The report of a tensor computed as `scheme`, begun if it is new.
  TensorReport& report(const TensorInfo& tensor, TensorClass tensor_class, const ClassScheme& scheme);
  std::vector<TensorReport> take_reports() { return std::move(reports_); }

  // Runs step(row0, rows) over all rows in parallel; the first error wins.
  Result<void> over_rows(size_t rows, size_t cols,
                         const std::function<Result<void>(size_t row0, size_t rows)>& step) const;

 private:
  Result<Matrix> mapped_matrix(const StoredTensor& stored, const ClassScheme& scheme, size_t row0,
                               size_t rows);
  Result<float> tensor_absmax(const StoredTensor& tensor) const;
  void count(uint64_t elements) {
    done_ += elements;
    if (progress_) progress_(done_, total_);
  }

  const Scheme& scheme_;
  const TensorSource& source_;
  const ThreadTeam& team_;
  uint64_t done_ = 0;
  uint64_t total_;
  const Progress& progress_;
  std::vector<TensorReport> reports_;
  std::map<std::string, WeightQuantizer> quantizers_;  // by tensor and class: experts share one tensor's
};

// Elements of a matrix that one thread reads, quantizes and packs at a time: whole panels, about 1 MB as
// float32.
inline constexpr size_t kElementsPerStep = size_t{1} << 18;

// How a matrix of a class is stored, given the type it has in the file.
kernels::WeightFormat target_format(const ClassScheme& scheme, Dtype stored);
// The format that keeps a float type as it is.
kernels::WeightFormat float_format(Dtype dtype);
size_t float_bytes(kernels::WeightFormat format);

// How a tensor is computed under a class's scheme: `stored` becomes the scheme of what the file holds.
ClassScheme resolve(const ClassScheme& scheme, const StoredTensor& stored);
// Whether the levels and scales of the file are those of the scheme, so that nothing is quantized again.
bool keeps_levels(const ClassScheme& scheme, const StoredTensor& stored);

// Whether evenly spaced sampled rows of the tensor lie on a 4-bit grid in groups of 32.
Result<bool> on_grid(const StoredTensor& tensor);

}  // namespace gemma
