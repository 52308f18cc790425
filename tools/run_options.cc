#include "tools/run_options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "tools/kv_type_option.h"
#include "tools/mmap_option.h"

namespace gemma {
namespace {

// The whole text as a number.
template <typename T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

Options run_options(RunFlags& flags) {
  Options options("gemma-run",
                  "Writes text with a Gemma 4 model on this CPU. The text goes to stdout, everything "
                  "else to stderr.");
  options.group("Model");
  options.add(
      {.name = "model",
       .letter = 'm',
       .target = &flags.model,
       .value = "MODEL",
       .default_text = "the story model that ships with gemma-run",
       .help = "a folder, a hub id in the local cache (google/gemma-4-E2B-it), or synthetic:e2b, e4b, 12b, "
               "26b-a4b, 31b, tiny"});
  options.add(
      {.name = "scheme",
       .target = &flags.scheme,
       .value = "SCHEME",
       .default_text = "what fits the file",
       .help =
           "how the weights are kept and multiplied: f32, bf16, int8, int4, int4-channel, w8a4, fake:..., "
           "with ,class=scheme for parts"});
  add_kv_type_option(options, &flags.kv_type);
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "the physical cores",
               .help = "threads that compute; the text does not depend on it"});
  options.add({.name = "context",
               .letter = 'c',
               .target = &flags.context,
               .range = {.min = 1, .max = 1 << 24},
               .default_text = "the model's, 4096 tokens at most",
               .help = "tokens that prompt and answer together may have"});
  add_mmap_option(options, flags.mmap);
  add_kernel_options(options, flags.kernels);

  options.group("Input");
  options.add({.name = "prompt",
               .letter = 'p',
               .target = &flags.prompts,
               .help = "what to answer: a user's turn, or with --raw the beginning of the text; may be "
                       "repeated. Without any prompt, standard input is one"});
  options.add({.name = "prompt-file",
               .letter = 'f',
               .target = &flags.prompt_files,
               .value = "FILE",
               .help = "a prompt out of a file; - is standard input; may be repeated"});
  options.add({.name = "messages",
               .target = &flags.messages,
               .value = "FILE",
               .help = "a conversation with tools as JSON, in the form of transformers' chat templates"});
  options.add({.name = "system", .target = &flags.system, .help = "a system turn before the conversation"});
  options.add(
      {.name = "thinking", .target = &flags.thinking, .help = "let the model think before it answers"});
  options.add(
      {.name = "raw",
       .target = &flags.raw,
       .help = "no chat template: <bos> once, then the prompt, in which markers such as <|turn> count"});
  options.add({.name = "chat",
               .target = &flags.chat,
               .help = "a conversation in the terminal; Ctrl-C stops an answer, Ctrl-D ends it"});
  options.add(
      {.name = "session",
       .target = &flags.session,
       .value = "FILE",
       .help = "keep the computed state in a file: a later run that begins alike does not compute it again; "
               "with --chat the conversation goes on"});

  options.group("Length");
  options.add({.name = "max-new-tokens",
               .letter = 'n',
               .target = &flags.max_new_tokens,
               .range = {.min = 1},
               .default_text = "until the end or the context is full, 1024 tokens at most",
               .help = "most tokens to write"});
  options.add({.name = "min-new-tokens",
               .target = &flags.min_new_tokens,
               .range = {.min = 0},
               .default_text = "0 tokens",
               .help = "no end before that many"});
  options.add(
      {.name = "ignore-eos", .target = &flags.ignore_eos, .help = "write on past the end of the answer"});
  options.add({.name = "stop",
               .aliases = {"stop-string", "stop-strings"},
               .target = &flags.stop,
               .help = "end before this text; may be repeated"});

