#include "tools/eval_inspect.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/chat_detect.h"
#include "engine/kv_cache.h"
#include "engine/session.h"
#include "engine/synthetic_config.h"
#include "engine/tensor_plan.h"
#include "kernels/pack.h"
#include "loader/checkpoint.h"
#include "tools/eval_model.h"
#include "tools/options.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval inspect";

bool same_shape(const ModelConfig& a, const ModelConfig& b) {
  return a.hidden_size == b.hidden_size && a.heads == b.heads && a.vocab_size == b.vocab_size &&
         a.ple_width == b.ple_width && a.experts == b.experts && a.expert_width == b.expert_width &&
         std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                    [](const LayerConfig& x, const LayerConfig& y) {
                      return x.full_attention == y.full_attention && x.head_dim == y.head_dim &&
                             x.kv_heads == y.kv_heads && x.intermediate_size == y.intermediate_size &&
                             x.owns_kv == y.owns_kv && x.k_eq_v == y.k_eq_v;
                    });
}

// "448 on 3 layers, 896 on 3": the distinct values of one question, in order of appearance.
std::string per_layer(const ModelConfig& config,
                      const std::function<std::string(const LayerConfig&)>& value) {
  std::vector<std::pair<std::string, size_t>> counts;
  for (const LayerConfig& layer : config.layers) {
    const std::string text = value(layer);
    const auto known =
        std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == text; });
    if (known == counts.end()) {
      counts.emplace_back(text, 1);
    } else {
      ++known->second;
    }
  }
  if (counts.size() == 1) return counts.front().first;
  std::string text;
  for (const auto& [what, n] : counts) {
    text += fmt::format("{}{} on {}{}", text.empty() ? "" : ", ", what, n, text.empty() ? " layers" : "");
  }
  return text;
}

std::string shared_kv(const ModelConfig& config) {
  std::set<size_t> sources;
  size_t sharing = 0;
  for (const LayerConfig& layer : config.layers) {
    if (layer.owns_kv) continue;
    ++sharing;
    sources.insert(layer.kv_source);
  }
  if (sharing == 0) return "none";
  return fmt::format("{} layers read the keys and values of layer{} {}", sharing,
                     sources.size() == 1 ? "" : "s", fmt::join(sources, " and "));
}

std::vector<std::pair<std::string, std::string>> traits_of(const ModelConfig& c) {
  const auto count = [&](const std::function<bool(const LayerConfig&)>& is) {
    return static_cast<size_t>(std::count_if(c.layers.begin(), c.layers.end(), is));
  };
  const size_t full = count([](const LayerConfig& l) { return l.full_attention; });
  const size_t k_eq_v = count([](const LayerConfig& l) { return l.k_eq_v; });
  // Double-wide: layers that share KV have twice the MLP of those that own it.
  const bool double_wide = std::any_of(c.layers.begin(), c.layers.end(), [&](const LayerConfig& l) {
    return !l.owns_kv && l.intermediate_size == 2 * c.layers.front().intermediate_size;
  });
  const std::string mlp =
      per_layer(c, [](const LayerConfig& l) { return fmt::format("{}", l.intermediate_size); });
  return {
      {"layers", fmt::format("{}: {} sliding (window {}), {} full attention", c.layers.size(),
                             c.layers.size() - full, c.sliding_window, full)},
      {"hidden", fmt::format("{}", c.hidden_size)},
      {"MLP", mlp + (double_wide ? " (double-wide where KV is shared)" : "")},
      {"query heads", fmt::format("{}", c.heads)},
      {"KV heads", per_layer(c,
                             [](const LayerConfig& l) {
                               return fmt::format("{} of {} ({})", l.kv_heads, l.head_dim,
                                                  l.full_attention ? "full" : "sliding");
                             })},
      {"shared KV", shared_kv(c)},
      {"K = V",
       k_eq_v == 0 ? "no" : fmt::format("on {} layers: values are made of the keys' projection", k_eq_v)},
      {"per-layer embeddings", c.ple_width == 0
                                   ? "none"
                                   : fmt::format("{} wide, {} rows of {}", c.ple_width, c.ple_vocab_size,
                                                 c.ple_width * c.layers.size())},
      {"experts", c.experts == 0 ? "none"
                                 : fmt::format("{} of width {}, {} per token beside the MLP", c.experts,
                                               c.expert_width, c.experts_per_token)},
      {"logit soft-cap", c.final_softcap == 0 ? "none" : fmt::format("{}", c.final_softcap)},
      {"head", c.tied ? "tied to the embedding" : "of its own"},
      {"vocabulary", fmt::format("{}", c.vocab_size)},
  };
}

