#include "tools/evaluation_options.h"

#include <fmt/format.h>

#include "engine/evaluation/wikitext.h"
#include "engine/evaluation/window_scorer.h"
#include "loader/text_corpus.h"
#include "tools/eval_model.h"
#include "tools/mmap_option.h"

namespace gemma {
namespace {

// "\n\n" typed in a shell is four letters.
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == 't' || next == 'r' || next == '\\') {
      out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : '\\';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void add_text_options(Options& options, TextFlags& flags) {
  options.group("Text");
  options.add({.name = "text",
               .letter = 'f',
               .target = &flags.file,
               .value = "FILE",
               .help = "the text to measure on"});
  options.add(
      {.name = "format",
       .target = &flags.format,
       .words = {"auto", "plain", "lines", "jsonl", "wikitext-rows", "wikitext-pages"},
       .value = "FORMAT",
       .help = "what is a text: the whole file (plain), each line, each line of JSON; or WikiText's rows as "
               "the Hugging Face hub has them, or its pages as lm-evaluation-harness cuts them. auto: "
               "jsonl for files of that name, else plain"});
  options.add({.name = "field",
               .target = &flags.field,
               .value = "NAME",
               .help = "which member of a JSON object holds the text; lines that are strings need none"});
  options.add({.name = "limit",
               .target = &flags.limit,
               .range = {.min = 1},
               .unit = "texts",
               .default_text = "all",
               .help = "take the first N texts only"});
  options.add({.name = "join",
               .target = &flags.join,
               .value = "TEXT",
               .default_text = "\\n\\n",
               .help = "what stands between the texts where they are scored as one; \\n is a line feed"});
  options.add({.name = "skip-blank",
               .target = &flags.skip_blank,
               .help = "leave out texts of nothing but white space, before --limit counts"});
  options.add(
      {.name = "detokenize",
       .target = &flags.detokenize,
       .help =
           "undo WikiText's spaces around punctuation, as lm-evaluation-harness does; words and bytes are "
           "counted before"});
}

void add_window_options(Options& options, WindowFlags& flags) {
  options.group("Windows");
  options.add({.name = "definition",
               .letter = 'd',
               .target = &flags.definition,
               .words = perplexity_definition_names(),
               .value = "NAME",
               .help = "how windows are cut and averaged; see docs/perplexity.md"});
  options.add({.name = "max-length",
               .letter = 'L',
               .target = &flags.max_length,
               .range = {.min = 2, .max = 1 << 20},
               .unit = "tokens",
               .default_text = "512",
               .help = "size of a window"});
  options.add({.name = "stride",
               .letter = 'S',
               .target = &flags.stride,
               .range = {.min = 1, .max = 1 << 20},
               .unit = "tokens",
               .default_text = "half a window",
               .help =
                   "from the begin of one window to that of the next, where windows slide: strict, tutorial, "
                   "hf-doc, chat-prefix"});
  options.add({.name = "windows",
               .target = &flags.windows,
               .range = {.min = 1},
               .default_text = "all; 256 under mlx",
               .help = "score the first N windows only"});
  options.add(
      {.name = "bos",
       .target = &flags.bos,
       .words = {"window", "start", "text", "none"},
       .value = "WHERE",
       .default_text = "as the definition says",
       .help = "where <bos> stands: in front of every window (not scored), of the whole, of every text"});
  options.add({.name = "eos",
               .target = &flags.eos,
               .default_text = "only under mlx",
               .help = "put <eos> behind every text; with --bos text"});
  options.add({.name = "instruction",
               .target = &flags.instruction,
               .value = "TEXT",
               .default_text = "TICO's",
               .help = "chat-prefix: what the user asks for in front of every window"});
  options.add({.name = "order-seed",
               .target = &flags.seed,
               .range = {.min = 0, .max = 4294967295.0},
               .default_text = "123",
               .help = "mlx: of NumPy's random order of the texts"});
}

void add_compute_options(Options& options, ComputeFlags& flags) {
  options.group("Machine");
  add_kv_type_option(options, &flags.kv_type);
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "physical cores",
               .help = "threads to compute with; the result is the same"});
  options.add({.name = "chunk",
               .target = &flags.chunk,
               .range = {.min = 1, .max = 4096},
               .unit = "tokens",
               .help = "how many go through the model at a time; the result is the same"});
  add_mmap_option(options, flags.mmap);
  add_kernel_options(options, flags.kernels);
}

