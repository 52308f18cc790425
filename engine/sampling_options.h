// Every option between the logits and the text, under the name that transformers' GenerationConfig gives it.
// Meaning, order and differences: docs/sampling.md.
//
//   SamplingRequest request;                                   // what the user asked for
//   request.temperature = 0.7;
//   SamplingOptions options = resolve(request, model_defaults);  // user > generation_config.json > built in
//   if (auto ok = validate(options, vocab_size); !ok) return fail(ok.error());
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/generation_config.h"
#include "loader/result.h"

namespace gemma {

// When a beam search may stop although some beam could go on.
enum class EarlyStopping {
  kFalse,  // when no running beam, ended now, would beat the worst of num_beams finished ones
  kTrue,   // as soon as num_beams are finished
  kNever,  // when no running beam can beat the worst finished one any more, whatever its length
};

// "false", "true", "never"; as transformers spells them.
std::string_view to_string(EarlyStopping early_stopping);
std::optional<EarlyStopping> parse_early_stopping(std::string_view text);

inline constexpr int64_t kMaxNewTokens = INT32_MAX;
inline constexpr int64_t kMaxNgramSize = 1024;     // each token costs work proportional to it
inline constexpr int64_t kMaxSequences = 1024;     // beams, returned sequences, reported ids
inline constexpr double kMaxLengthPenalty = 32.0;  // kMaxNewTokens ^ this is still a float64

struct SamplingOptions {
  // How long, and when to end.
  int64_t max_new_tokens = 1024;          // 1..2^31 - 1
  int64_t min_new_tokens = 0;             // 0..max_new_tokens; until then no eos id is possible
  std::vector<int32_t> eos_token_id;      // ids that end a sequence, the id included in it
  std::vector<std::string> stop_strings;  // texts that end it, cut off; not empty, valid UTF-8

  // Changes to the logits, for greedy search too. Applied in this order.
  std::map<int32_t, float> logit_bias;   // added to the logit; finite or -inf
  double repetition_penalty = 1.0;       // > 0; over prompt and answer: l < 0 ? l * p : l / p
  double presence_penalty = 0.0;         // finite; subtracted from every id of the answer
  double frequency_penalty = 0.0;        // finite; subtracted as often as the id is in the answer
  int64_t no_repeat_ngram_size = 0;      // 0 = off, ..kMaxNgramSize; over prompt and answer
  std::vector<int32_t> suppress_tokens;  // ids that are never chosen

  // The choice. Temperature to min_p act only when sampling, in this order.
  bool do_sample = false;
  double temperature = 1.0;      // >= 0, finite; 0 = greedy
  int64_t top_k = 50;            // >= 0; 0 = off
  double top_p = 1.0;            // 0..1; 1 = off, 0 = only the most probable
  double min_p = 0.0;            // 0..1; 0 = off
  std::optional<uint64_t> seed;  // unset: the caller draws one (fresh_seed)

  // Several sequences.
  int64_t num_beams = 1;             // 1..1024; 1 = no beam search
  int64_t num_return_sequences = 1;  // 1..1024; <= num_beams if beams; 1 if greedy
  double length_penalty = 1.0;       // -32..32; score = log-probability / generated tokens ^ this
  EarlyStopping early_stopping = EarlyStopping::kFalse;

  // Reporting: the most probable ids per step, of the softmax of the model's own logits.
  int64_t top_logprobs = 0;  // 0..1024

  // Whether chance takes part: at temperature 0 only one choice is left.
  bool samples() const { return do_sample && temperature > 0.0; }
};

// What a user asked for; what is unset is left to the model's file and then to the built-in values above.
struct SamplingRequest {
  std::optional<int64_t> max_new_tokens, min_new_tokens, no_repeat_ngram_size, top_k;
  std::optional<int64_t> num_beams, num_return_sequences, top_logprobs;
  std::optional<double> repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<double> temperature, top_p, min_p, length_penalty;
  std::optional<std::vector<int32_t>> eos_token_id;     // replaces the file's; empty: only the length ends
  std::optional<std::vector<int32_t>> suppress_tokens;  // replaces the file's
  std::vector<std::string> stop_strings;
  std::map<int32_t, float> logit_bias;
  std::optional<bool> do_sample;
  bool greedy = false;  // the same as do_sample = false, and stronger than do_sample = true
  std::optional<uint64_t> seed;
  std::optional<EarlyStopping> early_stopping;
};

// Each option by itself: the request, else the file, else the built-in value. If neither says do_sample,
// asking for a temperature, top_k, top_p or min_p is asking to sample.
SamplingOptions resolve(const SamplingRequest& request, const GenerationConfig& file);

// The first option that is out of its range, or contradicts another, as kUsage with the option's name as
// where.
Result<void> validate(const SamplingOptions& options, size_t vocab_size);

}  // namespace gemma
