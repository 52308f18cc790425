#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "engine/beam_search.h"
#include "engine/random.h"
#include "engine/sampler.h"
#include "engine/stop_condition.h"
#include "loader/tokenizer.h"

namespace gemma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Ids in, final text out: decoding, thoughts and tool calls apart from the answer, stop strings. A model
// without tokenizer gives ids only.
class TextStream {
 public:
  TextStream(const Tokenizer* tokenizer, const GenerateOptions& options, StopCondition stop)
      : stop_(std::move(stop)) {
    if (tokenizer == nullptr) return;
    if (options.chat) {
      chat_ = std::make_unique<ChatStream>(*tokenizer, options.in_thought);
    } else {
      plain_ = std::make_unique<StreamDecoder>(*tokenizer, /*skip_special=*/true);
    }
  }

  bool is_stop_id(int32_t id) const { return stop_.is_stop_id(id); }
  bool stopped() const { return stop_.reason().has_value(); }
  bool refused() const { return refused_; }

  void push(int32_t id, Generated& out, const OnPiece& on_piece) {
    if (chat_) take(chat_->push(id), out, on_piece);
    if (plain_) answer(plain_->push(id), out, on_piece);
  }

  void finish(Generated& out, const OnPiece& on_piece) {
    if (chat_) take(chat_->finish(), out, on_piece);
    if (plain_) answer(plain_->finish(), out, on_piece);
    show(stop_.finish(), out, on_piece);
  }

 private:
  void take(const std::vector<OutputEvent>& events, Generated& out, const OnPiece& on_piece) {
    for (const OutputEvent& event : events) {
      if (const auto* text = std::get_if<AnswerText>(&event)) answer(text->text, out, on_piece);
      if (const auto* call = std::get_if<ToolCall>(&event)) out.tool_calls.push_back(*call);
      if (const auto* thought = std::get_if<ThoughtText>(&event)) {
        out.thought += thought->text;
        if (on_piece && !refused_) refused_ = !on_piece({thought->text, true});
      }
    }
  }
  void answer(std::string_view text, Generated& out, const OnPiece& on_piece) {
    show(stop_.push(text), out, on_piece);
  }
  void show(std::string_view text, Generated& out, const OnPiece& on_piece) {
    if (text.empty()) return;
    out.text += text;
    if (on_piece && !refused_) refused_ = !on_piece({text, false});
  }

  StopCondition stop_;
  std::unique_ptr<ChatStream> chat_;
  std::unique_ptr<StreamDecoder> plain_;
  bool refused_ = false;
};

// A session per beam. Beam 0 is the caller's; the others are made when they are first needed.
class SessionBeams final : public BeamHost {
 public:
  SessionBeams(Session& first, std::span<const float> logits, const std::function<bool()>& interrupted)
      : first_(first),
        interrupted_(interrupted),
        logits_(1, std::vector<float>(logits.begin(), logits.end())) {}

  Result<void> advance(std::span<const BeamStep> steps) override {
    if (interrupted_ && interrupted_()) return fail(ErrorCode::kUsage, "beam search", "interrupted");
    while (others_.size() + 1 < steps.size()) {
      Result<Session> made = Session::create(first_.model(), first_.options());
      if (!made) return fail(std::move(made.error()));
      others_.push_back(std::make_unique<Session>(std::move(*made)));
    }
    logits_.resize(std::max(logits_.size(), steps.size()));
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].parent == i) continue;
      Result<void> copied = session(i).copy_from(session(steps[i].parent));
      if (!copied) return copied;
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      Result<std::span<const float>> next = session(i).decode(steps[i].token);
      if (!next) return fail(std::move(next.error()));
      logits_[i].assign(next->begin(), next->end());
    }
    return {};
  }
  std::span<const float> logits(size_t beam) const override { return logits_[beam]; }

 private:
  Session& session(size_t beam) { return beam == 0 ? first_ : *others_[beam - 1]; }

  Session& first_;
  const std::function<bool()>& interrupted_;
  std::vector<std::unique_ptr<Session>> others_;
  std::vector<std::vector<float>> logits_;
};

}  // namespace

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kStopString:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kInterrupted:
      return "interrupted";
  }
  return "?";
}

