#include "engine/packed_export.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "engine/activation_scales.h"
#include "engine/panel_file.h"
#include "engine/rounding_error.h"
#include "engine/static_matrix.h"
#include "engine/stored_tensor.h"
#include "engine/table_packer.h"
#include "engine/weight_plan.h"
#include "engine/write_behind.h"
#include "kernels/pack.h"
#include "loader/packed_metadata.h"
#include "loader/safetensors_writer.h"

namespace gemma {
namespace {

using kernels::MatrixView;
using kernels::WeightFormat;

// Tensors begin on this boundary as long as all before them are multiples of it long.
constexpr size_t kLine = 64;

// How a tensor will be stored.
enum class Form {
  kPanels,  // a matrix as its kernel reads it
  kFloats,  // a matrix of floats, row-major
  kRows,    // the per-layer table: quantized row by row
  kCopy,    // the stored bytes
};

struct Planned {
  const TensorInfo* source = nullptr;
  TensorClass tensor_class = TensorClass::kFloat;
  ClassScheme scheme;
  Form form = Form::kCopy;
  TensorInfo info;         // what it will be in the file
  size_t block_rows = 0;   // kPanels: rows of the matrix or of one expert
  size_t scale_count = 0;  // floats of the scale tensor behind it; 0: none
  uint64_t bytes = 0;      // padded, without scales

  size_t tensors() const { return 1 + (scale_count > 0); }
  uint64_t bytes_behind() const { return scale_count * sizeof(float); }
};

class Exporter {
 public:
  Exporter(const ModelConfig& config, const TensorSource& source, const Scheme& scheme,
           const kernels::KernelTable& kernels, const ThreadTeam& team, const std::string& path,
           const PackOptions& options)
      : config_(config),
        source_(source),
        scheme_(scheme),
        kernels_(kernels),
        team_(team),
        path_(path),
        options_(options) {}

  Result<PackedReport> run();

 private:
  Result<void> plan();
  Result<void> plan_tensor(const TensorInfo& tensor, TensorClass tensor_class);
  Result<void> plan_table(Planned& planned, const StoredTensor& stored);
  void plan_matrix(Planned& planned, const StoredTensor& stored);
  void plan_static(Planned& planned, const StoredTensor& stored);
  static void plan_panels(Planned& planned, const MatrixView& view, size_t blocks);
  Result<void> check_disk(const std::vector<TensorToWrite>& tensors, const Metadata& metadata) const;
  Result<void> write_tensor(const Planned& planned, PackedTensor& told);
  Result<void> write_copy(const Planned& planned);
  Result<void> write_matrix(const Planned& planned, PackedTensor& told);
  Result<void> write_table(const Planned& planned, PackedTensor& told);
  Result<void> compare(const Planned& planned, const Matrix& matrix, size_t row0, RoundingError& sum) const;
  // Writes bytes that `owner` keeps alive, or fails as an earlier write did.
  Result<void> put(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
    if (options_.interrupted && options_.interrupted()) {
      return fail(ErrorCode::kUsage, path_, "interrupted",
                  "run the same command again: it goes on where it stopped");
    }
    return behind_->begin(bytes, std::move(owner));
  }
  template <typename T>
  Result<void> put_all(std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    return put(std::as_bytes(std::span(*owner)), owner);
  }
  void count(uint64_t elements) {
    done_ += elements;
    if (options_.progress) options_.progress(done_, total_);
  }

