#include "engine/model.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <xxhash.h>

#include "engine/activation_scales.h"
#include "engine/chat_detect.h"
#include "engine/grid_survey.h"
#include "engine/synthetic.h"
#include "engine/synthetic_mobile.h"
#include "engine/synthetic_tokenizer.h"
#include "kernels/kernel_registry.h"
#include "loader/checkpoint.h"
#include "loader/config_text.h"
#include "loader/gguf_config.h"
#include "loader/gguf_tokenizer.h"
#include "loader/hub.h"
#include "loader/tokenizer_compiled.h"

namespace gemma {
namespace {

// The scheme of a checkpoint whose layers lie on a trained grid: int4, but for the classes that do not.
// Embedding and head are near-lossless in 8 bits; the per-layer tables cost no memory as they are.
std::string trained_scheme(const GridSurvey& survey, bool tied) {
  std::string word = "int4";
  std::set<TensorClass> classes = survey.off_grid;
  if (tied && classes.contains(TensorClass::kEmbed)) classes.insert(TensorClass::kHead);  // one matrix
  for (TensorClass off : classes) {
    const bool eight = off == TensorClass::kEmbed || off == TensorClass::kHead;
    word += fmt::format(",{}={}", to_string(off), eight ? "int8" : "bf16");
  }
  return word;
}

// The columns of every matrix of the model, by name.
LogicalColumns columns_of(const ModelConfig& config) {
  std::map<std::string, size_t, std::less<>> columns;
  for (const PlannedTensor& planned : plan_tensors(config)) columns[planned.name] = planned.shape.back();
  return [columns = std::move(columns)](std::string_view name) -> size_t {
    const auto found = columns.find(name);
    return found == columns.end() ? 0 : found->second;
  };
}

// Whether anything bears that name. What cannot be looked at (a loop of links, a folder without permission)
// is there: reading it will tell what is wrong with it.
bool is_there(const std::string& path) {
  std::error_code error;
  return std::filesystem::status(path, error).type() != std::filesystem::file_type::not_found;
}

}  // namespace

Result<kernels::KernelTable> kernel_table_of(const ModelOptions& options) {
  kernels::KernelTable table = kernels::default_kernel_table();
  if (options.isa) {
    const auto supported = kernels::supported_isas();
    if (std::find(supported.begin(), supported.end(), *options.isa) == supported.end()) {
      return fail(ErrorCode::kUsage, "isa",
                  fmt::format("this CPU cannot run {}", kernels::to_string(*options.isa)),
                  fmt::format("the best it has is {}", kernels::to_string(supported.front())));
    }
    table = kernels::kernel_table(*options.isa);
  }
  for (const std::string& name : options.kernels) {
    if (!kernels::force_kernel(name, table)) {
      return fail(ErrorCode::kUsage, "kernel", fmt::format("this CPU has no kernel {}", name));
    }
  }
  return table;
}

Model::~Model() = default;

Result<std::unique_ptr<Model>> Model::load(const std::string& name, const ModelOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Model> model(new Model());
  model->name_ = name;
  model->asked_placement_ = options.placement;
  model->team_ = std::make_unique<ThreadTeam>(options.threads);
  Result<kernels::KernelTable> kernels = kernel_table_of(options);
  if (!kernels) return fail(std::move(kernels.error()));
  model->kernels_ = *kernels;

  if (is_synthetic(name)) {
    Result<SyntheticSpec> spec = parse_synthetic(name);
    if (!spec) return fail(std::move(spec.error()));
    Result<ModelConfig> config = synthetic_config(spec->size);
    if (!config) return fail(std::move(config.error()));
    model->config_ = std::move(*config);
    model->generation_config_ = synthetic_generation_config(spec->size);
    // Made up as they are asked for: static scales come with a checkpoint that stores the mobile format.
    const Result<Scheme> asked = parse_scheme(options.scheme);
    if (asked && asked->needs_static_scales()) {
      model->config_ = mobile_config(std::move(model->config_));
      model->source_ = std::make_unique<SyntheticMobileSource>(model->config_, spec->seed);
    } else {
      model->source_ = std::make_unique<SyntheticSource>(model->config_, spec->seed);
    }
    if (options.tokenizer) {
      Result<Tokenizer> tokenizer = synthetic_tokenizer(model->config_.vocab_size);
      if (!tokenizer) return fail(std::move(tokenizer.error()));
      model->tokenizer_ = std::move(*tokenizer);
    }
  } else {
    Result<std::string> folder = find_model(name);
    if (!folder) return fail(std::move(folder.error()));
    model->folder_ = *folder;
    if (is_gguf_path(*folder)) {
      Result<void> opened = model->open_gguf(options.tokenizer);
      if (!opened) return fail(std::move(opened.error()));
    } else {
      Result<void> opened = model->open_folder(options.tokenizer);
      if (!opened) return fail(std::move(opened.error()));
    }
  }
  if (!options.weights) return model;

  Result<void> fits =
      check_tensors(model->config_, *model->source_, model->folder_.empty() ? name : model->folder_);
  if (!fits) return fail(std::move(fits.error()));
  Result<void> chosen = model->choose_scheme(options.scheme);
  if (!chosen) return fail(std::move(chosen.error()));
  Result<std::unique_ptr<Weights>> weights = build_weights(
      model->config_, model->scheme_, *model->source_, model->placement_, *model->team_, options.progress);
  if (!weights) return fail(std::move(weights.error()));
  model->weights_ = std::move(*weights);
  Result<void> told = model->compute_fingerprint();
  if (!told) return fail(std::move(told.error()));
  model->load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return model;
}

// A folder of config.json, safetensors and tokenizer.json.
Result<void> Model::open_folder(bool tokenizer) {
  Result<ModelConfig> config = read_config(folder_ + "/config.json");
  if (!config) return fail(std::move(config.error()));
  config_ = std::move(*config);
  Result<GenerationConfig> generation = read_generation_config(folder_ + "/generation_config.json");
  if (!generation) return fail(std::move(generation.error()));
  generation_config_ = std::move(*generation);
  Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::open(folder_, columns_of(config_));
  if (!checkpoint) return fail(std::move(checkpoint.error()));
  source_ = std::move(*checkpoint);
  std::string path = folder_ + "/" + kCompiledTokenizerFile;
  const bool compiled = is_there(path);
  if (!compiled) path = folder_ + "/tokenizer.json";
  if (!tokenizer || !is_there(path)) return {};
  return take_tokenizer(compiled ? Tokenizer::read_compiled(path) : Tokenizer::read(path), path);
}

// One .gguf file that holds all of it.
Result<void> Model::open_gguf(bool tokenizer) {
  Result<std::unique_ptr<GgufCheckpoint>> checkpoint = GgufCheckpoint::open(folder_);
  if (!checkpoint) return fail(std::move(checkpoint.error()));
  const GgufFile& file = (*checkpoint)->file();
  Result<ModelConfig> config = read_gguf_config(**checkpoint);
  if (!config) return fail(std::move(config.error()));
  config_ = std::move(*config);
  Result<GenerationConfig> generation = read_gguf_generation_config(file);
  if (!generation) return fail(std::move(generation.error()));
  generation_config_ = std::move(*generation);
  Result<std::string> text = read_gguf_chat_template(file);
  if (!text) return fail(std::move(text.error()));
  inner_template_ = std::move(*text);
  source_ = std::move(*checkpoint);
  if (!tokenizer || !has_gguf_tokenizer(file)) return {};
  return take_tokenizer(read_gguf_tokenizer(file), folder_);
}

Result<void> Model::take_tokenizer(Result<Tokenizer> tokenizer, const std::string& path) {
  if (!tokenizer) return fail(std::move(tokenizer.error()));
  if (tokenizer->vocab_size() > config_.vocab_size) {
    return fail(ErrorCode::kMismatch, path,
                fmt::format("expected at most the model's {} ids, found {}", config_.vocab_size,
                            tokenizer->vocab_size()),
                "the tokenizer and the weights must come from the same export");
  }
  tokenizer_ = std::move(*tokenizer);
  return {};
}

Result<TemplateFile> Model::chat_template() const {
  if (inner_template_) return TemplateFile{*inner_template_, folder_};
  return folder_.empty() ? Result<TemplateFile>(TemplateFile()) : read_template(folder_);
}

Result<std::string> Model::fitting_scheme(std::string& reason) const {
  if (!source_->declared_scheme().empty()) {
    reason = "the folder was packed for it";
    return std::string(source_->declared_scheme());
  }
  if (trained_with_static_scales(*source_)) {
    reason = "the checkpoint carries static activation scales";
    return std::string("mobile");
  }
  const std::span<const TensorInfo> tensors = source_->tensors();
  if (std::any_of(tensors.begin(), tensors.end(),
                  [](const TensorInfo& tensor) { return tensor.encoding != Encoding::kPlain; })) {
    reason = "the checkpoint is stored quantized";
    return std::string("stored");
  }
  Result<GridSurvey> survey = survey_grid(config_, *source_);
  if (!survey) return fail(std::move(survey.error()));
  if (survey->all()) {
    reason = "every matrix lies on a trained 4-bit grid";
    return std::string("int4");
  }
  if (survey->layers()) {
    reason = fmt::format("{} of {} matrices lie on a trained 4-bit grid, all of the layers among them",
                         survey->on_grid, survey->matrices);
    return trained_scheme(*survey, config_.tied);
  }
  reason = survey->on_grid == 0 ? "the matrices lie on no 4-bit grid"
                                : fmt::format("only {} of {} matrices lie on a trained 4-bit grid",
                                              survey->on_grid, survey->matrices);
  return std::string("bf16");
}

Result<void> Model::choose_scheme(const std::string& asked) {
  std::string word = asked;
  if (asked.empty()) {
    Result<std::string> fitting = fitting_scheme(scheme_reason_);
    if (!fitting) return fail(std::move(fitting.error()));
    word = std::move(*fitting);
  }
  Result<Scheme> scheme = parse_scheme(word);
  if (!scheme) return fail(std::move(scheme.error()));
  scheme_ = std::move(*scheme);
  if (trained_with_static_scales(*source_) && !scheme_.needs_static_scales()) {
    scheme_reason_ =
        "warning: the checkpoint was trained with the static activation scales that only mobile and "
        "fake:mobile apply; answers will be worse";
  }
  Result<void> fits = check_static_scales(scheme_, *source_);
  if (!fits) return fits;
  Result<Placement> placement =
      asked_placement_ ? Result<Placement>(*asked_placement_) : fitting_placement(config_, scheme_, *source_);
  if (!placement) return fail(std::move(placement.error()));
  placement_ = *placement;
  return {};
}

Result<void> Model::compute_fingerprint() {
  std::string text = to_string(scheme_) + "|" + config_text(config_);
  // Of one instruction set to the next, sums in float differ in their last bits.
  for (const kernels::KernelVariant& variant : kernels::float_variants(kernels_)) {
    text += "|" + variant.name();
  }
  for (const TensorInfo& tensor : source_->tensors()) {
    text += fmt::format("|{} {} {} {}", tensor.name, dtype_name(tensor.dtype), encoding_name(tensor.encoding),
                        tensor.elements());
    if (tensor.rows() == 0) continue;
    if (tensor.encoding == Encoding::kPanels) {
      // Not through the map: a page of it that is touched may bring 2 MB into this process.
      std::vector<std::byte> sample(std::min<uint64_t>(tensor.bytes() / 2, 4096));
      Result<void> read = source_->read_bytes(tensor, tensor.bytes() / 2, sample);
      if (!read) return read;
      text.append(reinterpret_cast<const char*>(sample.data()), sample.size());
      continue;
    }
    std::vector<std::byte> row(tensor.row_bytes());
    Result<void> read = source_->read_rows(tensor, tensor.rows() / 2, tensor.rows() / 2 + 1, row);
    if (!read) return read;
    text.append(reinterpret_cast<const char*>(row.data()), row.size());
  }
  fingerprint_ = XXH3_64bits(text.data(), text.size());
  return {};
}

std::vector<int32_t> Model::eos_ids() const {
  return generation_config_.eos_ids.empty() ? config_.eos_ids : generation_config_.eos_ids;
}

uint64_t Model::owned_weight_bytes() const {
  uint64_t bytes = 0;
  for (const TensorReport& report : weights_->reports) bytes += report.owned_bytes;
  return bytes;
}

uint64_t Model::mapped_weight_bytes() const {
  uint64_t bytes = 0;
  for (const TensorReport& report : weights_->reports) bytes += report.mapped_bytes;
  return bytes;
}

}  // namespace gemma