// Tensors that the engine reads: the plan's required ones that are there, in the plan's shape.
struct Used {
  const PlannedTensor* planned;
  const TensorInfo* tensor;
};

std::vector<Used> used_tensors(const std::vector<PlannedTensor>& plan, const TensorSource& source) {
  std::vector<Used> used;
  for (const PlannedTensor& planned : plan) {
    const TensorInfo* tensor = source.find(planned.name);
    if (planned.required && tensor != nullptr) used.push_back({&planned, tensor});
  }
  return used;
}

// "BF16", or how a quantized matrix is packed.
std::string stored_type(const TensorInfo& tensor) {
  if (tensor.encoding == Encoding::kPanels) return tensor.panels;
  return std::string(tensor.encoding == Encoding::kPlain ? dtype_name(tensor.dtype)
                                                         : encoding_name(tensor.encoding));
}

void count_tensors(const Model& model, Inspection& found) {
  std::set<std::string> files;
  for (const TensorInfo& tensor : model.source().tensors()) {
    for (Counted* counted : {&found.text, &found.dtypes[stored_type(tensor)]}) {
      counted->tensors += 1;
      counted->bytes += tensor.bytes();
    }
    if (!tensor.file.empty()) files.insert(tensor.file);
  }
  found.files = files.size();
  if (const auto* checkpoint = dynamic_cast<const Checkpoint*>(&model.source())) {
    found.other = {checkpoint->other_tensors(), checkpoint->other_bytes()};
  }
}

void count_parameters(const ModelConfig& config, const std::vector<Used>& used, Inspection& found) {
  for (const auto& [planned, tensor] : used) {
    const uint64_t elements = tensor->elements();
    found.parameters += elements;
    const bool gathered = planned->tensor_class == TensorClass::kPle ||
                          (planned->tensor_class == TensorClass::kEmbed && !config.tied);
    if (gathered) continue;
    const bool expert = planned->tensor_class == TensorClass::kExperts;
    found.parameters_per_token += expert ? elements / config.experts * config.experts_per_token : elements;
  }
}

// Cache bytes from the cache's own plan, at two contexts where every ring is full.
void count_kv(const ModelConfig& config, Inspection& found) {
  const SessionOptions defaults;
  const size_t full_rings = config.sliding_window + std::max(defaults.chunk, defaults.rollback);
  const KvCacheOptions options{full_rings, defaults.chunk, defaults.rollback, kernels::KvType::kF16};
  KvCacheOptions next = options;
  next.context += 1;
  const uint64_t bytes = KvCache::plan_bytes(config, options);
  found.kv_bytes_per_token = KvCache::plan_bytes(config, next) - bytes;
  found.kv_fixed_bytes = bytes - found.kv_bytes_per_token * full_rings;
}