Result<EvaluationText> read_evaluation_text(const TextFlags& flags) {
  if (flags.file.empty()) {
    return fail(ErrorCode::kUsage, "--text", "missing",
                "give the file to measure on: --text test.txt or test.jsonl");
  }
  TextSource source;
  source.path = flags.file;
  source.field = flags.field;
  source.skip_blank = flags.skip_blank;
  source.limit = flags.limit.value_or(0);
  const bool wikitext = flags.format.starts_with("wikitext");
  source.format = flags.format == "lines"               ? TextFormat::kLines
                  : flags.format == "jsonl"             ? TextFormat::kJsonLines
                  : flags.format == "plain" || wikitext ? TextFormat::kPlain
                                                        : TextFormat::kAuto;
  if (wikitext) source.limit = 0;
  Result<std::vector<std::string>> texts = read_texts(source);
  if (!texts) return fail(std::move(texts.error()));
  if (wikitext) {
    const std::string file = std::move(texts->front());
    *texts = flags.format == "wikitext-rows" ? wikitext_rows(file) : wikitext_pages(file);
    if (flags.skip_blank) {
      std::erase_if(
          *texts, [](const std::string& text) { return text.find_first_not_of(" \t\r\n\v\f") == text.npos; });
    }
    if (flags.limit && texts->size() > *flags.limit) texts->resize(*flags.limit);
  }
  EvaluationText text = evaluation_text(std::move(*texts));
  if (flags.detokenize) {
    for (std::string& one : text.texts) one = wikitext_detokenize(one);
  }
  return text;
}

Result<PerplexityOptions> perplexity_options(const WindowFlags& windows, const TextFlags& text) {
  Result<PerplexityDefinition> definition = parse_perplexity_definition(windows.definition);
  if (!definition) return fail(std::move(definition.error()));
  PerplexityOptions options = default_options(*definition);
  if (windows.max_length) {
    options.max_length = *windows.max_length;
    options.stride =
        has_stride(*definition) ? std::max<size_t>(1, options.max_length / 2) : options.max_length;
  }
  if (windows.stride) {
    if (!has_stride(*definition)) {
      return fail(ErrorCode::kUsage, "--stride",
                  fmt::format("{} does not slide its windows", windows.definition), "leave it out");
    }
    options.stride = *windows.stride;
  }
  if (windows.bos) {
    Result<BosRule> rule = parse_bos_rule(*windows.bos);
    if (!rule) return fail(std::move(rule.error()));
    options.bos = *rule;
  }
  options.end_of_text = windows.eos.value_or(options.end_of_text);
  options.window_limit = windows.windows.value_or(options.window_limit);
  options.seed = windows.seed.value_or(options.seed);
  if (text.join) options.join = unescape(*text.join);
  return options;
}

Result<EvaluationPlan> evaluation_plan(const Model& model, const EvaluationText& text,
                                       const WindowFlags& windows, const TextFlags& flags) {
  if (model.tokenizer() == nullptr) {
    return fail(ErrorCode::kNotFound, model.folder() + "/tokenizer.json", "no such file",
                "the folder needs the tokenizer of its model");
  }
  Result<PerplexityOptions> options = perplexity_options(windows, flags);
  if (!options) return fail(std::move(options.error()));
  std::vector<int32_t> prefix;
  if (options->definition == PerplexityDefinition::kChatPrefix) {
    Result<std::vector<int32_t>> rendered = chat_continuation_prefix(
        model, windows.instruction ? *windows.instruction : std::string(kContinuationInstruction));
    if (!rendered) return fail(std::move(rendered.error()));
    prefix = std::move(*rendered);
  }
  return plan_evaluation(*model.tokenizer(), text, prefix, *options);
}

Result<std::unique_ptr<Model>> load_model(const std::string& name, const std::string& scheme,
                                          const ComputeFlags& flags, bool weights) {
  Result<std::string> found = model_or_shipped(name);
  if (!found) return fail(std::move(found.error()));
  ModelOptions options;
  options.weights = weights;
  options.scheme = scheme;
  options.threads = flags.threads.value_or(0);
  options.placement = placement_of(flags.mmap);
  if (Result<void> chosen = choose_kernels(flags.kernels, options); !chosen) return fail(chosen.error());
  return Model::load(*found, options);
}

}  // namespace gemma