// Brings the session to the whole prompt. What it already holds of it stays; the last token is computed in
// any case, for its logits. A session that cannot go back far enough starts anew.
Result<std::span<const float>> Generator::prefill(std::span<const int32_t> prompt,
                                                  const GenerateOptions& options) {
  if (prompt.empty()) return fail(ErrorCode::kUsage, "prompt", "expected at least one token, found none");
  if (prompt.size() > session_.context()) {
    return fail(ErrorCode::kUsage, "prompt",
                fmt::format("{} tokens, the context holds {}", prompt.size(), session_.context()),
                "shorten the prompt or take a larger --context");
  }
  const Clock::time_point start = Clock::now();
  const size_t keep = std::min(session_.common_prefix(prompt), prompt.size() - 1);
  if (keep < session_.position() && !session_.rollback(keep)) session_.reset();
  timings_.cached_tokens = session_.position();
  timings_.prompt_tokens = prompt.size() - session_.position();
  const size_t step = session_.options().chunk;
  while (prompt.size() - session_.position() > step) {
    if (options.interrupted && options.interrupted()) {
      return fail(ErrorCode::kUsage, "prompt", "interrupted while reading it");
    }
    Result<void> read = session_.prefill(prompt.subspan(session_.position(), step));
    if (!read) return fail(std::move(read.error()));
  }
  Result<std::span<const float>> logits = session_.extend(prompt.subspan(session_.position()));
  timings_.prefill_seconds = seconds_since(start);
  return logits;
}

Result<Generated> Generator::sample(std::span<const int32_t> prompt, std::span<const float> logits,
                                    std::span<const float> peaks, const GenerateOptions& options,
                                    uint64_t stream, const OnPiece& on_piece) {
  const size_t vocab = session_.model().config().vocab_size;
  Result<Sampler> sampler = Sampler::create(options.sampling, vocab, stream);
  if (!sampler) return fail(std::move(sampler.error()));
  sampler->append_prompt(prompt);
  Result<StopCondition> stop =
      StopCondition::create(options.sampling.eos_token_id, options.sampling.stop_strings);
  if (!stop) return fail(std::move(stop.error()));
  TextStream text(session_.model().tokenizer(), options, std::move(*stop));
  Generated out;
  out.seed = sampler->seed();
  const size_t most = static_cast<size_t>(options.sampling.max_new_tokens);
  out.ids.reserve(std::min(most, session_.context() - session_.position() + 1));
  const Clock::time_point start = Clock::now();
  for (;;) {
    if (options.interrupted && options.interrupted()) {
      out.finish = FinishReason::kInterrupted;
      break;
    }
    Result<int32_t> token = sampler->next(logits, peaks);
    if (!token) return fail(std::move(token.error()));
    out.ids.push_back(*token);
    if (options.sampling.top_logprobs > 0) {
      Result<LogprobReport> report =
          report_logprobs(logits, *token, static_cast<size_t>(options.sampling.top_logprobs));
      if (!report) return fail(std::move(report.error()));
      out.logprobs.push_back(std::move(*report));
    }
    if (timings_.new_tokens++ == 0)
      timings_.first_token_seconds = timings_.prefill_seconds + seconds_since(start);
    if (text.is_stop_id(*token)) {
      out.finish = FinishReason::kEos;
      break;
    }
    text.push(*token, out, on_piece);
    if (text.stopped() || text.refused()) {
      out.finish = text.stopped() ? FinishReason::kStopString : FinishReason::kInterrupted;
      break;
    }
    if (out.ids.size() == most) {
      out.finish = FinishReason::kLength;
      break;
    }
    if (session_.position() == session_.context()) {
      out.finish = FinishReason::kContext;
      break;
    }
    Result<std::span<const float>> next = session_.decode(*token);
    if (!next) return fail(std::move(next.error()));
    logits = *next;
    peaks = session_.peaks();
  }
  text.finish(out, on_piece);
  timings_.decode_seconds += seconds_since(start);
  return out;
}

