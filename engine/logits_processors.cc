#include "engine/logits_processors.h"

#include <limits>

namespace gemma {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

}  // namespace

LogitsProcessors::LogitsProcessors(const SamplingOptions& options, size_t vocab_size) : options_(&options) {
  const bool counts = options.repetition_penalty != 1.0 || options.presence_penalty != 0.0 ||
                      options.frequency_penalty != 0.0;
  if (counts) where_.resize(vocab_size);
  if (options.no_repeat_ngram_size > 0) ngrams_.emplace(static_cast<size_t>(options.no_repeat_ngram_size));
}

void LogitsProcessors::append_prompt(std::span<const int32_t> tokens) {
  for (int32_t token : tokens) remember(token, false);
}

void LogitsProcessors::append(int32_t generated) {
  remember(generated, true);
  ++generated_;
}

void LogitsProcessors::remember(int32_t token, bool generated) {
  if (ngrams_) ngrams_->append(token);
  if (token < 0 || static_cast<size_t>(token) >= where_.size()) return;
  uint32_t& where = where_[static_cast<size_t>(token)];
  if (where == 0) {
    seen_.push_back({token, 0});
    where = static_cast<uint32_t>(seen_.size());
  }
  if (generated) ++seen_[where - 1].generated;
}

bool LogitsProcessors::idle() const {
  const bool too_short = generated_ < static_cast<size_t>(options_->min_new_tokens);
  return where_.empty() && !ngrams_ && !too_short && options_->logit_bias.empty() &&
         options_->suppress_tokens.empty();
}

void LogitsProcessors::apply(std::span<float> scores) const {
  const SamplingOptions& options = *options_;
  const auto forbid = [&](int32_t id) {
    if (id >= 0 && static_cast<size_t>(id) < scores.size()) scores[static_cast<size_t>(id)] = kImpossible;
  };

  for (const auto& [id, bias] : options.logit_bias) scores[static_cast<size_t>(id)] += bias;

  // Both penalties touch each seen token alone, so one walk over them does the first, then the second.
  for (const Seen& seen : seen_) {
    float& score = scores[static_cast<size_t>(seen.id)];
    if (options.repetition_penalty != 1.0) {
      const double value = static_cast<double>(score);
      score = static_cast<float>(value < 0.0 ? value * options.repetition_penalty
                                             : value / options.repetition_penalty);
    }
    if (seen.generated == 0) continue;
    const double penalty =
        options.presence_penalty + options.frequency_penalty * static_cast<double>(seen.generated);
    if (penalty != 0.0) score = static_cast<float>(static_cast<double>(score) - penalty);
  }

  if (ngrams_) ngrams_->for_each_follower(forbid);
  if (generated_ < static_cast<size_t>(options.min_new_tokens)) {
    for (int32_t id : options.eos_token_id) forbid(id);
  }
  for (int32_t id : options.suppress_tokens) forbid(id);
}

}  // namespace gemma
