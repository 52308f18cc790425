// What inspect() found, as text and as JSON.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "engine/buffer.h"
#include "tools/eval_inspect.h"

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLabelWidth = 22;

// Control characters of a file's own text must not reach a terminal; our own lists of tensors have lines.
std::string printable(std::string text, bool lines = false) {
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && !(lines && c == '\n')) || c == 0x7f) c = '?';
  }
  return text;
}

class Page {
 public:
  void heading(std::string_view title) { text_ += fmt::format("\n{}\n", title); }
  void line(std::string_view label, std::string_view value) {
    text_ += fmt::format("  {:<{}}{}\n", printable(std::string(label)), kLabelWidth, value);
  }
  void raw(std::string_view text) { text_ += text; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// 4629000000 -> "4.63 billion", 4500000 -> "4.50 million".
std::string in_words(uint64_t n) {
  if (n >= 1000000000) return fmt::format("{:.2f} billion", static_cast<double>(n) / 1e9);
  if (n >= 1000000) return fmt::format("{:.2f} million", static_cast<double>(n) / 1e6);
  return fmt::format("{}", n);
}

std::string counted(const Counted& count) {
  return fmt::format("{} tensors, {}", count.tensors, format_bytes(count.bytes));
}

template <typename T>
void add_if(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Json generation_json(const GenerationConfig& g) {
  Json json = Json::object();
  add_if(json, "do_sample", g.do_sample);
  add_if(json, "temperature", g.temperature);
  add_if(json, "top_k", g.top_k);
  add_if(json, "top_p", g.top_p);
  add_if(json, "min_p", g.min_p);
  add_if(json, "repetition_penalty", g.repetition_penalty);
  if (!g.suppress_ids.empty()) json["suppress_tokens"] = g.suppress_ids;
  return json;
}

void quantization_lines(const StoredQuantization& found, Page& page) {
  page.line("declared", found.declared.empty() ? "none" : printable(found.declared));
  for (const auto& [name, forms] : found.stored) {
    for (const std::string& form : forms) page.line(name, form);
  }
  for (const auto& [name, grid] : found.grids) {
    page.line(name, fmt::format("{} of {} float matrices on a trained 4-bit grid (sampled rows)",
                                grid.on_grid, grid.tensors));
  }
  if (!found.activations.empty()) page.line("activations", found.activations);
  for (const std::string& warning : found.warnings) page.line("warning", warning);
}

}  // namespace

std::string inspection_text(const Inspection& found) {
  Page page;
  page.raw(fmt::format("{}\n", printable(found.name)));
  if (!found.folder.empty() && found.folder != found.name) page.line("folder", printable(found.folder));
  page.line("family member", found.family);
  page.line("model type", printable(found.model_type));

  page.heading("Shape");
  for (const auto& [label, words] : found.traits) page.line(label, words);

  page.heading("Stored");
  page.line("text model", counted(found.text) + (found.files > 0 ? fmt::format(" in {} file{}", found.files,
                                                                               found.files == 1 ? "" : "s")
                                                                 : ", made when read"));
  for (const auto& [dtype, count] : found.dtypes) page.line("  " + dtype, counted(count));
  if (found.other.tensors > 0) page.line("vision, audio", counted(found.other) + " (not used)");
  if (!found.misfit.empty()) {
    page.line("does not fit config", printable(found.misfit, /*lines=*/true));
  } else {
    page.line("parameters", in_words(found.parameters));
    page.line("  per token",
              in_words(found.parameters_per_token) + " (no gathered tables, active experts only)");
  }

  page.heading("Quantization");
  quantization_lines(found.quantization, page);

  page.heading((found.quantization.grids.contains("ple") || found.quantization.stored.contains("ple"))
                   ? "Memory (the per-layer table stays in its file)"
                   : "Memory");
  for (const auto& [scheme, bytes] : found.weight_bytes) {
    page.line("weights in " + scheme,
              bytes ? "about " + format_bytes(*bytes) : "groups of 32 do not divide the columns");
  }
  page.line("context", fmt::format("{} tokens", found.context));
  page.line("KV cache in f16",
            fmt::format("{} per token, and {} for the windows", format_bytes(found.kv_bytes_per_token),
                        format_bytes(found.kv_fixed_bytes)));

  page.heading("Text");
  page.line("tokenizer", found.tokenizer_size
                             ? fmt::format("{} ids; its file {} <bos> in front", *found.tokenizer_size,
                                           found.adds_bos ? "puts" : "puts no")
                             : "none");
  page.line("chat template", found.chat_template);
  page.line("ends at ids",
            found.eos_ids.empty() ? "none" : fmt::format("{}", fmt::join(found.eos_ids, ", ")));
  const Json generation = generation_json(found.generation);
  std::string defaults;
  for (const auto& [key, value] : generation.items()) {
    defaults += fmt::format("{}{} {}", defaults.empty() ? "" : ", ", key, value.dump());
  }
  page.line("generation defaults", defaults.empty() ? "none" : defaults);

  if (!found.card.fields.empty()) {
    page.heading("Model card");
    for (const auto& [key, values] : found.card.fields) {
      page.line(key, printable(fmt::format("{}", fmt::join(values, ", "))));
    }
  }
  return page.take();
}

std::string inspection_json(const Inspection& found) {
  const auto size = [](const Counted& count) {
    return Json{{"tensors", count.tensors}, {"bytes", count.bytes}};
  };
  Json json;
  json["name"] = found.name;
  json["folder"] = found.folder.empty() ? Json() : Json(found.folder);
  json["family"] = found.family;
  json["model_type"] = found.model_type;
  json["dtype"] = found.dtype;
  for (const auto& [label, words] : found.traits) json["traits"][label] = words;
  json["stored"] = size(found.text);
  json["stored"]["files"] = found.files;
  for (const auto& [dtype, count] : found.dtypes) json["stored"]["dtypes"][dtype] = size(count);
  json["stored"]["other"] = size(found.other);
  const bool fits = found.misfit.empty();
  json["fits_config"] = fits;
  if (!fits) json["misfit"] = found.misfit;
  json["parameters"] = fits ? Json(found.parameters) : Json();
  json["parameters_per_token"] = fits ? Json(found.parameters_per_token) : Json();
  json["quantization"]["declared"] =
      found.quantization.declared.empty() ? Json() : Json(found.quantization.declared);
  for (const auto& [name, forms] : found.quantization.stored) json["quantization"]["stored"][name] = forms;
  json["quantization"]["activations"] = found.quantization.activations;
  json["quantization"]["warnings"] = found.quantization.warnings;
  for (const auto& [name, grid] : found.quantization.grids) {
    json["quantization"]["on_4bit_grid"][name] = {{"matrices", grid.tensors}, {"on_grid", grid.on_grid}};
  }
  for (const auto& [scheme, bytes] : found.weight_bytes) {
    json["weight_bytes"][scheme] = bytes ? Json(*bytes) : Json();
  }
  json["context"] = found.context;
  json["kv_f16"] = {{"bytes_per_token", found.kv_bytes_per_token}, {"fixed_bytes", found.kv_fixed_bytes}};
  json["tokenizer"] =
      found.tokenizer_size ? Json{{"ids", *found.tokenizer_size}, {"adds_bos", found.adds_bos}} : Json();
  json["chat_template"] = found.chat_template;
  json["eos_ids"] = found.eos_ids;
  json["generation"] = generation_json(found.generation);
  json["card"] = Json::object();
  for (const auto& [key, values] : found.card.fields) json["card"][key] = values;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gemma
