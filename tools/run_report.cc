#include "tools/run_report.h"

#include <fmt/format.h>

#include "engine/memory_report.h"
#include "tools/eval_memory.h"

namespace gemma {
namespace {

constexpr int kJsonSchema = 1;

double rate(size_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

// Tokens that decode steps made: the first of every sequence came from the prompt's logits.
size_t decoded(const std::vector<Generated>& texts) {
  size_t tokens = 0;
  for (const Generated& text : texts) tokens += text.ids.empty() ? 0 : text.ids.size() - 1;
  return tokens;
}

}  // namespace

std::string stats_text(const Model& model, const Session& session, const SamplingOptions& sampling,
                       const GenerateTimings& timings, const std::vector<Generated>& texts) {
  const ProcessMemory memory = process_memory();
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  const std::string reason = model.scheme_reason().empty() ? "" : " (" + model.scheme_reason() + ")";
  line("model", model.name());
  line("scheme", to_string(model.scheme()) + reason);
  line("kernels", fmt::format("{}, {} thread{}", kernels::to_string(model.kernels().isa), model.team().size(),
                              model.team().size() == 1 ? "" : "s"));
  line("load", fmt::format("{:.3f} s", model.load_seconds()));
  line("prefill",
       fmt::format(
           "{} tokens in {:.3f} s, {:.1f} tokens/s{}", timings.prompt_tokens, timings.prefill_seconds,
           rate(timings.prompt_tokens, timings.prefill_seconds),
           timings.cached_tokens > 0 ? fmt::format(", {} more were cached", timings.cached_tokens) : ""));
  line("first token", fmt::format("after {:.3f} s", timings.first_token_seconds));
  line("decode", fmt::format("{} tokens in {:.3f} s, {:.1f} tokens/s", decoded(texts), timings.decode_seconds,
                             rate(decoded(texts), timings.decode_seconds)));
  line("weights", fmt::format("{} in memory, {} mapped from files", format_bytes(model.owned_weight_bytes()),
                              format_bytes(model.mapped_weight_bytes())));
  line("KV cache",
       fmt::format("{} used of {} reserved for {} tokens, {}", format_bytes(session.kv_used_bytes()),
                   format_bytes(session.kv_reserved_bytes()), session.context(),
                   kernels::to_string(*session.options().kv_type)));
  line("scratch", format_bytes(session.scratch_bytes()));
  line("resident", fmt::format("{}, peak {}", format_bytes(memory.resident_bytes),
                               format_bytes(memory.peak_resident_bytes)));
  if (const Result<MemoryReport> where = memory_report(model, &session))
    line("  of it", memory_summary(*where));
  if (!texts.empty() && sampling.samples()) line("seed", fmt::format("{}", texts.front().seed));
  if (!texts.empty()) line("finish", std::string(to_string(texts.front().finish)));
  return text;
}

nlohmann::ordered_json result_json(const Model& model, const SamplingOptions& sampling,
                                   std::span<const int32_t> prompt, const std::vector<Generated>& texts,
                                   const GenerateTimings& timings) {
  const auto entry = [&](const TokenLogprob& token) -> Json {
    return {{"id", token.id},
            {"token", model.tokenizer()->decode({&token.id, 1}, /*skip_special=*/false)},
            {"logprob", token.logprob}};
  };
  Json sequences = Json::array();
  for (const Generated& text : texts) {
    Json one = {{"text", text.text}, {"ids", text.ids}, {"finish_reason", to_string(text.finish)}};
    if (!text.thought.empty()) one["thought"] = text.thought;
    for (const ToolCall& call : text.tool_calls) {
      one["tool_calls"].push_back({{"name", call.name}, {"arguments", call.arguments}});
    }
    if (sampling.num_beams > 1) one["score"] = text.score;
    if (sampling.samples()) one["seed"] = text.seed;
    for (const LogprobReport& report : text.logprobs) {
      Json step = entry(report.chosen);
      step["top"] = Json::array();
      for (const TokenLogprob& likely : report.top) step["top"].push_back(entry(likely));
      one["logprobs"].push_back(std::move(step));
    }
    sequences.push_back(std::move(one));
  }
  return {{"prompt_ids", std::vector<int32_t>(prompt.begin(), prompt.end())},
          {"sequences", std::move(sequences)},
          {"timings",
           {{"prompt_tokens", timings.prompt_tokens},
            {"cached_tokens", timings.cached_tokens},
            {"prefill_seconds", timings.prefill_seconds},
            {"first_token_seconds", timings.first_token_seconds},
            {"decode_tokens", decoded(texts)},
            {"decode_seconds", timings.decode_seconds}}}};
}

nlohmann::ordered_json report_json(const Model& model, const Session& session,
                                   nlohmann::ordered_json results) {
  const ProcessMemory memory = process_memory();
  return {{"schema", kJsonSchema},
          {"model", model.name()},
          {"scheme", to_string(model.scheme())},
          {"kernels", kernels::to_string(model.kernels().isa)},
          {"threads", model.team().size()},
          {"context", session.context()},
          {"kv_type", kernels::to_string(*session.options().kv_type)},
          {"load_seconds", model.load_seconds()},
          {"memory",
           {{"weights_owned_bytes", model.owned_weight_bytes()},
            {"weights_mapped_bytes", model.mapped_weight_bytes()},
            {"kv_reserved_bytes", session.kv_reserved_bytes()},
            {"kv_used_bytes", session.kv_used_bytes()},
            {"scratch_bytes", session.scratch_bytes()},
            {"resident_bytes", memory.resident_bytes},
            {"peak_resident_bytes", memory.peak_resident_bytes}}},
          {"results", std::move(results)}};
}

std::string context_full(const Session& session) {
  return fmt::format("the answer ends here because the context of {} tokens is full (--context)",
                     session.context());
}

}  // namespace gemma
