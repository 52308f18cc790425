#include "engine/model_export.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/activation_scales.h"
#include "engine/bf16_export.h"
#include "engine/chat_detect.h"
#include "engine/gguf_export.h"
#include "engine/group_fit.h"
#include "engine/tensor_plan.h"
#include "loader/config_writer.h"
#include "loader/tokenizer_compiled.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

Result<void> write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file) return {};
  return fail(errno == ENOSPC ? ErrorCode::kResource : ErrorCode::kIo, path.string(),
              fmt::format("cannot write: {}", std::strerror(errno)));
}

Result<void> copy_if_there(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(from, error)) return {};
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (!error) return {};
  return fail(ErrorCode::kIo, to.string(), "cannot copy " + from.string() + ": " + error.message());
}

// The small files. What the model's folder lacks (a GGUF file, a synthetic model) is written from what was
// read.
Result<void> write_companions(const Model& model, ExportFormat format, const fs::path& to) {
  const fs::path from = model.folder();
  const auto there = [&](const char* file) {
    std::error_code error;
    return !from.empty() && fs::is_directory(from, error) && fs::exists(from / file, error);
  };
  Result<void> done;
  const bool plain_again = format == ExportFormat::kBf16 && !model.config().quantization.method.empty();
  if (there("config.json") && !plain_again) {
    done = copy_if_there(from / "config.json", to / "config.json");
  } else {
    Result<std::string> text = config_json(model.config());
    if (!text) return fail(std::move(text.error()));
    done = write_file(to / "config.json", *text);
  }
  if (done && !there("generation_config.json")) {
    done = write_file(to / "generation_config.json", generation_config_json(model.generation_config()));
  }
  for (const char* file :
       {"generation_config.json", "tokenizer_config.json", "chat_template.jinja", "README.md"}) {
    if (done && there(file)) done = copy_if_there(from / file, to / file);
  }
  if (!done || model.tokenizer() == nullptr) return done;
  if (format == ExportFormat::kBf16 && there("tokenizer.json")) {
    return copy_if_there(from / "tokenizer.json", to / "tokenizer.json");
  }
  const std::vector<std::byte> compiled = model.tokenizer()->compile();
  return write_file(to / kCompiledTokenizerFile,
                    {reinterpret_cast<const char*>(compiled.data()), compiled.size()});
}

// The names in a folder are on disk.
void flush_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

// The GGUF type that a scheme's weights are.
Result<GgufTensorType> gguf_type(const Scheme& scheme) {
  const std::string word = to_string(scheme);
  if (word == "int4" || word == "w4g32") return GgufTensorType::kQ4_0;
  if (word == "int8" || word == "w8g32") return GgufTensorType::kQ8_0;
  if (word == "bf16" || word == "f32") return GgufTensorType::kF16;
  return fail(ErrorCode::kUsage, "scheme " + word, "GGUF has no such type",
              "int4 gives Q4_0, int8 gives Q8_0, bf16 gives F16");
}

Result<PackedReport> export_gguf_file(const Model& model, const Scheme& scheme, const std::string& path,
                                      const PackOptions& options) {
  Result<GgufTensorType> type = gguf_type(scheme);
  if (!type) return fail(std::move(type.error()));
  Result<TemplateFile> chat = read_template(model.folder());
  if (!chat) return fail(std::move(chat.error()));
  GgufContent content;
  content.config = &model.config();
  content.generation = &model.generation_config();
  content.tokenizer = model.tokenizer();
  content.source = &model.source();
  content.chat_template = chat->text;
  content.name = fs::path(model.name()).filename().string();
  auto tensors = export_gguf(content, *type, path, model.team(), options.progress);
  if (!tensors) return fail(std::move(tensors.error()));
  PackedReport report;
  std::error_code error;
  report.file_bytes = fs::file_size(path, error);
  for (const GgufExportedTensor& tensor : *tensors) {
    PackedTensor told;
    told.name = tensor.name;
    // What is a vector to GGUF, kept as float32, is none of the classes that are quantized.
    told.tensor_class = tensor.type == GgufTensorType::kF32 ? TensorClass::kFloat : TensorClass::kMlp;
    for (const PlannedTensor& planned : plan_tensors(model.config())) {
      if (planned.name == tensor.name) told.tensor_class = planned.tensor_class;
    }
    told.scheme = gguf_tensor_type_name(tensor.type);
    told.elements = tensor.elements;
    told.bytes = tensor.bytes;
    told.bits = tensor.elements == 0
                    ? 0
                    : 8.0 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.elements);
    told.on_grid = tensor.on_grid;
    told.groups = tensor.groups;
    told.off_grid_groups = tensor.off_grid_groups;
    told.mean_squared_error =
        tensor.elements == 0 ? 0 : tensor.squared_error / static_cast<double>(tensor.elements);
    told.snr_db = tensor.squared_error == 0 ? std::numeric_limits<double>::infinity()
                                            : 10 * std::log10(tensor.squared_norm / tensor.squared_error);
    report.tensors.push_back(std::move(told));
  }
  return report;
}

std::string snr_text(const PackedTensor& tensor) {
  if (!tensor.measured) return "-";
  return std::isinf(tensor.snr_db) ? "exact" : fmt::format("{:.1f}", tensor.snr_db);
}

}  // namespace

