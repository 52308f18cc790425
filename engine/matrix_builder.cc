#include "engine/matrix_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "engine/panel_file.h"
#include "engine/static_matrix.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma {

using kernels::MatrixView;
using kernels::WeightFormat;

namespace {

// Matrices and the scales beside them begin on a cache line.
size_t whole_lines(size_t bytes) {
  constexpr size_t kLine = 64;
  return (bytes + kLine - 1) / kLine * kLine;
}

// Files are read once. If they take more than half of what is available, they and the result may not fit
// beside each other, and their pages go as soon as they are read; if not, the next start finds them.
bool larger_than_half_of_memory(const TensorSource& source) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : source.tensors()) bytes += tensor.bytes();
  return bytes > available_memory_bytes() / 2;
}

}  // namespace

InputFormat input_format(const ClassScheme& scheme, size_t cols) {
  using kernels::ActivationKind;
  InputFormat input;
  if (scheme.activation == ActivationLevels::kNone) return input;
  const bool four = scheme.activation_bits == 4;
  input.fake = scheme.fake;
  if (scheme.activation == ActivationLevels::kStatic) return input;  // static_rounding() knows them
  if (scheme.activation_zero_point) {
    input.rounding.bits = scheme.activation_bits;
    input.rounding.group = scheme.activation == ActivationLevels::kGroup ? scheme.activation_group : cols;
    return input;
  }
  if (scheme.activation == ActivationLevels::kGroup) {
    input.kind = four ? ActivationKind::kInt4Group : ActivationKind::kInt8Group;
    input.group = scheme.activation_group;
  } else {
    input.kind = four ? ActivationKind::kInt4Token : ActivationKind::kInt8Token;
  }
  return input;
}

WeightFormat float_format(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBf16:
      return WeightFormat::kBf16;
    case Dtype::kF16:
      return WeightFormat::kF16;
    default:
      return WeightFormat::kF32;
  }
}

size_t float_bytes(WeightFormat format) {
  return format == WeightFormat::kF32 ? 4 : 2;
}

WeightFormat target_format(const ClassScheme& scheme, Dtype stored) {
  if (scheme.weight == WeightKind::kF32) return float_format(stored);  // every stored float is a float32
  if (scheme.weight == WeightKind::kBf16) return WeightFormat::kBf16;
  if (scheme.fake) return WeightFormat::kF32;
  if (!scheme.integer) return WeightFormat::kLevels;
  if (has_static_kernel(scheme)) return channel_format(scheme.weight_bits);
  if (scheme.weight_bits == 8) {
    return scheme.granularity == Granularity::kGroup ? WeightFormat::kInt8Group : WeightFormat::kInt8Channel;
  }
  return scheme.granularity == Granularity::kGroup ? WeightFormat::kInt4Group32 : WeightFormat::kInt4Channel;
}

ClassScheme resolve(const ClassScheme& scheme, const StoredTensor& stored) {
  if (scheme.weight != WeightKind::kAsStored || is_static(scheme, stored)) return scheme;
  ClassScheme found;
  if (!stored.in_levels()) {
    found.weight = stored.info().dtype == Dtype::kBf16 ? WeightKind::kBf16 : WeightKind::kF32;
    return found;
  }
  const bool channel = stored.group() == stored.info().columns();
  found.weight = WeightKind::kLevels;
  found.weight_bits = stored.bits() == 6 ? 8 : stored.bits();
  found.granularity = channel ? Granularity::kChannel : Granularity::kGroup;
  found.weight_group = channel ? 0 : stored.group();
  // Integer kernels there are: 4 bits in groups of 32, 8 (or 6) bits in groups of 16 or 32, either per
  // channel.
  const bool groups =
      stored.info().columns() % kernels::kGroup == 0 &&
      (stored.group() == kernels::kGroup || (stored.group() == 16 && found.weight_bits == 8)) &&
      (found.weight_bits == 4 || found.weight_bits == 8);
  if (!groups && !(channel && (stored.bits() == 4 || stored.bits() == 8))) return found;
  found.integer = true;
  found.activation = groups ? ActivationLevels::kGroup : ActivationLevels::kToken;
  found.activation_bits = 8;
  found.activation_group = groups ? kernels::kGroup : 0;
  if (groups) {
    found.granularity = Granularity::kGroup;  // a row of one group is a group
    found.weight_group = stored.group();
  }
  return found;
}

