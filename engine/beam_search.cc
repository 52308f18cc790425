#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "engine/logits_filter.h"
#include "engine/logits_processors.h"
#include "engine/random.h"
#include "engine/sampler.h"
#include "kernels/reductions.h"

namespace gemma {
namespace {

struct Beam {
  LogitsProcessors processors;
  std::vector<int32_t> tokens;
  double score = 0.0;  // sum of processed log-probabilities
};

struct Candidate {
  double key;    // what selects it: the score, plus noise when sampling
  double score;  // the beam's, with this token
  size_t beam;
  int32_t token;
};

bool precedes(double a_value, const Candidate& a, double b_value, const Candidate& b) {
  if (a_value != b_value) return a_value > b_value;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

bool by_key(const Candidate& a, const Candidate& b) {
  return precedes(a.key, a, b.key, b);
}
bool by_score(const Candidate& a, const Candidate& b) {
  return precedes(a.score, a, b.score, b);
}

// The first n of any number of candidates in the order of by_key, in memory for 2 n.
class FirstCandidates {
 public:
  explicit FirstCandidates(size_t n) : n_(n) { kept_.reserve(2 * n); }

  void clear() {
    kept_.clear();
    bounded_ = false;
  }

  void offer(const Candidate& candidate) {
    if (bounded_ && !by_key(candidate, bound_)) return;
    kept_.push_back(candidate);
    if (kept_.size() < 2 * n_) return;
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), by_key);
    kept_.resize(n_);
    bound_ = kept_.back();
    bounded_ = true;
  }

  std::span<const Candidate> sorted() {
    std::sort(kept_.begin(), kept_.end(), by_key);
    return std::span<const Candidate>(kept_).first(std::min(n_, kept_.size()));
  }

 private:
  size_t n_;
  std::vector<Candidate> kept_;
  Candidate bound_{};
  bool bounded_ = false;
};

class BeamSearch {
 public:
  BeamSearch(BeamHost& host, const SamplingOptions& options, std::span<const int32_t> prompt,
             size_t vocab_size)
      : host_(host),
        options_(options),
        num_beams_(static_cast<size_t>(options.num_beams)),
        max_tokens_(static_cast<size_t>(options.max_new_tokens)),
        random_(options.seed ? *options.seed : fresh_seed()),
        first_(std::max<size_t>(2, options.eos_token_id.size() + 1) * num_beams_),
        scores_(vocab_size) {
    beams_.push_back({LogitsProcessors(options, vocab_size), {}, 0.0});
    beams_.front().processors.append_prompt(prompt);
  }

  Result<std::vector<BeamHypothesis>> run();

 private:
  Result<void> gather();
  void split(std::span<const Candidate> candidates);
  void finish(const Candidate& candidate, BeamEnd end);
  bool is_enough() const;
  void fork();

  double normalised(double score, size_t length) const {
    return score / std::pow(static_cast<double>(length), options_.length_penalty);
  }