Result<PackedReport> export_model(const Model& model, const Scheme& scheme, ExportFormat format,
                                  const std::string& folder, const PackOptions& options) {
  std::error_code error;
  if (fs::exists(folder, error)) {
    return fail(ErrorCode::kUsage, folder, "is there already, and nothing is overwritten",
                "name another folder or remove it");
  }
  const TensorSource& source = options.source != nullptr ? *options.source : model.source();
  Result<void> fits = check_tensors(model.config(), source, model.name());
  // GGUF keeps what its blocks do not fit in F16.
  if (fits && format != ExportFormat::kGguf) fits = check_groups(model.config(), scheme);
  if (fits) fits = check_static_scales(scheme, source);
  if (!fits) return fail(std::move(fits.error()));
  const fs::path partial = folder + ".partial";
  if (format == ExportFormat::kGguf) {
    Result<PackedReport> report = export_gguf_file(model, scheme, partial.string(), options);
    if (!report) return report;
    fs::rename(partial, folder, error);
    if (error) return fail(ErrorCode::kIo, folder, "cannot give the file its name: " + error.message());
    flush_folder(fs::absolute(folder, error).parent_path());
    return report;
  }
  fs::create_directories(partial, error);
  if (error) return fail(ErrorCode::kIo, partial.string(), "cannot make the folder: " + error.message());
  Result<void> companions = write_companions(model, format, partial);
  if (!companions) return fail(std::move(companions.error()));

  const std::string weights = (partial / "model.safetensors").string();
  Result<PackedReport> report =
      format == ExportFormat::kPacked
          ? export_packed(model.config(), source, scheme, model.team(), weights, options)
          : export_bf16(model.config(), source, scheme, model.team(), weights, options);
  if (!report) return report;
  flush_folder(partial);
  fs::rename(partial, folder, error);
  if (error) return fail(ErrorCode::kIo, folder, "cannot give the folder its name: " + error.message());
  flush_folder(fs::absolute(folder, error).parent_path());
  return report;
}

std::string packed_report_text(const PackedReport& report) {
  std::string text = fmt::format("{:<44} {:<14} {:>6} {:>8} {:>10} {:>8} {:>10}\n", "tensor", "scheme",
                                 "bits", "on grid", "MSE", "SNR dB", "size");
  for (const PackedTensor& tensor : report.tensors) {
    if (tensor.tensor_class == TensorClass::kFloat) continue;
    const std::string grid = tensor.kept ? "kept"
                             : tensor.groups > 0 && tensor.on_grid
                                 ? fmt::format("{:.2f} %", 100 * tensor.on_grid_share())
                                 : "-";
    text += fmt::format("{:<44} {:<14} {:>6.2f} {:>8} {:>10} {:>8} {:>10}\n", tensor.name, tensor.scheme,
                        tensor.bits, grid,
                        tensor.measured ? fmt::format("{:.3g}", tensor.mean_squared_error) : "-",
                        snr_text(tensor), format_bytes(tensor.bytes));
  }
  uint64_t floats = 0;
  for (const PackedTensor& tensor : report.tensors) {
    if (tensor.tensor_class == TensorClass::kFloat) floats += tensor.bytes;
  }
  text += fmt::format("norms, router and scales, as they were: {}\nfile: {}\n", format_bytes(floats),
                      format_bytes(report.file_bytes));
  return text;
}

namespace {

// One entry for each line of the table that people get.
nlohmann::ordered_json calibration_json(const Calibration& calibration) {
  nlohmann::ordered_json json;
  json["tokens"] = calibration.tokens;
  json["matrices"] = nlohmann::ordered_json::array();
  for (const CalibratedMatrix& matrix : calibration.matrices) {
    nlohmann::ordered_json entry;
    entry["module"] = matrix.module;
    entry["values"] = matrix.values;
    entry["input_lowest"] = matrix.input_lowest;
    entry["input_highest"] = matrix.input_highest;
    entry["input_scale"] = matrix.input_scale;
    entry["clipped"] = matrix.clipped;
    entry["output_scale"] = matrix.output_scale;
    json["matrices"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace

std::string packed_report_json(const PackedReport& report, const std::string& model, const Scheme& scheme,
                               const Calibration* calibration) {
  nlohmann::ordered_json json;
  json["schema"] = 1;
  json["model"] = model;
  json["scheme"] = to_string(scheme);
  json["file_bytes"] = report.file_bytes;
  json["tensors"] = nlohmann::ordered_json::array();
  for (const PackedTensor& tensor : report.tensors) {
    nlohmann::ordered_json entry;
    entry["name"] = tensor.name;
    entry["class"] = to_string(tensor.tensor_class);
    entry["scheme"] = tensor.scheme;
    entry["bits"] = tensor.bits;
    entry["elements"] = tensor.elements;
    entry["bytes"] = tensor.bytes;
    entry["kept"] = tensor.kept;
    entry["on_grid"] = tensor.on_grid;
    entry["groups"] = tensor.groups;
    entry["off_grid_groups"] = tensor.off_grid_groups;
    if (tensor.measured) {
      entry["mse"] = tensor.mean_squared_error;
      entry["snr_db"] =
          std::isinf(tensor.snr_db) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(tensor.snr_db);
    }
    json["tensors"].push_back(std::move(entry));
  }
  if (calibration != nullptr) json["calibration"] = calibration_json(*calibration);
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace gemma
