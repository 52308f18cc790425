#include "engine/grid_survey.h"

#include <algorithm>
#include <vector>

#include "engine/tensor_plan.h"
#include "kernels/matrix.h"

namespace gemma {

Result<bool> on_grid(const StoredTensor& tensor) {
  const size_t rows = tensor.info().rows(), columns = tensor.info().columns();
  if (columns == 0 || columns % kernels::kGroup != 0 || rows == 0) return false;
  constexpr size_t kSampledRows = 32;
  const size_t step = std::max<size_t>(1, rows / kSampledRows);
  const kernels::KernelTable& kernels = tensor.kernels();
  StoredTensor::Scratch scratch;
  std::vector<float> values(columns);
  std::vector<int8_t> levels(columns);
  std::vector<uint16_t> scales(columns / kernels::kGroup);
  bool any = false;
  for (size_t row = step / 2; row < rows; row += step) {
    Result<void> read = tensor.floats(row, 1, scratch, values.data());
    if (!read) return fail(std::move(read.error()));
    if (kernels.recover_grid(values.data(), 1, levels.data(), scales.data()) > 0) return false;
    if (kernels.recover_grid(values.data(), scales.size(), levels.data(), scales.data()) > 0) return false;
    any = any || std::any_of(levels.begin(), levels.end(), [](int8_t level) { return level != 0; });
  }
  return any;
}

bool GridSurvey::layers() const {
  if (on_grid == 0) return false;
  return std::none_of(off_grid.begin(), off_grid.end(), [](TensorClass found) {
    return found == TensorClass::kAttention || found == TensorClass::kMlp || found == TensorClass::kExperts ||
           found == TensorClass::kPleGate;
  });
}

Result<GridSurvey> survey_grid(const ModelConfig& config, const TensorSource& source,
                               const kernels::KernelTable& kernels) {
  GridSurvey survey;
  for (const PlannedTensor& planned : plan_tensors(config)) {
    const TensorInfo* tensor = source.find(planned.name);
    if (planned.tensor_class == TensorClass::kFloat || !planned.required || tensor == nullptr) continue;
    Result<StoredTensor> stored = StoredTensor::open(source, *tensor, kernels);
    if (!stored) return fail(std::move(stored.error()));
    Result<bool> grid = on_grid(*stored);
    if (!grid) return fail(std::move(grid.error()));
    ++survey.matrices;
    survey.on_grid += *grid;
    if (!*grid) survey.off_grid.insert(planned.tensor_class);
  }
  return survey;
}

Result<bool> trained_on_grid(const TensorSource& source, const kernels::KernelTable& kernels) {
  std::vector<const TensorInfo*> matrices;
  for (const TensorInfo& tensor : source.tensors()) {
    const bool scales = tensor.name.ends_with("_scale"),
               router = tensor.name.find("router") != tensor.name.npos;
    if (!tensor.name.starts_with("layers.") || scales || router) continue;
    if (tensor.shape.size() >= 2 && tensor.encoding == Encoding::kPlain) matrices.push_back(&tensor);
  }
  constexpr size_t kSampled = 16;
  const size_t step = std::max<size_t>(1, matrices.size() / kSampled);
  size_t sampled = 0, found = 0;
  for (size_t i = step / 2; i < matrices.size(); i += step) {
    Result<StoredTensor> stored = StoredTensor::open(source, *matrices[i], kernels);
    if (!stored) return fail(std::move(stored.error()));
    Result<bool> grid = on_grid(*stored);
    if (!grid) return fail(std::move(grid.error()));
    ++sampled;
    found += *grid;
  }
  return 2 * found > sampled;
}

}  // namespace gemma
