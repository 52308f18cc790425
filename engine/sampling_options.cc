#include "engine/sampling_options.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

Result<void> out_of_range(std::string_view name, std::string_view expected, std::string_view found) {
  return fail(ErrorCode::kUsage, std::string(name), fmt::format("expected {}, found {}", expected, found));
}

Result<void> check_count(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  const std::string range = high == kUnbounded ? fmt::format("a whole number of at least {}", low)
                                               : fmt::format("a whole number from {} to {}", low, high);
  return out_of_range(name, range, fmt::format("{}", value));
}

// Both ends included. Written so that NaN fails.
Result<void> check_number(std::string_view name, double value, double low, double high) {
  if (value >= low && value <= high && std::isfinite(value)) return {};
  std::string range = "a finite number";
  if (high != kInfinity) range = fmt::format("a number from {} to {}", low, high);
  if (high == kInfinity && low != -kInfinity) range = fmt::format("a finite number of at least {}", low);
  return out_of_range(name, range, fmt::format("{}", value));
}

Result<void> check_positive(std::string_view name, double value) {
  if (value > 0.0 && std::isfinite(value)) return {};
  return out_of_range(name, "a finite number above 0", fmt::format("{}", value));
}

Result<void> check_id(std::string_view name, int32_t id, size_t vocab_size) {
  if (id >= 0 && static_cast<size_t>(id) < vocab_size) return {};
  return out_of_range(name, fmt::format("token ids below {}, the size of the vocabulary", vocab_size),
                      fmt::format("{}", id));
}

Result<void> check_ids(std::string_view name, const std::vector<int32_t>& ids, size_t vocab_size) {
  for (int32_t id : ids) {
    if (auto ok = check_id(name, id, vocab_size); !ok) return ok;
  }
  return {};
}

Result<void> check_bias(const std::map<int32_t, float>& logit_bias, size_t vocab_size) {
  for (const auto& [id, bias] : logit_bias) {
    if (auto ok = check_id("logit_bias", id, vocab_size); !ok) return ok;
    if (!(bias < std::numeric_limits<float>::infinity())) {
      return out_of_range("logit_bias", "finite numbers or -inf", fmt::format("{} for token {}", bias, id));
    }
  }
  return {};
}

Result<void> check_returned(const SamplingOptions& options) {
  const auto contradiction = [&](std::string what, std::string hint) {
    return fail(ErrorCode::kUsage, "num_return_sequences", std::move(what), std::move(hint));
  };
  if (options.num_beams > 1 && options.num_return_sequences > options.num_beams) {
    return contradiction(fmt::format("expected at most num_beams = {}, found {}", options.num_beams,
                                     options.num_return_sequences),
                         "raise num_beams");
  }
  if (options.num_beams == 1 && options.num_return_sequences > 1 && !options.samples()) {
    return contradiction(
        fmt::format("expected 1, found {}: greedy search has one answer", options.num_return_sequences),
        "sample with a temperature above 0, or set num_beams");
  }
  return {};
}

}  // namespace

std::string_view to_string(EarlyStopping early_stopping) {
  switch (early_stopping) {
    case EarlyStopping::kFalse:
      return "false";
    case EarlyStopping::kTrue:
      return "true";
    case EarlyStopping::kNever:
      return "never";
  }
  return "false";
}

std::optional<EarlyStopping> parse_early_stopping(std::string_view text) {
  for (EarlyStopping value : {EarlyStopping::kFalse, EarlyStopping::kTrue, EarlyStopping::kNever}) {
    if (text == to_string(value)) return value;
  }
  return std::nullopt;
}

SamplingOptions resolve(const SamplingRequest& request, const GenerationConfig& file) {
  SamplingOptions options;
  const auto choose = [](auto& option, const auto& asked, const auto& default_of_file) {
    option = asked ? *asked : default_of_file.value_or(option);
  };
  choose(options.temperature, request.temperature, file.temperature);
  choose(options.top_k, request.top_k, file.top_k);
  choose(options.top_p, request.top_p, file.top_p);
  choose(options.min_p, request.min_p, file.min_p);
  choose(options.repetition_penalty, request.repetition_penalty, file.repetition_penalty);

  const bool shaped = request.temperature || request.top_k || request.top_p || request.min_p;
  options.do_sample = !request.greedy && request.do_sample.value_or(file.do_sample.value_or(shaped));

  options.eos_token_id = request.eos_token_id.value_or(file.eos_ids);
  options.suppress_tokens = request.suppress_tokens.value_or(file.suppress_ids);

  options.max_new_tokens = request.max_new_tokens.value_or(options.max_new_tokens);
  options.min_new_tokens = request.min_new_tokens.value_or(options.min_new_tokens);
  options.stop_strings = request.stop_strings;
  options.logit_bias = request.logit_bias;
  options.presence_penalty = request.presence_penalty.value_or(options.presence_penalty);
  options.frequency_penalty = request.frequency_penalty.value_or(options.frequency_penalty);
  options.no_repeat_ngram_size = request.no_repeat_ngram_size.value_or(options.no_repeat_ngram_size);
  options.seed = request.seed;
  options.num_beams = request.num_beams.value_or(options.num_beams);
  options.num_return_sequences = request.num_return_sequences.value_or(options.num_return_sequences);
  options.length_penalty = request.length_penalty.value_or(options.length_penalty);
  options.early_stopping = request.early_stopping.value_or(options.early_stopping);
  options.top_logprobs = request.top_logprobs.value_or(options.top_logprobs);
  return options;
}

Result<void> validate(const SamplingOptions& options, size_t vocab_size) {
  const Result<void> checks[] = {
      check_count("max_new_tokens", options.max_new_tokens, 1, kMaxNewTokens),
      check_count("min_new_tokens", options.min_new_tokens, 0, std::max<int64_t>(options.max_new_tokens, 0)),
      check_ids("eos_token_id", options.eos_token_id, vocab_size),
      check_bias(options.logit_bias, vocab_size),
      check_positive("repetition_penalty", options.repetition_penalty),
      check_number("presence_penalty", options.presence_penalty, -kInfinity, kInfinity),
      check_number("frequency_penalty", options.frequency_penalty, -kInfinity, kInfinity),
      check_count("no_repeat_ngram_size", options.no_repeat_ngram_size, 0, kMaxNgramSize),
      check_ids("suppress_tokens", options.suppress_tokens, vocab_size),
      check_number("temperature", options.temperature, 0.0, kInfinity),
      check_count("top_k", options.top_k, 0, kUnbounded),
      check_number("top_p", options.top_p, 0.0, 1.0),
      check_number("min_p", options.min_p, 0.0, 1.0),
      check_count("num_beams", options.num_beams, 1, kMaxSequences),
      check_count("num_return_sequences", options.num_return_sequences, 1, kMaxSequences),
      check_returned(options),
      check_number("length_penalty", options.length_penalty, -kMaxLengthPenalty, kMaxLengthPenalty),
      check_count("top_logprobs", options.top_logprobs, 0, kMaxSequences),
  };
  for (const Result<void>& check : checks) {
    if (!check) return check;
  }
  return {};
}

}  // namespace gemma