Result<std::vector<Generated>> Generator::beams(std::span<const int32_t> prompt,
                                                std::span<const float> logits, const GenerateOptions& options,
                                                const OnPiece& on_piece) {
  SamplingOptions sampling = options.sampling;
  if (sampling.samples() && !sampling.seed) sampling.seed = fresh_seed();
  const int64_t room = static_cast<int64_t>(session_.context() - session_.position()) + 1;
  const bool cut = sampling.max_new_tokens > room;
  sampling.max_new_tokens = std::min(sampling.max_new_tokens, room);
  sampling.min_new_tokens = std::min(sampling.min_new_tokens, sampling.max_new_tokens);
  const Clock::time_point start = Clock::now();
  SessionBeams host(session_, logits, options.interrupted);
  Result<std::vector<BeamHypothesis>> found =
      beam_search(host, sampling, prompt, session_.model().config().vocab_size);
  if (!found) return fail(std::move(found.error()));
  timings_.decode_seconds = seconds_since(start);
  timings_.first_token_seconds = timings_.prefill_seconds + timings_.decode_seconds;
  std::vector<Generated> all;
  for (const BeamHypothesis& hypothesis : *found) {
    Result<StopCondition> stop = StopCondition::create(sampling.eos_token_id, sampling.stop_strings);
    if (!stop) return fail(std::move(stop.error()));
    TextStream text(session_.model().tokenizer(), options, std::move(*stop));
    Generated out;
    out.ids = hypothesis.tokens;
    out.score = hypothesis.score;
    out.seed = sampling.seed.value_or(0);
    out.finish = hypothesis.end == BeamEnd::kEos ? FinishReason::kEos
                 : cut                           ? FinishReason::kContext
                                                 : FinishReason::kLength;
    const OnPiece& show = all.empty() ? on_piece : OnPiece();
    for (int32_t id : hypothesis.tokens) {
      if (text.is_stop_id(id)) break;
      text.push(id, out, show);
      if (text.stopped()) {
        out.finish = FinishReason::kStopString;
        break;
      }
    }
    text.finish(out, show);
    timings_.new_tokens += out.ids.size();
    all.push_back(std::move(out));
  }
  // The session may hold any beam; bring it back to the prompt, which every beam shares.
  if (!session_.rollback(std::min(session_.position(), prompt.size()))) session_.reset();
  return all;
}

Result<std::vector<Generated>> Generator::run(std::span<const int32_t> prompt, const GenerateOptions& options,
                                              const OnPiece& on_piece) {
  timings_ = {};
  Result<void> valid = validate(options.sampling, session_.model().config().vocab_size);
  if (!valid) return fail(std::move(valid.error()));
  Result<std::span<const float>> first = prefill(prompt, options);
  if (!first) return fail(std::move(first.error()));
  if (options.sampling.num_beams > 1) return beams(prompt, *first, options, on_piece);

  const size_t sequences = static_cast<size_t>(options.sampling.num_return_sequences);
  const std::vector<float> logits(first->begin(), first->end());
  const std::vector<float> peaks(session_.peaks().begin(), session_.peaks().end());
  GenerateOptions resolved = options;
  if (resolved.sampling.samples() && !resolved.sampling.seed) resolved.sampling.seed = fresh_seed();
  Result<Snapshot> after_prompt = sequences > 1 ? session_.snapshot() : Result<Snapshot>(Snapshot{});
  if (!after_prompt) return fail(std::move(after_prompt.error()));
  // The first sequence is the one that streams and that the session keeps, so it is made last.
  std::vector<Generated> all(sequences);
  for (size_t i = sequences; i-- > 0;) {
    if (i + 1 < sequences) {
      Result<void> restored = session_.restore(*after_prompt);
      if (!restored) return fail(std::move(restored.error()));
    }
    Result<Generated> one = sample(prompt, logits, peaks, resolved, i, i == 0 ? on_piece : OnPiece());
    if (!one) return fail(std::move(one.error()));
    all[i] = std::move(*one);
  }
  return all;
}

}  // namespace gemma