bool keeps_levels(const ClassScheme& scheme, const StoredTensor& stored) {
  if (!stored.in_levels() || scheme.weight != WeightKind::kLevels || scheme.weight_zero_point) return false;
  // Fewer bits fit into more, but what a tensor of 4 bits means under int8 is int8's business to say.
  const bool bits = stored.bits() == scheme.weight_bits || (stored.bits() == 6 && scheme.weight_bits == 8);
  switch (scheme.granularity) {
    case Granularity::kTensor:
      return false;
    case Granularity::kChannel:
      return bits && stored.group() == stored.info().columns();
    case Granularity::kGroup:
      return bits && stored.group() == scheme.weight_group;
  }
  return false;
}

MatrixBuilder::MatrixBuilder(const Scheme& scheme, const TensorSource& source,
                             const kernels::KernelTable& kernels, const ThreadTeam& team, uint64_t total,
                             const Progress& progress)
    : scheme_(scheme),
      source_(source),
      kernels_(kernels),
      team_(team),
      scratch_(team.size()),
      drop_behind_(larger_than_half_of_memory(source)),
      total_(total),
      progress_(progress) {}

// At most a thousand times unless `always`; by one thread only.
void MatrixBuilder::tell(bool always) {
  const uint64_t done = done_;
  if (!progress_ || (!always && done - told_ < total_ / 1000)) return;
  told_ = done;
  progress_(done, total_);
}