  const ModelConfig& config_;
  const TensorSource& source_;
  const Scheme& scheme_;
  const kernels::KernelTable& kernels_;
  const ThreadTeam& team_;
  const std::string& path_;
  const PackOptions& options_;
  std::vector<Planned> planned_;
  std::optional<SafetensorsWriter> writer_;
  std::optional<WriteBehind> behind_;
  uint64_t done_ = 0, total_ = 0;
};

Result<void> Exporter::plan_table(Planned& planned, const StoredTensor& stored) {
  const ClassScheme& scheme = planned.scheme;
  const bool q4_0 =
      scheme.granularity == Granularity::kGroup && scheme.weight_group == 32 && scheme.weight_bits == 4;
  const bool blocks = scheme.granularity == Granularity::kChannel && scheme.weight_bits != 3;
  // What has no row form of its own stays as it is and is quantized when it is read, to the same values.
  if (scheme.weight != WeightKind::kLevels || stored.in_levels() || (!q4_0 && !blocks)) {
    planned.form = Form::kCopy;
    return {};
  }
  planned.form = Form::kRows;
  planned.info.encoding = q4_0                      ? Encoding::kQ4_0
                          : scheme.weight_bits == 2 ? Encoding::kGemma2
                          : scheme.weight_bits == 4 ? Encoding::kGemma4
                                                    : Encoding::kGemma8;
  const size_t rows = planned.info.rows();
  planned.bytes = rows * planned.info.row_bytes();
  planned.scale_count = q4_0 ? 0 : rows * (planned.info.columns() / config_.ple_width);
  return {};
}

void Exporter::plan_matrix(Planned& planned, const StoredTensor& stored) {
  const TensorInfo& tensor = *planned.source;
  MatrixView view;
  view.format = target_format(planned.scheme, stored.float_type());
  const size_t blocks = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  planned.block_rows = tensor.rows() / blocks;
  if (planned.scheme.weight != WeightKind::kLevels) {
    planned.form = Form::kFloats;
    planned.info.encoding = Encoding::kPlain;
    planned.info.dtype = view.format == WeightFormat::kBf16  ? Dtype::kBf16
                         : view.format == WeightFormat::kF16 ? Dtype::kF16
                                                             : Dtype::kF32;
    planned.bytes = planned.info.elements() * float_bytes(view.format);
    return;
  }
  view.bits = static_cast<uint8_t>(planned.scheme.weight_bits);
  view.rows = planned.block_rows;
  view.cols = tensor.columns();
  view.group = planned.scheme.granularity == Granularity::kTensor    ? 0
               : planned.scheme.granularity == Granularity::kChannel ? view.cols
                                                                     : planned.scheme.weight_group;
  if (keeps_levels(planned.scheme, stored)) {
    view.group = stored.group();
    if (view.format == WeightFormat::kInt8Group) view.bits = static_cast<uint8_t>(stored.bits());
  }
  plan_panels(planned, view, blocks);
}

void Exporter::plan_panels(Planned& planned, const MatrixView& view, size_t blocks) {
  planned.form = Form::kPanels;
  planned.info.encoding = Encoding::kPanels;
  planned.info.panels = panels_name(view);
  planned.info.panel_bytes =
      kernels::packed_bytes(view.format, view.bits, view.rows, view.cols, view.group) * blocks;
  planned.bytes = panel_file_bytes(planned.info.panel_bytes);
  planned.scale_count = panel_scale_count(view) * blocks;
}

// The file's own levels, as channel panels; the activation scales are copied apart.
void Exporter::plan_static(Planned& planned, const StoredTensor& stored) {
  const TensorInfo& tensor = *planned.source;
  const size_t blocks = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  MatrixView view;
  view.format = channel_format(stored.bits());
  view.bits = static_cast<uint8_t>(stored.bits());
  view.rows = planned.block_rows = tensor.rows() / blocks;
  view.cols = view.group = tensor.columns();
  plan_panels(planned, view, blocks);
}

Result<void> Exporter::plan_tensor(const TensorInfo& tensor, TensorClass tensor_class) {
  Planned planned;
  planned.source = &tensor;
  planned.tensor_class = tensor_class;
  planned.info = tensor;
  planned.bytes = tensor.bytes();
  if (tensor_class != TensorClass::kFloat) {
    Result<StoredTensor> stored = StoredTensor::open(source_, tensor, kernels_);
    if (!stored) return fail(std::move(stored.error()));
    planned.scheme = resolve(scheme_.of(tensor_class, tensor.name), *stored);
    if (planned.scheme.fake) {
      return fail(ErrorCode::kUsage, "scheme " + to_string(scheme_),
                  "a fake scheme computes in floats and has no packed form",
                  "take the scheme without fake:, or write its values with --to bf16");
    }
    const bool gathered = tensor_class == TensorClass::kPle || tensor_class == TensorClass::kEmbed;
    if (is_static(planned.scheme, *stored)) {
      // Rows that are gathered stay as they are: they are read from the file one by one.
      if (!gathered) plan_static(planned, *stored);
    } else if (tensor_class == TensorClass::kPle) {
      if (Result<void> table = plan_table(planned, *stored); !table) return table;
    } else {
      plan_matrix(planned, *stored);
    }
    total_ += tensor.elements();
  }
  planned_.push_back(std::move(planned));
  return {};
}

// The tensors that the engine will read, large ones first: a matrix that begins behind others of whole lines
// begins on a line itself.
Result<void> Exporter::plan() {
  if (Result<void> there = check_layers(config_, scheme_); !there) return there;
  const TensorInfo* embed = source_.find("embed_tokens.weight");
  const TensorInfo* head = source_.find("lm_head.weight");
  Result<bool> apart = head_is_apart(config_, source_, team_);
  if (!apart) return fail(std::move(apart.error()));
  const bool one = !*apart && scheme_.of(TensorClass::kEmbed) == scheme_.of(TensorClass::kHead);
  for (const PlannedTensor& wanted : plan_tensors(config_)) {
    if (wanted.name == "lm_head.weight") continue;
    const TensorInfo* tensor = source_.find(wanted.name);
    if (tensor == nullptr || !wanted.required) continue;
    const bool tied = wanted.tensor_class == TensorClass::kEmbed && one;
    Result<void> done = plan_tensor(*tensor, tied ? TensorClass::kHead : wanted.tensor_class);
    if (!done) return done;
  }
  if (!one) {
    Result<void> done = plan_tensor(*apart ? *head : *embed, TensorClass::kHead);
    if (!done) return done;
    planned_.back().info.name = "lm_head.weight";
  }
  // What quantized matrices bring along and no packed form holds: static scales of activations and caches.
  for (const TensorInfo& tensor : source_.tensors()) {
    const bool scale = !calibrated_module(tensor.name).empty() || tensor.name.ends_with("_cache_scale");
    const auto copied = [&](const Planned& p) {
      return p.form == Form::kCopy && p.info.encoding != Encoding::kPlain &&
             p.info.name + "_scale" == tensor.name;
    };
    if (!scale && !std::any_of(planned_.begin(), planned_.end(), copied)) continue;
    if (Result<void> done = plan_tensor(tensor, TensorClass::kFloat); !done) return done;
  }
  // Whole lines first, then what kernels read in place (float32 scales want 4 bytes), then what is copied
  // anyway.
  const auto place = [](const Planned& p) {
    if (p.bytes % kLine == 0 && p.bytes_behind() % kLine == 0) return 0;
    return p.form == Form::kPanels ? 1 : 2;
  };
  std::stable_sort(planned_.begin(), planned_.end(),
                   [&](const Planned& a, const Planned& b) { return place(a) < place(b); });
  return {};
}

Result<void> Exporter::check_disk(const std::vector<TensorToWrite>& tensors, const Metadata& metadata) const {
  const uint64_t needed = SafetensorsWriter::file_bytes(tensors, metadata);
  std::error_code error;
  const std::filesystem::path path(path_);
  const auto space = std::filesystem::space(path.parent_path(), error);
  if (error) return fail(ErrorCode::kIo, path.parent_path().string(), error.message());
  const uint64_t there = std::filesystem::file_size(path, error);
  const uint64_t had = error ? 0 : there;  // of an interrupted export
  if (space.available + had >= needed) return {};
  return fail(
      ErrorCode::kResource, path_,
      fmt::format("needs {} of disk, and {} are free", format_bytes(needed), format_bytes(space.available)),
      "free some space or write to another disk");
}

Result<void> Exporter::write_copy(const Planned& planned) {
  const TensorInfo& tensor = *planned.source;
  if (tensor.encoding == Encoding::kPanels) return put(source_.mapped(tensor), nullptr);
  const size_t row_bytes = std::max<size_t>(tensor.row_bytes(), 1);
  const size_t step = std::max<size_t>(1, (size_t{8} << 20) / row_bytes);
  for (size_t row = 0; row < tensor.rows(); row += step) {
    const size_t n = std::min(step, tensor.rows() - row);
    std::vector<std::byte> bytes(n * tensor.row_bytes());
    Result<void> done = source_.read_rows(tensor, row, row + n, bytes);
    if (done) done = put_all(std::move(bytes));
    if (!done) return done;
  }
  return {};
}

Result<void> Exporter::compare(const Planned& planned, const Matrix& matrix, size_t row0,
                               RoundingError& sum) const {
  Result<StoredTensor> stored = StoredTensor::open(source_, *planned.source, kernels_);
  if (!stored) return fail(std::move(stored.error()));
  const size_t rows = matrix.view().rows, cols = matrix.view().cols;
  // Sums of a row, added in order: the figure does not depend on the threads.
  std::vector<RoundingError> by_row(rows);
  std::vector<Result<void>> outcomes(team_.size());
  team_.parallel_for(rows, 16, [&](size_t begin, size_t end, size_t thread) {
    StoredTensor::Scratch scratch;
    std::vector<float> from(cols), to(cols);
    for (size_t row = begin; row < end && outcomes[thread]; ++row) {
      outcomes[thread] = stored->floats(row0 + row, 1, scratch, from.data());
      kernels::dequantize_row(matrix.view(), row, to.data());
      by_row[row].add(from, to);
    }
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  for (const RoundingError& row : by_row) sum.add(row);
  return {};
}

Result<void> Exporter::write_matrix(const Planned& planned, PackedTensor& told) {
  const TensorInfo& tensor = *planned.source;
  const Progress silent;
  MatrixBuilder builder(scheme_, source_, kernels_, team_, 0, silent);
  if (options_.off_grid) builder.set_off_grid(*options_.off_grid);
  RoundingError sum;
  std::vector<float> scales;
  for (size_t row0 = 0; row0 < tensor.rows(); row0 += planned.block_rows) {
    Result<Matrix> matrix = builder.matrix(tensor, planned.tensor_class, row0, planned.block_rows);
    if (!matrix) return fail(std::move(matrix.error()));
    const MatrixView& view = matrix->view();
    const size_t bytes =
        planned.form == Form::kFloats
            ? view.rows * view.cols * float_bytes(view.format)
            : kernels::packed_bytes(view.format, view.bits, view.rows, view.cols, view.group);
    Result<void> done = put({view.data, bytes}, std::make_shared<const Matrix>(*matrix));
    if (done && options_.errors) done = compare(planned, *matrix, row0, sum);
    if (!done) return done;
    const size_t count = planned.form == Form::kPanels ? panel_scale_count(view) : 0;
    const size_t own =
        view.format == WeightFormat::kLevels && view.group > 0 ? view.rows * (view.cols / view.group) : count;
    if (count > 0) {
      scales.insert(scales.end(), view.scales, view.scales + own);
      scales.resize(scales.size() + count - own, 0.0f);
    }
    this->count(uint64_t{view.rows} * view.cols);
  }
  std::vector<std::byte> padding(planned.form == Form::kPanels ? planned.bytes - planned.info.panel_bytes
                                                               : 0);
  Result<void> done = put_all(std::move(padding));
  if (done) done = put_all(std::move(scales));
  const std::vector<TensorReport> reports = builder.take_reports();
  told.kept = reports.front().kept;
  told.on_grid = reports.front().on_grid;
  told.groups = reports.front().groups;
  told.off_grid_groups = reports.front().off_grid_groups;
  told.mean_squared_error = sum.mean_squared_error(tensor.elements());
  told.snr_db = sum.snr_db();
  return done;
}

// Rows are quantized as PleTable would when it reads them, thousands at a time, and written in order.
Result<void> Exporter::write_table(const Planned& planned, PackedTensor& told) {
  const TensorInfo& tensor = *planned.source;
  Result<StoredTensor> stored = StoredTensor::open(source_, tensor, kernels_);
  if (!stored) return fail(std::move(stored.error()));
  const Progress silent;
  MatrixBuilder builder(scheme_, source_, kernels_, team_, 0, silent);
  if (options_.off_grid) builder.set_off_grid(*options_.off_grid);
  Result<WeightQuantizer> quantizer = builder.quantizer(*stored, planned.scheme, config_.ple_width);
  if (!quantizer) return fail(std::move(quantizer.error()));
  const TablePacker packer(*stored, *quantizer, planned.info, options_.errors);
  std::vector<TablePacker::Scratch> scratches(team_.size());
  const size_t row_bytes = planned.info.row_bytes(), groups = packer.scales_per_row();
  constexpr size_t kStep = 1024, kShare = 8;
  std::vector<float> scales(planned.scale_count == 0 ? 0 : tensor.rows() * groups);
  std::vector<RoundingError> errors(kStep);
  RoundingError sum;
  std::atomic<uint64_t> off_grid{0};
  for (size_t row0 = 0; row0 < tensor.rows(); row0 += kStep) {
    const size_t n = std::min(kStep, tensor.rows() - row0);
    std::vector<std::byte> packed(n * row_bytes);
    std::vector<Result<void>> outcomes(team_.size());
    team_.for_each((n + kShare - 1) / kShare, [&](size_t share, size_t thread) {
      for (size_t r = share * kShare; r < std::min(n, (share + 1) * kShare) && outcomes[thread]; ++r) {
        errors[r] = {};
        float* to = scales.empty() ? nullptr : scales.data() + (row0 + r) * groups;
        Result<uint64_t> strays =
            packer.pack(row0 + r, scratches[thread], packed.data() + r * row_bytes, to, errors[r]);
        if (strays) {
          off_grid += *strays;
        } else {
          outcomes[thread] = fail(std::move(strays.error()));
        }
      }
    });
    for (Result<void>& outcome : outcomes) {
      if (!outcome) return std::move(outcome);
    }
    for (size_t r = 0; r < n; ++r) sum.add(errors[r]);
    Result<void> done = put_all(std::move(packed));
    if (!done) return done;
    count(uint64_t{n} * tensor.columns());
  }
  told.on_grid = quantizer->on_grid();
  told.groups = quantizer->is_q4_0() ? uint64_t{tensor.rows()} * groups : 0;
  told.off_grid_groups = off_grid;
  told.mean_squared_error = sum.mean_squared_error(tensor.elements());
  told.snr_db = sum.snr_db();
  return put_all(std::move(scales));
}

Result<void> Exporter::write_tensor(const Planned& planned, PackedTensor& told) {
  switch (planned.form) {
    case Form::kPanels:
    case Form::kFloats:
      return write_matrix(planned, told);
    case Form::kRows:
      return write_table(planned, told);
    case Form::kCopy:
      break;
  }
  told.kept = true;
  told.snr_db = std::numeric_limits<double>::infinity();
  Result<void> copied = write_copy(planned);
  if (copied && planned.tensor_class != TensorClass::kFloat) count(planned.source->elements());
  return copied;
}

Result<PackedReport> Exporter::run() {
  Result<void> planned = plan();
  if (!planned) return fail(std::move(planned.error()));
  Metadata metadata = {{kPackedLayoutKey, kPackedLayout}, {kPackedSchemeKey, to_string(scheme_)}};
  if (!options_.source_name.empty()) metadata["gemma_run.source"] = options_.source_name;
  std::vector<TensorToWrite> tensors;
  for (const Planned& p : planned_) {
    describe_packed(p.info, metadata);
    const bool bytes = p.info.encoding != Encoding::kPlain;
    tensors.push_back({p.info.name, bytes ? Dtype::kU8 : p.info.dtype,
                       bytes ? std::vector<size_t>{p.bytes} : p.info.shape});
    if (p.scale_count == 0) continue;
    std::vector<size_t> shape = {p.scale_count};
    if (p.form == Form::kRows) shape = {p.info.rows(), p.scale_count / p.info.rows()};
    tensors.push_back({p.info.name + "_scale", Dtype::kF32, std::move(shape)});
  }
  Result<void> room = check_disk(tensors, metadata);
  if (!room) return fail(std::move(room.error()));
  Result<SafetensorsWriter> writer = SafetensorsWriter::open(path_, tensors, metadata);
  if (!writer) return fail(std::move(writer.error()));
  writer_.emplace(std::move(*writer));
  behind_.emplace(*writer_);

  PackedReport report;
  report.file_bytes = SafetensorsWriter::file_bytes(tensors, metadata);
  const size_t written_before = writer_->next();
  size_t index = 0;
  for (const Planned& p : planned_) {
    PackedTensor told;
    told.measured = options_.errors || p.form == Form::kCopy;
    told.name = p.info.name;
    told.tensor_class = p.tensor_class;
    told.scheme =
        p.tensor_class == TensorClass::kFloat ? std::string(dtype_name(p.info.dtype)) : to_string(p.scheme);
    told.elements = p.source->elements();
    told.bytes = p.bytes + p.bytes_behind();
    told.bits =
        told.elements == 0 ? 0 : 8.0 * static_cast<double>(told.bytes) / static_cast<double>(told.elements);
    const size_t own = p.tensors();
    if (written_before >= index + own) {
      told.measured = false;
      if (p.tensor_class != TensorClass::kFloat) count(told.elements);
    } else {
      Result<void> written;
      if (written_before > index) written = writer_->rewind(index);  // it lacks what is behind it
      if (written) written = write_tensor(p, told);
      if (!written) return fail(std::move(written.error()));
    }
    index += own;
    report.tensors.push_back(std::move(told));
  }
  Result<void> finished = behind_->settle();
  if (finished) finished = writer_->finish();
  if (!finished) return fail(std::move(finished.error()));
  return report;
}

}  // namespace

Result<PackedReport> export_packed(const ModelConfig& config, const TensorSource& source,
                                   const Scheme& scheme, const kernels::KernelTable& kernels,
                                   const ThreadTeam& team, const std::string& path,
                                   const PackOptions& options) {
  return Exporter(config, source, scheme, kernels, team, path, options).run();
}

}  // namespace gemma