  BeamHost& host_;
  const SamplingOptions& options_;
  const size_t num_beams_;
  const size_t max_tokens_;
  Random random_;
  FirstCandidates first_;
  CandidateFilter filter_;
  size_t length_ = 0;  // tokens of each candidate
  std::vector<float> scores_;
  std::vector<Beam> beams_;
  std::vector<Candidate> running_;  // those that go on, by falling score
  std::vector<BeamStep> steps_;
  std::vector<BeamHypothesis> finished_;  // at most num_beams_, by falling score
};

Result<std::vector<BeamHypothesis>> BeamSearch::run() {
  while (true) {
    ++length_;
    first_.clear();
    if (auto ok = gather(); !ok) return fail(ok.error());
    split(first_.sorted());
    if (running_.empty() || is_enough()) break;
    fork();
    if (auto ok = host_.advance(steps_); !ok) return fail(ok.error());
  }
  finished_.resize(std::min(finished_.size(), static_cast<size_t>(options_.num_return_sequences)));
  return std::move(finished_);
}

// Offers every continuation of every beam.
Result<void> BeamSearch::gather() {
  // A smaller temperature chooses no differently, but its quotients would leave float64's range.
  const double temperature = std::max(options_.temperature, 1e-100);
  Result<void> last_failure;
  bool alive = false;
  for (size_t b = 0; b < beams_.size(); ++b) {
    const std::span<const float> logits = host_.logits(b);
    if (logits.size() != scores_.size()) {
      return fail(ErrorCode::kInternal, "logits",
                  fmt::format("expected {} of them, found {}", scores_.size(), logits.size()));
    }
    if (auto ok = check_scores(logits); !ok) return ok;
    kernels::log_softmax(logits, scores_);
    beams_[b].processors.apply(scores_);
    if (auto ok = check_scores(scores_); !ok) {
      if (ok.error().code != ErrorCode::kUsage) return ok;
      last_failure = ok;
      continue;
    }
    alive = true;
    const double so_far = beams_[b].score;
    if (options_.samples()) {
      filter_.choose(scores_, options_, options_.eos_token_id.size() + 1);
      for (int32_t id : filter_.ids()) {
        const double score = so_far + static_cast<double>(scores_[static_cast<size_t>(id)]) / temperature;
        first_.offer({score + random_.gumbel(), score, b, id});
      }
    } else {
      for (size_t id = 0; id < scores_.size(); ++id) {
        if (std::isinf(scores_[id])) continue;
        const double score = so_far + static_cast<double>(scores_[id]);
        first_.offer({score, score, b, static_cast<int32_t>(id)});
      }
    }
  }
  if (!alive && finished_.empty()) return last_failure;
  return {};
}

// Candidates that end become hypotheses, the others run on.
void BeamSearch::split(std::span<const Candidate> candidates) {
  running_.clear();
  for (size_t rank = 0; rank < candidates.size(); ++rank) {
    const Candidate& candidate = candidates[rank];
    const auto& eos = options_.eos_token_id;
    const bool at_eos = std::find(eos.begin(), eos.end(), candidate.token) != eos.end();
    const bool at_host = !at_eos && host_.ends(candidate.beam, candidate.token);
    if (!at_eos && !at_host && length_ < max_tokens_) {
      running_.push_back(candidate);
    } else if (rank < num_beams_) {
      finish(candidate, at_eos ? BeamEnd::kEos : at_host ? BeamEnd::kHost : BeamEnd::kLength);
    }
  }
  std::sort(running_.begin(), running_.end(), by_score);
  if (running_.size() > num_beams_) running_.resize(num_beams_);
}

void BeamSearch::finish(const Candidate& candidate, BeamEnd end) {
  const double score = normalised(candidate.score, length_);
  if (finished_.size() == num_beams_ && !(score > finished_.back().score)) return;
  const auto place = std::upper_bound(finished_.begin(), finished_.end(), score,
                                      [](double a, const BeamHypothesis& b) { return a > b.score; });
  const auto hypothesis =
      finished_.insert(place, {beams_[candidate.beam].tokens, candidate.score, score, end});
  hypothesis->tokens.push_back(candidate.token);
  if (finished_.size() > num_beams_) finished_.pop_back();
}

bool BeamSearch::is_enough() const {
  if (finished_.size() < num_beams_) return false;
  if (options_.early_stopping == EarlyStopping::kTrue) return true;
  // With a positive penalty a sum is worth the more the longer it is spread: "never" grants the greatest
  // length.
  const bool longest = options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0.0;
  const double attainable = normalised(running_.front().score, longest ? max_tokens_ : length_);
  return !(attainable > finished_.back().score);
}

// Gives every running candidate a beam: its parent's own if that is still free, so that each surviving parent
// has one child in place; the others take what is left.
void BeamSearch::fork() {
  const size_t count = running_.size();
  constexpr size_t kFree = std::numeric_limits<size_t>::max();
  std::vector<size_t> candidate_of(count, kFree);
  std::vector<size_t> homeless;
  for (size_t i = 0; i < count; ++i) {
    const size_t parent = running_[i].beam;
    if (parent < count && candidate_of[parent] == kFree) {
      candidate_of[parent] = i;
    } else {
      homeless.push_back(i);
    }
  }
  auto next = homeless.begin();
  for (size_t& candidate : candidate_of) {
    if (candidate == kFree) candidate = *next++;
  }

  steps_.clear();
  for (size_t i : candidate_of) steps_.push_back({running_[i].beam, running_[i].token});
  if (beams_.size() < count) beams_.resize(count, beams_.front());
  for (size_t b = 0; b < count; ++b) {
    if (steps_[b].parent != b) beams_[b] = beams_[steps_[b].parent];
  }
  beams_.erase(beams_.begin() + static_cast<std::ptrdiff_t>(count), beams_.end());
  for (size_t b = 0; b < count; ++b) {
    beams_[b].tokens.push_back(steps_[b].token);
    beams_[b].processors.append(steps_[b].token);
    beams_[b].score = running_[candidate_of[b]].score;
  }
}

}  // namespace

Result<std::vector<BeamHypothesis>> beam_search(BeamHost& host, const SamplingOptions& options,
                                                std::span<const int32_t> prompt, size_t vocab_size) {
  if (auto ok = validate(options, vocab_size); !ok) return fail(ok.error());
  return BeamSearch(host, options, prompt, vocab_size).run();
}

}  // namespace gemma
