#include "tools/inspect_quantization.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "engine/matrix_builder.h"
#include "engine/stored_tensor.h"

namespace gemma {
namespace {

constexpr size_t kSampledRows = 16;
constexpr size_t kGroupOfQat = 32;

// Marks of the textbook Q4_0 quantizer: it puts the largest value of every group at level -8, whatever its
// sign, so about half of its scales are negative. A trained grid has positive scales, and peaks at +7 as
// well.
struct Textbook {
  uint64_t groups = 0, at_the_end = 0, negative = 0;
  // Enough groups to tell, and not one of them otherwise.
  bool sure() const { return groups >= 256 && at_the_end == groups && negative > 0; }
};

Result<void> look_for_textbook(const StoredTensor& tensor, Textbook& found) {
  const size_t rows = tensor.info().rows(), columns = tensor.info().columns();
  const size_t step = std::max<size_t>(1, rows / kSampledRows);
  StoredTensor::Scratch scratch;
  std::vector<int8_t> levels(columns);
  std::vector<float> scales(columns / tensor.group());
  for (size_t row = step / 2; row < rows; row += step) {
    Result<void> read = tensor.levels(row, 1, scratch, levels.data(), scales.data());
    if (!read) return read;
    for (size_t c = 0; c < columns; c += kGroupOfQat) {
      const auto group = std::span(levels).subspan(c, kGroupOfQat);
      if (std::ranges::all_of(group, [](int8_t level) { return level == 0; })) continue;
      ++found.groups;
      found.at_the_end += std::ranges::find(group, int8_t{-8}) != group.end();
      found.negative += scales[c / kGroupOfQat] < 0;
    }
  }
  return {};
}

std::string granularity(const StoredTensor& tensor) {
  const Encoding encoding = tensor.info().encoding;
  const bool blocks =
      encoding == Encoding::kQ4_0 || encoding == Encoding::kQ8_0 || encoding == Encoding::kQ6_K;
  if (!blocks && tensor.group() == tensor.info().columns()) return "one scale per output channel";
  return fmt::format("one scale per group of {}", tensor.group());
}

// Activation scales of a matrix: its name without ".weight", then the side.
bool has_scale(const TensorSource& source, const std::string& matrix, const char* side) {
  constexpr std::string_view kWeight = ".weight";
  const std::string stem =
      matrix.ends_with(kWeight) ? matrix.substr(0, matrix.size() - kWeight.size()) : matrix;
  return source.find(fmt::format("{}.{}_activation_scale", stem, side)) != nullptr;
}

class Inspector {
 public:
  Inspector(const ModelConfig& config, const TensorSource& source, const kernels::KernelTable& kernels)
      : config_(config), source_(source), kernels_(kernels) {}

  Result<void> look_at(const PlannedTensor& planned, const TensorInfo& tensor) {
    Result<StoredTensor> stored = StoredTensor::open(source_, tensor, kernels_);
    if (!stored) return fail(std::move(stored.error()));
    const std::string name(to_string(planned.tensor_class));
    if (!stored->in_levels()) {
      Result<bool> grid = on_grid(*stored);
      if (!grid) return fail(std::move(grid.error()));
      GridCount& count = found_.grids[name];
      count.tensors += 1;
      count.on_grid += *grid ? 1 : 0;
      return {};
    }
    ++quantized_;
    ++forms_[name][fmt::format("{} bits, {} ({})", stored->bits(), granularity(*stored),
                               encoding_name(tensor.encoding))];
    const bool linear =
        planned.tensor_class != TensorClass::kEmbed && planned.tensor_class != TensorClass::kPle;
    const bool both = has_scale(source_, tensor.name, "input") && has_scale(source_, tensor.name, "output");
    with_activations_ += linear && both;
    linear_ += linear;
    if (stored->bits() == 4 && stored->group() == kGroupOfQat && tensor.encoding != Encoding::kPanels) {
      return look_for_textbook(*stored, textbook_);
    }
    return {};
  }

  StoredQuantization finish() {
    const QuantizationConfig& declared = config_.quantization;
    found_.declared = declared.method;
    if (!declared.format.empty()) found_.declared += " " + declared.format;
    if (found_.declared.empty() && !source_.declared_scheme().empty()) {
      found_.declared = fmt::format("packed for scheme {}", source_.declared_scheme());
    }
    for (const auto& [name, forms] : forms_) {
      for (const auto& [form, n] : forms) {
        found_.stored[name].push_back(fmt::format("{} {} of {}", n, n == 1 ? "matrix" : "matrices", form));
      }
    }
    if (quantized_ == 0) {
      found_.activations = "float";
    } else if (with_activations_ == 0) {
      found_.activations = "not quantized by the checkpoint; integer schemes quantize them as they come";
    } else {
      found_.activations = fmt::format("static, 8 bits: {} of {} matrices carry input and output scales",
                                       with_activations_, linear_);
    }
    warn();
    return std::move(found_);
  }

 private:
  void warn() {
    uint64_t matrices = 0, on_grid = 0;
    for (const auto& [name, grid] : found_.grids) {
      matrices += grid.tensors;
      on_grid += grid.on_grid;
    }
    if (quantized_ == 0 && on_grid == 0) {
      found_.warnings.push_back(
          "this is no QAT checkpoint: in 4 bits it is rounded after training and loses more than the -qat- "
          "one of "
          "the same size");
    } else if (quantized_ == 0 && on_grid < matrices) {
      found_.warnings.push_back(
          fmt::format("{} of {} matrices lie on no 4-bit grid though the others do: in int4 they are rounded "
                      "after training",
                      matrices - on_grid, matrices));
    }
    if (textbook_.sure()) {
      found_.warnings.push_back(
          "every 4-bit group has its largest value at level -8, as the textbook Q4_0 quantizer leaves it: if "
          "the "
          "weights were a QAT checkpoint, its trained grid is lost; the -qat-q4_0-unquantized one has it");
    }
    if (config_.quantization.method == "compressed-tensors" && quantized_ > 0) {
      found_.warnings.push_back(
          "the published compressed-tensors exports were rounded anew from the QAT weights, onto a shifted "
          "grid; the "
          "-qat-q4_0-unquantized checkpoint has the trained one");
    }
    if (config_.quantization.method == "gemma" && with_activations_ < linear_) {
      found_.warnings.push_back(
          fmt::format("{} of {} matrices lack their static activation scales, without which the mobile "
                      "format loses much of its "
                      "quality: take the checkpoint as it was published",
                      linear_ - with_activations_, linear_));
    }
  }

  const ModelConfig& config_;
  const TensorSource& source_;
  const kernels::KernelTable& kernels_;
  StoredQuantization found_;
  std::map<std::string, std::map<std::string, uint64_t>> forms_;
  uint64_t quantized_ = 0, linear_ = 0, with_activations_ = 0;
  Textbook textbook_;
};

}  // namespace

Result<StoredQuantization> inspect_quantization(const ModelConfig& config,
                                                const std::vector<PlannedTensor>& plan,
                                                const TensorSource& source,
                                                const kernels::KernelTable& kernels) {
  Inspector inspector(config, source, kernels);
  for (const PlannedTensor& planned : plan) {
    const TensorInfo* tensor = source.find(planned.name);
    const bool head = planned.name == "lm_head.weight";
    if (planned.tensor_class == TensorClass::kFloat || tensor == nullptr || (!planned.required && !head))
      continue;
    Result<void> looked = inspector.look_at(planned, *tensor);
    if (!looked) return fail(std::move(looked.error()));
  }
  return inspector.finish();
}

}  // namespace gemma