Result<void> over_rows(const ThreadTeam& team, size_t rows, size_t cols,
                       const std::function<Result<void>(size_t row0, size_t rows)>& step) {
  const size_t stride = rows_per_step(cols);
  const size_t steps = (rows + stride - 1) / stride;
  std::vector<Result<void>> outcomes(team.size());
  team.for_each(steps, [&](size_t index, size_t thread) {
    if (!outcomes[thread]) return;
    outcomes[thread] = step(index * stride, std::min(stride, rows - index * stride));
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

// The smallest and the largest value, 0 among them.
Result<std::pair<float, float>> MatrixBuilder::tensor_range(const StoredTensor& tensor) const {
  const size_t all_rows = tensor.info().rows(), columns = tensor.info().columns();
  std::vector<float> lowest(all_rows, 0.0f), highest(all_rows, 0.0f);
  Result<void> read = over_rows(team_, all_rows, columns, [&](size_t row0, size_t rows) -> Result<void> {
    StoredTensor::Scratch scratch;
    std::vector<float> values(rows * columns);
    Result<void> ok = tensor.floats(row0, rows, scratch, values.data());
    if (!ok) return ok;
    for (float value : values) {
      lowest[row0] = std::min(lowest[row0], value);
      highest[row0] = std::max(highest[row0], value);
    }
    return {};
  });
  if (!read) return fail(std::move(read.error()));
  return std::pair(*std::min_element(lowest.begin(), lowest.end()),
                   *std::max_element(highest.begin(), highest.end()));
}

Result<OffGrid> MatrixBuilder::off_grid() {
  if (!off_grid_) {
    Result<bool> trained = trained_on_grid(source_, kernels_);
    if (!trained) return fail(std::move(trained.error()));
    off_grid_ = *trained ? OffGrid::kLeastError : OffGrid::kTextbook;
  }
  return *off_grid_;
}

Result<WeightQuantizer> MatrixBuilder::quantizer(const StoredTensor& tensor, const ClassScheme& scheme,
                                                 size_t cols) {
  if (scheme.weight != WeightKind::kLevels) return WeightQuantizer();
  const std::string key = tensor.info().name + " " + to_string(scheme);
  const auto known = quantizers_.find(key);
  if (known != quantizers_.end()) return known->second;
  std::pair<float, float> range;
  if (scheme.granularity == Granularity::kTensor) {
    Result<std::pair<float, float>> found = tensor_range(tensor);
    if (!found) return fail(std::move(found.error()));
    range = *found;
  }
  const int bits = scheme.weight_bits;
  if (scheme.weight_zero_point) {
    FakeRounding rounding;
    rounding.bits = bits;
    switch (scheme.granularity) {
      case Granularity::kTensor:
        rounding.grid = kernels::affine_grid(range.first, range.second, bits);
        break;
      case Granularity::kChannel:
        rounding.group = cols;
        break;
      case Granularity::kGroup:
        rounding.group = scheme.weight_group;
    }
    return quantizers_.emplace(key, WeightQuantizer::with_zero_point(rounding)).first->second;
  }
  WeightQuantizer made;
  switch (scheme.granularity) {
    case Granularity::kTensor:
      made = WeightQuantizer::per_tensor(
          bits, kernels::symmetric_scale(std::max(-range.first, range.second), bits));
      break;
    case Granularity::kChannel:
      made = WeightQuantizer::per_group(scheme.weight_bits, cols);
      break;
    case Granularity::kGroup:
      if (scheme.weight_bits == 4 && scheme.weight_group == kernels::kGroup) {
        Result<bool> grid = on_grid(tensor);
        if (!grid) return fail(std::move(grid.error()));
        OffGrid strays = OffGrid::kLeastError;
        if (!*grid) {
          Result<OffGrid> found = off_grid();
          if (!found) return fail(std::move(found.error()));
          strays = *found;
        }
        made = WeightQuantizer::q4_0(*grid, strays);
      } else {
        made = WeightQuantizer::per_group(scheme.weight_bits, scheme.weight_group);
      }
  }
  return quantizers_.emplace(key, made).first->second;
}

TensorReport& MatrixBuilder::report(const TensorInfo& tensor, TensorClass tensor_class,
                                    const ClassScheme& scheme) {
  if (reports_.empty() || reports_.back().name != tensor.name) {
    TensorReport fresh;
    fresh.name = tensor.name;
    fresh.tensor_class = tensor_class;
    fresh.scheme = to_string(scheme);
    reports_.push_back(fresh);
  }
  return reports_.back();
}

// The file is the matrix: floats stored as wanted, or panels.
Result<Matrix> MatrixBuilder::mapped_matrix(const StoredTensor& stored, const ClassScheme& scheme,
                                            size_t row0, size_t rows) {
  const TensorInfo& tensor = stored.info();
  const std::span<const std::byte> mapped = source_.mapped(tensor);
  if (mapped.empty()) return Matrix();
  MatrixView view;
  view.format = target_format(scheme, stored.float_type());
  if (const MatrixView* panels = stored.panels(row0, rows); panels != nullptr) {
    if (scheme.fake || !keeps_levels(scheme, stored) || panels->format != view.format) return Matrix();
    view = *panels;
    // Levels of 6 bits lie in bytes. Nobody looks at them where they are mapped, so they are multiplied as
    // the 8 bits they might be.
    if (view.bits == 6 && placement_ == Placement::kMapped) view.bits = 8;
    return Matrix(view, input_format(scheme, view.cols), nullptr);
  }
  if (scheme.weight == WeightKind::kLevels || stored.in_levels() ||
      view.format != float_format(tensor.dtype) ||
      reinterpret_cast<uintptr_t>(mapped.data()) % float_bytes(view.format) != 0) {
    return Matrix();
  }
  view.bits = static_cast<uint8_t>(8 * float_bytes(view.format));
  view.rows = rows;
  view.cols = tensor.columns();
  view.data = mapped.data() + row0 * tensor.row_bytes();
  return Matrix(view, input_format(scheme, view.cols), nullptr);
}

Result<Matrix> MatrixBuilder::matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0,
                                     size_t rows) {
  Result<std::vector<Matrix>> built = build(tensor, tensor_class, row0, rows, 1);
  if (!built) return fail(std::move(built.error()));
  return std::move(built->front());
}

Result<std::vector<Matrix>> MatrixBuilder::matrices(const TensorInfo& tensor, TensorClass tensor_class,
                                                    size_t count) {
  return build(tensor, tensor_class, 0, tensor.rows() / count, count);
}

// `count` matrices of `rows` rows each, from row `row0` of the tensor on. They share one block of memory:
// each matrix and then its scales, if they do not lie inside.
Result<std::vector<Matrix>> MatrixBuilder::build(const TensorInfo& tensor, TensorClass tensor_class,
                                                 size_t row0, size_t rows, size_t count) {
  Result<StoredTensor> stored = StoredTensor::open(source_, tensor, kernels_);
  if (!stored) return fail(std::move(stored.error()));
  const ClassScheme scheme = resolve(scheme_.of(tensor_class, tensor.name), *stored);
  const uint64_t elements = uint64_t{rows} * count * tensor.columns();
  RowPacker::Target target;
  target.keeps = keeps_levels(scheme, *stored);
  target.fake = scheme.fake;
  TensorReport& told = report(tensor, tensor_class, scheme);
  told.elements += elements;
  told.kept = target.keeps;

  std::vector<Matrix> built(count);
  if (between_static_scales(scheme, *stored)) {
    told.kept = told.kept || is_static(scheme, *stored);
    for (size_t i = 0; i < count; ++i) {
      Result<Matrix> matrix = static_matrix(source_, *stored, scheme, row0 + i * rows, rows, *this);
      if (!matrix) return fail(std::move(matrix.error()));
      built[i] = std::move(*matrix);
      const MatrixView* panels = stored->panels(row0 + i * rows, rows);
      const bool in_file = panels != nullptr && panels->data == built[i].view().data;
      if (in_file) {
        told.mapped_bytes += tensor.bytes() / tensor.rows() * rows;
      } else {
        told.owned_bytes += static_matrix_bytes(built[i].view().bits, rows, tensor.columns());
      }
      done_ += uint64_t{rows} * tensor.columns();
      tell(true);
    }
    return built;
  }
  for (size_t i = 0; i < count; ++i) {
    Result<Matrix> mapped = mapped_matrix(*stored, scheme, row0 + i * rows, rows);
    if (!mapped) return fail(std::move(mapped.error()));
    built[i] = std::move(*mapped);
    if (built[i].empty()) break;  // so are the others
  }
  if (count > 0 && !built.back().empty()) {
    if (placement_ == Placement::kMapped) {
      told.mapped_bytes += tensor.bytes() / tensor.rows() * rows * count;
    } else if (Result<void> copied = copy_mapped(*stored, built, told); !copied) {
      return fail(std::move(copied.error()));
    }
    done_ += elements;
    tell(true);
    return built;
  }

  const bool floats = scheme.weight != WeightKind::kLevels;
  MatrixView& view = target.view;
  view.format = target_format(scheme, stored->float_type());
  view.rows = rows;
  view.cols = tensor.columns();
  const bool six = target.keeps && stored->bits() == 6 && view.format == WeightFormat::kInt8Group;
  view.bits = static_cast<uint8_t>(view.format == WeightFormat::kF32 ? 32
                                   : floats                          ? 16
                                   : six                             ? 6
                                                                     : scheme.weight_bits);
  if (!target.keeps) {
    Result<WeightQuantizer> quantizer = this->quantizer(*stored, scheme, view.cols);
    if (!quantizer) return fail(std::move(quantizer.error()));
    target.quantizer = *quantizer;
  }
  told.on_grid = target.quantizer.on_grid();

  const size_t groups = RowPacker(*stored, target).groups();
  const bool per_tensor = target.quantizer.is_per_tensor();
  view.group = per_tensor || groups == 0 ? 0 : view.cols / groups;
  const bool unquantized = floats || scheme.fake;
  const size_t padded = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
  const bool beside =
      !unquantized && view.format != WeightFormat::kInt4Group32 && view.format != WeightFormat::kInt8Group;
  const size_t scale_bytes = (!beside ? 0 : per_tensor ? 1 : padded * groups) * sizeof(float);
  const size_t data_bytes = unquantized
                                ? rows * view.cols * float_bytes(view.format)
                                : kernels::packed_bytes(view.format, view.bits, rows, view.cols, view.group);
  const size_t stride = whole_lines(data_bytes) + whole_lines(scale_bytes);
  Result<std::shared_ptr<Buffer>> taken = memory_.take(stride * count, tensor.name);
  if (!taken) return fail(std::move(taken.error()));
  const std::shared_ptr<Buffer>& memory = *taken;
  InputFormat input = input_format(scheme, view.cols);
  if (Result<void> read = static_rounding(tensor, scheme, input, view); !read) {
    return fail(std::move(read.error()));
  }
  for (size_t i = 0; i < count; ++i) {
    std::byte* data = memory->data() + i * stride;
    view.data = data;
    view.scales = beside ? reinterpret_cast<float*>(data + whole_lines(data_bytes)) : nullptr;
    built[i] = Matrix(view, input, memory);
  }

  Result<uint64_t> off_grid = pack(*stored, target, row0, built);
  if (!off_grid) return fail(std::move(off_grid.error()));
  if (target.quantizer.is_q4_0()) told.groups += uint64_t{rows} * count * groups;
  told.off_grid_groups += *off_grid;
  told.owned_bytes += memory->bytes();
  tell(true);
  return built;
}

Result<void> MatrixBuilder::copy(const TensorInfo& tensor, const std::byte* mapped,
                                 std::span<std::byte> to) const {
  constexpr size_t kStep = size_t{1} << 20;
  const uint64_t begin = static_cast<uint64_t>(mapped - source_.mapped(tensor).data());
  std::vector<Result<void>> outcomes(team_.size());
  team_.for_each((to.size() + kStep - 1) / kStep, [&](size_t index, size_t thread) {
    if (!outcomes[thread]) return;
    const size_t at = index * kStep;
    outcomes[thread] =
        source_.read_bytes(tensor, begin + at, to.subspan(at, std::min(kStep, to.size() - at)));
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

// Mapped matrices become copies of themselves, laid out as built ones are.
Result<void> MatrixBuilder::copy_mapped(const StoredTensor& stored, std::span<Matrix> matrices,
                                        TensorReport& told) {
  const TensorInfo& tensor = stored.info();
  MatrixView view = matrices.front().view();
  const size_t data_bytes = matrices.front().mapped_bytes();
  const size_t scale_bytes = view.scales == nullptr ? 0 : panel_scale_count(view) * sizeof(float);
  const size_t stride = whole_lines(data_bytes) + whole_lines(scale_bytes);
  Result<std::shared_ptr<Buffer>> memory = memory_.take(stride * matrices.size(), tensor.name);
  if (!memory) return fail(std::move(memory.error()));
  for (size_t i = 0; i < matrices.size(); ++i) {
    const MatrixView mapped = matrices[i].view();
    std::byte* data = (*memory)->data() + i * stride;
    if (Result<void> read = copy(tensor, mapped.data, {data, data_bytes}); !read) return read;
    view.data = data;
    if (scale_bytes > 0) {
      view.scales = reinterpret_cast<float*>(data + whole_lines(data_bytes));
      std::memcpy(data + whole_lines(data_bytes), mapped.scales, scale_bytes);
    }
    if (!levels_in_range(view, team_)) {
      return fail(ErrorCode::kInvalidFile, tensor.file + ": " + tensor.name,
                  "expected levels of 6 bits, found larger ones",
                  "the file is damaged: make it again with gemma-quantize");
    }
    matrices[i] = Matrix(view, matrices[i].input(), *memory);
  }
  if (drop_behind_) source_.drop_rows(tensor, 0, tensor.rows());
  told.owned_bytes += (*memory)->bytes();
  return {};
}

// What static scales are to a matrix that is multiplied in float: its input is rounded to levels and back,
// and so is its output if that has a scale.
Result<void> MatrixBuilder::static_rounding(const TensorInfo& tensor, const ClassScheme& scheme,
                                            InputFormat& input, MatrixView& view) const {
  if (scheme.weight != WeightKind::kLevels || scheme.activation != ActivationLevels::kStatic) return {};
  Result<FakeRounding> rounding = read_input_rounding(source_, tensor.name, scheme.activation_bits,
                                                      scheme.activation_zero_point, kernels_);
  if (!rounding) return fail(std::move(rounding.error()));
  Result<ActivationScales> scales = read_activation_scales(source_, tensor.name, kernels_);
  if (!scales) return fail(std::move(scales.error()));
  input.rounding = *rounding;
  view.statics.output = scales->output;
  return {};
}

// All rows of all matrices, by all threads.
Result<uint64_t> MatrixBuilder::pack(const StoredTensor& stored, const RowPacker::Target& target, size_t row0,
                                     std::span<Matrix> matrices) {
  const RowPacker packer(stored, target);
  const size_t rows = target.view.rows, cols = target.view.cols;
  const size_t stride = rows_per_step(cols);
  const size_t steps = (rows + stride - 1) / stride;  // of one matrix
  std::atomic<uint64_t> off_grid{0};
  std::vector<Result<void>> outcomes(team_.size());
  team_.for_each(steps * matrices.size(), [&](size_t index, size_t thread) {
    if (!outcomes[thread]) return;
    const size_t matrix = index / steps, first = index % steps * stride;
    const size_t n = std::min(stride, rows - first);
    const MatrixView& view = matrices[matrix].view();
    // The memory is this builder's: the views are const for everyone after it.
    Result<uint64_t> strays = packer.pack(row0 + matrix * rows, first, n, scratch_[thread],
                                          const_cast<std::byte*>(view.data), const_cast<float*>(view.scales));
    if (!strays) {
      outcomes[thread] = fail(std::move(strays.error()));
      return;
    }
    off_grid += *strays;
    const size_t row = row0 + matrix * rows + first;
    if (drop_behind_) source_.drop_rows(stored.info(), row, row + n);
    done_ += uint64_t{n} * cols;
    if (thread == 0) tell(false);
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return fail(std::move(outcome.error()));
  }
  return off_grid.load();
}

}  // namespace gemma
