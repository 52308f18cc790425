// perplexity_text and perplexity_json: the same figures for people and for programs.
#include <cmath>

#include <fmt/format.h>

#include "tools/eval_perplexity.h"

namespace gemma {
namespace {

constexpr int kSchema = 1;

std::string hex(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

// Definitions whose number is not the plain mean over tokens, each once.
bool weighs_otherwise(PerplexityDefinition definition) {
  return definition == PerplexityDefinition::kTutorial || definition == PerplexityDefinition::kHfDoc;
}

double rate(const PerplexityState& state) {
  return state.seconds > 0 ? static_cast<double>(state.inputs) / state.seconds : 0;
}

std::string window_text(const PerplexityOptions& options) {
  std::string text = fmt::format("{} tokens", options.max_length);
  if (has_stride(options.definition)) text += fmt::format(", stride {}", options.stride);
  switch (options.bos) {
    case BosRule::kWindow:
      return text + (options.definition == PerplexityDefinition::kChatPrefix ? ", chat prompt before each"
                                                                             : ", <bos> before each");
    case BosRule::kStart:
      return text + ", <bos> at the start";
    case BosRule::kText:
      return text + ", <bos> before every text" + (options.end_of_text ? ", <eos> behind" : "");
    case BosRule::kNone:
      return text + ", no <bos>";
  }
  return text;
}

}  // namespace

std::string perplexity_text(const PerplexityReport& report) {
  const EvaluationPlan& plan = report.plan;
  const PerplexityResult& result = report.result;
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  const bool lm_eval = plan.options.definition == PerplexityDefinition::kLmEval;
  line(lm_eval ? "per word" : "perplexity",
       fmt::format("{:.6f} ± {:.4f}{}", result.perplexity, result.error,
                   result.window_error > 0
                       ? fmt::format(" (± {:.4f} if only windows are independent)", result.window_error)
                       : ""));
  if (lm_eval) {
    line("per byte", fmt::format("{:.6f}, {:.6f} bits", result.byte_perplexity, result.bits_per_byte));
    line("per token", fmt::format("{:.6f}", result.once));
  } else {
    line("nats", fmt::format("{:.8f}", result.nats));
  }
  if (weighs_otherwise(plan.options.definition)) {
    line("strict",
         fmt::format(
             "{:.6f} ± {:.4f}, each token once and alike over the same windows; {} is {:+.4f} % from it",
             result.once, result.once_error, to_string(plan.options.definition),
             100 * (result.perplexity / result.once - 1)));
  }
  line("definition", std::string(to_string(plan.options.definition)));
  line("windows", fmt::format("{} of {}", plan.windows.size(), window_text(plan.options)));
  line("scored", fmt::format("{} tokens of {}{}", report.state.tokens.count, plan.tokens.size(),
                             plan.targets > plan.fresh_targets
                                 ? fmt::format(", {} of them twice", plan.targets - plan.fresh_targets)
                                 : ""));
  line("text", fmt::format("{}, {} text{}, {} words, {} bytes, hash {}", report.text_path, plan.texts,
                           plan.texts == 1 ? "" : "s", plan.words, plan.bytes, hex(plan.text_hash)));
  line("tokens", fmt::format("hash {}, tokenizer {}", hex(plan.token_hash), hex(report.tokenizer_hash)));
  line("model", report.model);
  line("scheme", report.scheme + (report.scheme_reason.empty() ? "" : " (" + report.scheme_reason + ")"));
  line("kernels", fmt::format("{}, {} thread{}, KV cache {}", report.kernels, report.threads,
                              report.threads == 1 ? "" : "s", report.kv_type));
  line("speed",
       fmt::format("{:.1f} tokens/s: {} read in {:.2f} s, after loading in {:.2f} s", rate(report.state),
                   report.state.inputs, report.state.seconds, report.load_seconds));
  for (const std::string& note : plan.notes) line("note", note);
  return text;
}

nlohmann::ordered_json perplexity_json(const PerplexityReport& report) {
  const EvaluationPlan& plan = report.plan;
  const PerplexityResult& result = report.result;
  const PerplexityOptions& options = plan.options;
  nlohmann::ordered_json json = {
      {"schema", kSchema},
      {"kind", "perplexity"},
      {"perplexity", result.perplexity},
      {"standard_error", result.error},
      {"standard_error_windows", result.window_error},
      {"nats", result.nats},
      {"each_token_once", {{"perplexity", result.once}, {"standard_error", result.once_error}}},
      {"definition", to_string(options.definition)},
      {"max_length", options.max_length},
      {"stride",
       has_stride(options.definition) ? nlohmann::ordered_json(options.stride) : nlohmann::ordered_json()},
      {"bos", to_string(options.bos)},
      {"eos", options.end_of_text},
      {"windows", plan.windows.size()},
      {"scored_tokens", report.state.tokens.count},
      {"scored_again_tokens", plan.targets - plan.fresh_targets},
      {"text",
       {{"path", report.text_path},
        {"texts", plan.texts},
        {"words", plan.words},
        {"bytes", plan.bytes},
        {"tokens", plan.tokens.size()},
        {"hash", hex(plan.text_hash)}}},
      {"token_hash", hex(plan.token_hash)},
      {"tokenizer_hash", hex(report.tokenizer_hash)},
      {"model", report.model},
      {"scheme", report.scheme},
      {"kernels", report.kernels},
      {"threads", report.threads},
      {"kv_type", report.kv_type},
      {"input_tokens", report.state.inputs},
      {"seconds", report.state.seconds},
      {"tokens_per_second", rate(report.state)},
      {"load_seconds", report.load_seconds},
      {"notes", plan.notes}};
  if (options.definition == PerplexityDefinition::kLmEval) {
    json["word_perplexity"] = result.perplexity;
    json["byte_perplexity"] = result.byte_perplexity;
    json["bits_per_byte"] = result.bits_per_byte;
  }
  return json;
}

}  // namespace gemma