  const char* const from_file = "the model's generation_config.json";
  options.group("Choice of tokens");
  options.add({.name = "greedy", .target = &flags.greedy, .help = "always the likeliest token"});
  options.add({.name = "do-sample",
               .target = &flags.do_sample,
               .default_text = from_file,
               .help = "choose by chance, with the options below"});
  options.add({.name = "temperature",
               .target = &flags.temperature,
               .range = {.min = 0},
               .default_text = from_file,
               .help = "divides the logits: below 1 bolder, above 1 wilder, 0 is greedy"});
  options.add({.name = "top-k",
               .target = &flags.top_k,
               .range = {.min = 0},
               .default_text = from_file,
               .help = "only the k likeliest; 0 is all"});
  options.add({.name = "top-p",
               .target = &flags.top_p,
               .range = {.min = 0, .max = 1},
               .default_text = from_file,
               .help = "only the likeliest that together have this probability"});
  options.add({.name = "min-p",
               .target = &flags.min_p,
               .range = {.min = 0, .max = 1},
               .default_text = from_file,
               .help = "only those with this share of the likeliest one's probability"});
  options.add({.name = "repetition-penalty",
               .target = &flags.repetition_penalty,
               .range = {.min = 0, .above_min = true},
               .default_text = from_file,
               .help = "above 1 makes tokens of prompt and answer less likely"});
  options.add({.name = "presence-penalty",
               .target = &flags.presence_penalty,
               .default_text = "0",
               .help = "taken from the logit of every token of the answer"});
  options.add({.name = "frequency-penalty",
               .target = &flags.frequency_penalty,
               .default_text = "0",
               .help = "the same, as often as the token occurs"});
  options.add({.name = "no-repeat-ngram-size",
               .target = &flags.no_repeat_ngram_size,
               .range = {.min = 0, .max = static_cast<double>(kMaxNgramSize)},
               .default_text = "0",
               .help = "no sequence of that many tokens twice; 0 is off"});
  options.add({.name = "logit-bias",
               .target = &flags.logit_bias,
               .value = "ID=BIAS",
               .help = "added to the logit of a token; may be repeated"});
  options.add({.name = "suppress-tokens",
               .aliases = {"suppress-token"},
               .target = &flags.suppress,
               .value = "ID,...",
               .default_text = from_file,
               .help = "never choose these tokens; may be repeated"});
  options.add({.name = "seed",
               .target = &flags.seed,
               .default_text = "another one each time, told by --stats",
               .help = "the same seed gives the same text"});

  options.group("Several answers");
  options.add({.name = "num-beams",
               .target = &flags.num_beams,
               .range = {.min = 1, .max = kMaxSequences},
               .default_text = "1",
               .help = "beam search over that many continuations"});
  options.add({.name = "num-return-sequences",
               .target = &flags.num_return_sequences,
               .range = {.min = 1, .max = kMaxSequences},
               .default_text = "1",
               .help = "answers to each prompt"});
  options.add({.name = "length-penalty",
               .target = &flags.length_penalty,
               .range = {.min = -kMaxLengthPenalty, .max = kMaxLengthPenalty},
               .default_text = "1",
               .help = "beams compare log-probability / tokens ^ this"});
  options.add({.name = "early-stopping",
               .target = &flags.early_stopping,
               .words = {"false", "true", "never"},
               .value = "WHEN",
               .default_text = "false",
               .help = "when a beam search is content"});

  options.group("Report");
  options.add({.name = "stats",
               .target = &flags.stats,
               .help = "load, prefill and decode rate, time to first token and memory, on stderr"});
  options.add({.name = "json",
               .target = &flags.json,
               .help = "text, ids, finish reason, timings and memory as one JSON document on stdout"});
  options.add({.name = "top-logprobs",
               .target = &flags.top_logprobs,
               .range = {.min = 0, .max = kMaxSequences},
               .default_text = "0",
               .help = "with --json, the likeliest tokens of every step"});
  options.epilogue(
      "gemma-run pull ID fetches a model from the hub: gemma-run pull --help.\n\n"
      "Examples:\n"
      "  gemma-run -p \"Tell me a story about a dragon.\"\n"
      "  gemma-run pull google/gemma-4-E2B-it\n"
      "  gemma-run -m google/gemma-4-E2B-it --chat --thinking\n"
      "  gemma-run -m synthetic:e2b --scheme int4 --raw -p \"speed test\" -n 64 --stats\n");
  return options;
}