// Memory of all matrices but the per-layer table, which stays in its file, plus norms and router as float32.
std::optional<uint64_t> weight_bytes(const ModelConfig& config, const std::vector<Used>& used,
                                     std::string_view scheme) {
  uint64_t bytes = 0;
  for (const auto& [planned, tensor] : used) {
    if (planned->tensor_class == TensorClass::kPle) continue;
    if (planned->tensor_class == TensorClass::kFloat) {
      bytes += tensor->elements() * sizeof(float);
      continue;
    }
    const size_t cols = tensor->columns();
    const bool expert = planned->tensor_class == TensorClass::kExperts;
    const size_t matrices = expert ? config.experts : 1;  // each expert is packed for itself
    const size_t rows = tensor->rows() / matrices;
    if (scheme == "bf16") {
      bytes += uint64_t{2} * tensor->elements();
    } else if (scheme == "int8") {
      const size_t panels = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows;
      bytes += matrices * (kernels::packed_bytes(kernels::WeightFormat::kInt8Channel, 8, rows, cols) +
                           uint64_t{panels} * kernels::kPanelRows * sizeof(float));
    } else {
      if (cols % kernels::kGroup != 0) return std::nullopt;
      bytes += matrices * kernels::packed_bytes(kernels::WeightFormat::kInt4Group32, 4, rows, cols);
    }
  }
  return bytes;
}

}  // namespace

std::string family_member(const ModelConfig& config) {
  constexpr std::array<std::pair<const char*, const char*>, 5> kSizes = {
      {{"e2b", "E2B"}, {"e4b", "E4B"}, {"12b", "12B"}, {"26b-a4b", "26B-A4B"}, {"31b", "31B"}}};
  for (const auto& [size, name] : kSizes) {
    const Result<ModelConfig> published = synthetic_config(size);
    if (published && same_shape(config, *published)) return name;
  }
  return "custom";
}

Result<Inspection> inspect(const Model& model) {
  const ModelConfig& config = model.config();
  Inspection found;
  found.name = model.name();
  found.folder = model.folder();
  found.family = family_member(config);
  found.model_type = config.model_type;
  found.dtype = config.dtype;
  found.traits = traits_of(config);
  count_tensors(model, found);

  const Result<void> fits =
      check_tensors(config, model.source(), found.folder.empty() ? found.name : found.folder);
  const std::vector<PlannedTensor> plan = plan_tensors(config);
  const std::vector<Used> used = used_tensors(plan, model.source());
  if (fits) {
    count_parameters(config, used, found);
    for (const char* scheme : {"int4", "int8", "bf16"}) {
      found.weight_bytes[scheme] = weight_bytes(config, used, scheme);
    }
    Result<StoredQuantization> quantization =
        inspect_quantization(config, plan, model.source(), model.kernels());
    if (!quantization) return fail(std::move(quantization.error()));
    found.quantization = std::move(*quantization);
  } else {
    found.misfit = fits.error().what;
  }

  found.context = config.max_positions;
  count_kv(config, found);
  if (const Tokenizer* tokenizer = model.tokenizer()) {
    found.tokenizer_size = tokenizer->vocab_size();
    found.adds_bos = tokenizer->add_bos();
  }
  found.chat_template = to_string(ChatTemplate::kNone);
  if (!found.folder.empty()) {
    Result<TemplateFile> chat = model.chat_template();
    if (!chat) return fail(std::move(chat.error()));
    found.chat_template = to_string(detect_template(chat->text));
    found.card = read_model_card(found.folder + "/README.md");
  }
  found.eos_ids = model.eos_ids();
  found.generation = model.generation_config();
  return found;
}

ExitCode eval_inspect(int argc, const char* const* argv) {
  std::string model_name;
  bool json = false;
  Options options(std::string(kProgram),
                  "Tells what a checkpoint is and what it will need; loads no weights.");
  options.group("Options");
  options.add({.name = "model",
               .letter = 'm',
               .target = &model_name,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a .gguf file, a hub id such as google/gemma-4-E2B-it, or synthetic:SIZE"});
  options.add({.name = "json", .target = &json, .help = "print one JSON object instead of text"});
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  const Result<std::unique_ptr<Model>> model = open_model(model_name, /*tokenizer=*/true);
  if (!model) return report(kProgram, model.error());
  const Result<Inspection> found = inspect(**model);
  if (!found) return report(kProgram, found.error());
  return print(kProgram, json ? inspection_json(*found) : inspection_text(*found));
}

}  // namespace gemma