Result<void> check_flags(const RunFlags& flags) {
  const auto refuse = [](const char* where, std::string what) {
    return fail(ErrorCode::kUsage, where, std::move(what));
  };
  const std::pair<bool, const char*> not_in_chat[] = {
      {!flags.prompts.empty(), "--prompt"},
      {!flags.prompt_files.empty(), "--prompt-file"},
      {flags.messages.has_value(), "--messages"},
      {flags.raw, "--raw"},
      {flags.json, "--json"},
      {flags.num_return_sequences.value_or(1) > 1, "--num-return-sequences"},
  };
  for (const auto& [given, name] : not_in_chat) {
    if (flags.chat && given) return refuse("--chat", fmt::format("does not go together with {}", name));
  }
  const std::pair<bool, const char*> not_raw[] = {
      {flags.messages.has_value(), "--messages"},
      {flags.system.has_value(), "--system"},
      {flags.thinking, "--thinking"},
  };
  for (const auto& [given, name] : not_raw) {
    if (flags.raw && given) return refuse("--raw", fmt::format("does not go together with {}", name));
  }
  const std::pair<const std::optional<std::string>&, const char*> texts[] = {
      {flags.model, "--model"}, {flags.scheme, "--scheme"}, {flags.session, "--session"}};
  for (const auto& [text, name] : texts) {
    if (text && text->empty()) return refuse(name, "expected a text, found an empty one");
  }
  if (flags.top_logprobs.value_or(0) > 0 && !flags.json) {
    return refuse("--top-logprobs", "reports in JSON only: add --json");
  }
  return {};
}

Error by_option_name(Error error, const RunFlags& flags, const std::string& folder) {
  if (error.where == "eos_token_id" || (error.where == "suppress_tokens" && flags.suppress.empty())) {
    error.code = ErrorCode::kInvalidFile;
    error.where = folder + "/generation_config.json: " + error.where;
    return error;
  }
  std::replace(error.where.begin(), error.where.end(), '_', '-');
  error.where = "--" + error.where;
  return error;
}

Result<SamplingRequest> sampling_request(const RunFlags& flags) {
  SamplingRequest request;
  request.max_new_tokens = flags.max_new_tokens;
  request.min_new_tokens = flags.min_new_tokens;
  request.no_repeat_ngram_size = flags.no_repeat_ngram_size;
  request.top_k = flags.top_k;
  request.num_beams = flags.num_beams;
  request.num_return_sequences = flags.num_return_sequences;
  request.top_logprobs = flags.top_logprobs;
  request.repetition_penalty = flags.repetition_penalty;
  request.presence_penalty = flags.presence_penalty;
  request.frequency_penalty = flags.frequency_penalty;
  request.temperature = flags.temperature;
  request.top_p = flags.top_p;
  request.min_p = flags.min_p;
  request.length_penalty = flags.length_penalty;
  request.do_sample = flags.do_sample;
  request.greedy = flags.greedy;
  request.seed = flags.seed;
  request.stop_strings = flags.stop;
  if (flags.ignore_eos) request.eos_token_id = std::vector<int32_t>{};
  if (flags.early_stopping) request.early_stopping = parse_early_stopping(*flags.early_stopping);
  if (!flags.suppress.empty()) {
    request.suppress_tokens.emplace();
    for (std::string_view list : flags.suppress) {
      for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        const std::string_view text = list.substr(begin, end - begin);
        int32_t id = 0;
        if (!read_number(text, id)) {
          return fail(ErrorCode::kUsage, "--suppress-tokens",
                      fmt::format("expected token ids, found \"{}\"", text));
        }
        request.suppress_tokens->push_back(id);
        begin = end + 1;
      }
    }
  }
  for (const std::string& text : flags.logit_bias) {
    const size_t equals = text.find('=');
    int32_t id = 0;
    float bias = 0;
    if (equals == std::string::npos || !read_number(std::string_view(text).substr(0, equals), id) ||
        !read_number(std::string_view(text).substr(equals + 1), bias)) {
      return fail(ErrorCode::kUsage, "--logit-bias", fmt::format("expected ID=BIAS, found \"{}\"", text));
    }
    request.logit_bias[id] = bias;
  }
  return request;
}

Result<ModelOptions> model_options(const RunFlags& flags) {
  ModelOptions options;
  options.scheme = flags.scheme.value_or("");
  options.threads = flags.threads;
  options.placement = placement_of(flags.mmap);
  if (Result<void> chosen = choose_kernels(flags.kernels, options); !chosen) return fail(chosen.error());
  return options;
}

SessionOptions session_options(const RunFlags& flags) {
  SessionOptions options;
  options.context = flags.context;
  if (flags.kv_type) options.kv_type = kernels::parse_kv_type(*flags.kv_type);
  return options;
}

}  // namespace gemma
