// Each definition against a second computation of it: written as its original is, in signed Python indices
// where those matter, over probabilities that come from decoding one token at a time.
#include "engine/evaluation/perplexity.h"

#include <cmath>
#include <filesystem>
#include <map>

#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/evaluation/window_scorer.h"
#include "loader/file.h"
#include "loader/replace_file.h"
#include "tests/engine/evaluation/shipped_stories.h"

namespace gemma {
namespace {

using tests::load_story;
using tests::story_of;
using Ids = std::vector<int32_t>;
using Long = long double;

constexpr int32_t kBos = 2;
constexpr int32_t kEos = 1;

const Model& model() {
  static const std::unique_ptr<Model> loaded = load_story("f32");
  return *loaded;
}

// -log p of sequence[i] given all before it, for i >= 1 (entry 0 is unused), by decode() and a plain softmax.
std::vector<Long> losses(const Ids& sequence) {
  static std::map<Ids, std::vector<Long>> known;
  if (const auto found = known.find(sequence); found != known.end()) return found->second;
  auto session = Session::create(model(), {.context = 64});
  REQUIRE(session.has_value());
  std::vector<Long> out = {0};
  for (size_t i = 0; i + 1 < sequence.size(); ++i) {
    auto logits = session->decode(sequence[i]);
    REQUIRE(logits.has_value());
    Long peak = -INFINITY, sum = 0;
    for (const float x : *logits) peak = std::max<Long>(peak, x);
    for (const float x : *logits) sum += std::exp(static_cast<Long>(x) - peak);
    out.push_back(peak + std::log(sum) - static_cast<Long>((*logits)[static_cast<size_t>(sequence[i + 1])]));
  }
  known[sequence] = out;
  return out;
}

Ids slice(const Ids& ids, long begin, long end) {
  return Ids(ids.begin() + begin, ids.begin() + std::min<long>(end, static_cast<long>(ids.size())));
}

Ids with_front(const Ids& front, const Ids& ids) {
  Ids out = front;
  out.insert(out.end(), ids.begin(), ids.end());
  return out;
}

// The mean loss of a window as transformers computes it: labels shifted by one, -100 ignored. nan of nothing.
Long model_loss(const Ids& input, const std::vector<bool>& masked) {
  const std::vector<Long> all = losses(input);
  Long sum = 0, count = 0;
  for (size_t i = 1; i < input.size(); ++i) {
    if (masked[i]) continue;
    sum += all[i];
    count += 1;
  }
  return sum / count;
}

// mask[:stop] = true, with Python's meaning of a negative stop.
void mask_front(std::vector<bool>& mask, long stop) {
  const long size = static_cast<long>(mask.size());
  const long end = stop < 0 ? std::max(0L, size + stop) : std::min(stop, size);
  for (long i = 0; i < end; ++i) mask[static_cast<size_t>(i)] = true;
}

Long tutorial(const Ids& ids, long length, long stride) {
  const long total = static_cast<long>(ids.size());
  Long sum = 0, windows = 0;
  for (long begin = 0, previous = 0; begin < total; begin += stride) {
    const long end = std::min(begin + length, total);
    std::vector<bool> mask(static_cast<size_t>(end - begin));
    mask_front(mask, begin - previous);
    const Long loss = model_loss(slice(ids, begin, end), mask);
    previous = end;
    if (!std::isnan(loss)) {
      sum += loss;
      windows += 1;
    }
    if (end == total) break;
  }
  return std::exp(sum / windows);
}

Long hf_doc(const Ids& ids, long length, long stride) {
  const long total = static_cast<long>(ids.size());
  Long sum = 0, tokens = 0;
  for (long begin = 0, previous = 0; begin < total; begin += stride) {
    const long end = std::min(begin + length, total);
    std::vector<bool> mask(static_cast<size_t>(end - begin));
    mask_front(mask, -(end - previous));
    const Long valid = static_cast<Long>(std::count(mask.begin(), mask.end(), false));
    const Long loss = model_loss(slice(ids, begin, end), mask);
    if (!std::isnan(loss)) {
      sum += loss * (valid - 1);
      tokens += valid - 1;
    }
    previous = end;
    if (end == total) break;
  }
  return std::exp(sum / tokens);
}

// Token by token: the first window that holds it scores it.
Long strict(const Ids& ids, const Ids& front, long length, long stride) {
  const long total = static_cast<long>(ids.size());
  Long sum = 0, tokens = 0;
  for (long t = front.empty() ? 1 : 0; t < total; ++t) {
    long window = 0;
    while (window * stride + length <= t) ++window;
    const Ids input = with_front(front, slice(ids, window * stride, window * stride + length));
    const size_t at = front.size() + static_cast<size_t>(t - window * stride);
    REQUIRE(at > 0);
    sum += losses(input)[at];
    tokens += 1;
  }
  return std::exp(sum / tokens);
}

Long llama(const Ids& ids, long n_ctx) {
  Long sum = 0, count = 0;
  for (long chunk = 0; chunk < static_cast<long>(ids.size()) / n_ctx; ++chunk) {
    Ids input = slice(ids, chunk * n_ctx, (chunk + 1) * n_ctx);
    input[0] = kBos;
    const std::vector<Long> all = losses(input);
    for (long position = n_ctx / 2; position <= n_ctx - 2; ++position) {
      sum += all[static_cast<size_t>(position + 1)];
      count += 1;
    }
  }
  return std::exp(sum / count);
}

// Sum of the losses of one page: the first window predicts from <bos> on; the others see max_seq_len inputs.
Long rolling(const Ids& ids, long max_seq_len) {
  const long total = static_cast<long>(ids.size());
  const long first = std::min(max_seq_len, total);
  Long sum = 0;
  for (const Long loss : losses(with_front({kBos}, slice(ids, 0, first)))) sum += loss;
  for (long predicted = first; predicted < total;) {
    const long count = std::min(total - predicted, max_seq_len);
    const long end = predicted + count;
    const std::vector<Long> all = losses(slice(ids, end - max_seq_len - 1, end));
    for (long i = max_seq_len + 1 - count; i <= max_seq_len; ++i) sum += all[static_cast<size_t>(i)];
    predicted = end;
  }
  return sum;
}

Ids encode(const std::string& text) {
  return model().tokenizer()->encode(text, SpecialTokens::kAsText);
}

PerplexityOptions options(PerplexityDefinition definition, size_t length, size_t stride) {
  PerplexityOptions out = default_options(definition);
  out.max_length = length;
  out.stride = stride;
  out.window_limit = 0;
  return out;
}

EvaluationPlan plan_of(const std::vector<std::string>& texts, const PerplexityOptions& opts,
                       const Ids& prefix = {}) {
  auto plan = plan_evaluation(*model().tokenizer(), evaluation_text(texts), prefix, opts);
  REQUIRE_MESSAGE(plan.has_value(), plan.error().message());
  return std::move(*plan);
}

PerplexityResult run(const EvaluationPlan& plan) {
  auto session = Session::create(model(), window_session_options(plan, {}));
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  PerplexityState state;
  auto done = run_perplexity(*session, plan, state, [](const PerplexityState&) { return true; });
  REQUIRE_MESSAGE(done.has_value(), done.error().message());
  CHECK(state.tokens.count == plan.targets);
  CHECK(state.inputs == plan.input_tokens);
  return summarize(plan, state);
}

double measure(const std::vector<std::string>& texts, const PerplexityOptions& opts, const Ids& prefix = {}) {
  return run(plan_of(texts, opts, prefix)).perplexity;
}

bool close(double found, Long expected) {
  return std::abs(static_cast<Long>(found) / expected - 1) < 1e-10L;
}

// Windows of 16, stride 8, <bos> in front where the definition wants one: shorter than a window, exactly one,
// a last window with one new token, and one with several.
const std::vector<size_t> kSizes = {9, 15, 16, 24, 25, 37};

TEST_CASE("strict scores each token once, in the first window that holds it") {
  for (const size_t size : kSizes) {
    CAPTURE(size);
    const std::string text = story_of(*model().tokenizer(), size);
    const Ids ids = encode(text);
    PerplexityOptions opts = options(PerplexityDefinition::kStrict, 16, 8);
    CHECK(close(measure({text}, opts), strict(ids, {kBos}, 16, 8)));
    opts.bos = BosRule::kStart;
    CHECK(close(measure({text}, opts), strict(with_front({kBos}, ids), {}, 16, 8)));
    opts.bos = BosRule::kNone;
    CHECK(close(measure({text}, opts), strict(ids, {}, 16, 8)));
    opts.bos = BosRule::kText;
    opts.end_of_text = true;
    const Ids framed = with_front(with_front({kBos}, ids), {kEos});
    CHECK(close(measure({text, text}, opts), strict(with_front(framed, framed), {}, 16, 8)));
  }
}

TEST_CASE("tutorial is the mean of window means with its mask, quirk of a short last window included") {
  for (const size_t size : kSizes) {
    for (const size_t stride : {8u, 5u, 16u}) {
      CAPTURE(size);
      CAPTURE(stride);
      const std::string text = story_of(*model().tokenizer(), size);
      const Ids ids = with_front({kBos}, encode(text));
      const EvaluationPlan plan = plan_of({text}, options(PerplexityDefinition::kTutorial, 16, stride));
      const PerplexityResult result = run(plan);
      CHECK(close(result.perplexity, tutorial(ids, 16, static_cast<long>(stride))));
      // What it is compared with is `strict` over the same windows.
      if (stride < 16) CHECK(close(result.once, strict(ids, {}, 16, static_cast<long>(stride))));
    }
  }
}

TEST_CASE("a short last window makes tutorial score tokens twice, a full one does not") {
  const PerplexityOptions opts = options(PerplexityDefinition::kTutorial, 16, 8);
  const EvaluationPlan full = plan_of({story_of(*model().tokenizer(), 23)}, opts);  // 24 with <bos>
  CHECK(full.targets == full.fresh_targets);
  const EvaluationPlan cut = plan_of({story_of(*model().tokenizer(), 24)}, opts);  // 25: one new token
  REQUIRE(cut.windows.size() == 3);
  CHECK(cut.windows[2].targets() == 8);
  CHECK(cut.windows[2].target_end - cut.windows[2].fresh_begin == 1);
}

TEST_CASE("hf-doc weights each window by its labels minus one") {
  for (const size_t size : kSizes) {
    for (const size_t stride : {8u, 5u, 16u}) {
      CAPTURE(size);
      CAPTURE(stride);
      const std::string text = story_of(*model().tokenizer(), size);
      const Ids ids = with_front({kBos}, encode(text));
      CHECK(close(measure({text}, options(PerplexityDefinition::kHfDoc, 16, stride)),
                  hf_doc(ids, 16, static_cast<long>(stride))));
    }
  }
}

TEST_CASE(
    "a window of one token that overlaps nothing is left out with a note, where the originals print nan") {
  const std::string text = story_of(*model().tokenizer(), 16);  // 17 with <bos>
  for (const PerplexityDefinition definition :
       {PerplexityDefinition::kTutorial, PerplexityDefinition::kHfDoc}) {
    const EvaluationPlan plan = plan_of({text}, options(definition, 16, 16));
    CHECK(plan.windows.size() == 1);
    REQUIRE(!plan.notes.empty());
    CHECK(plan.notes.back() ==
          "the window at token 16 has nothing to score and was left out; the original prints nan");
  }
}

TEST_CASE("hf-evaluate is the mean of each text's perplexity, cut to one less than a window") {
  const std::vector<std::string> texts = {
      story_of(*model().tokenizer(), 9), story_of(*model().tokenizer(), 15),
      story_of(*model().tokenizer(), 25), story_of(*model().tokenizer(), 1)};
  Long sum = 0;
  for (const std::string& text : texts) {
    const Ids input = with_front({kBos}, slice(encode(text), 0, 15));
    sum += std::exp(model_loss(input, std::vector<bool>(input.size())));
  }
  CHECK(close(measure(texts, options(PerplexityDefinition::kHfEvaluate, 16, 16)), sum / 4));
}

TEST_CASE("llama scores the second half of each whole chunk, behind <bos>") {
  for (const size_t size : kSizes) {
    for (const size_t n_ctx : {4u, 5u}) {
      CAPTURE(size);
      CAPTURE(n_ctx);
      const std::string text = story_of(*model().tokenizer(), size);
      CHECK(close(measure({text}, options(PerplexityDefinition::kLlama, n_ctx, n_ctx)),
                  llama(with_front({kBos}, encode(text)), static_cast<long>(n_ctx))));
    }
  }
}

TEST_CASE("lm-eval is per word and per byte of the originals, over rolling windows of each page") {
  const std::vector<std::string> texts = {
      story_of(*model().tokenizer(), 9), story_of(*model().tokenizer(), 16),
      story_of(*model().tokenizer(), 17), story_of(*model().tokenizer(), 37)};
  Long sum = 0;
  for (const std::string& text : texts) sum += rolling(encode(text), 16);
  EvaluationText text = evaluation_text(texts);
  text.words = 40;
  text.bytes = 333;
  auto plan = plan_evaluation(*model().tokenizer(), text, {}, options(PerplexityDefinition::kLmEval, 16, 16));
  REQUIRE(plan.has_value());
  const PerplexityResult result = run(*plan);
  CHECK(close(result.perplexity, std::exp(sum / 40)));
  CHECK(close(result.byte_perplexity, std::exp(sum / 333)));
  CHECK(close(result.bits_per_byte, sum / 333 / std::log(2.0L)));
}

TEST_CASE("mlx fills sequences from texts in NumPy's order and scores all but the first token of each") {
  const std::vector<std::string> texts = {
      story_of(*model().tokenizer(), 9), story_of(*model().tokenizer(), 15),
      story_of(*model().tokenizer(), 25), story_of(*model().tokenizer(), 12)};
  Ids all;
  for (const size_t index : numpy_permutation(4, 123)) {
    all = with_front(with_front(with_front(all, {kBos}), encode(texts[index])), {kEos});
  }
  std::vector<double> every;
  Long sum = 0;
  for (long begin = 0; begin + 16 <= static_cast<long>(all.size()); begin += 16) {
    const std::vector<Long> one = losses(slice(all, begin, begin + 16));
    for (size_t i = 1; i < one.size(); ++i) {
      sum += one[i];
      every.push_back(static_cast<double>(one[i]));
    }
  }
  const PerplexityResult result = run(plan_of(texts, options(PerplexityDefinition::kMlx, 16, 16)));
  const Long mean = sum / static_cast<Long>(every.size());
  CHECK(close(result.perplexity, std::exp(mean)));
  Long squares = 0;
  for (const double loss : every) squares += (loss - mean) * (loss - mean);
  const Long n = static_cast<Long>(every.size());
  CHECK(close(result.error, std::exp(mean) * std::sqrt(squares / (n - 1)) / std::sqrt(n)));
}

TEST_CASE("chat-prefix puts the chat prompt before every window and scores only the text") {
  auto prefix = chat_continuation_prefix(model(), std::string(kContinuationInstruction));
  REQUIRE_MESSAGE(prefix.has_value(), prefix.error().message());
  CHECK(prefix->front() == kBos);
  const size_t length = prefix->size() + 16;
  for (const size_t size : {9u, 16u, 25u}) {
    CAPTURE(size);
    const std::string text = story_of(*model().tokenizer(), size);
    CHECK(close(measure({text}, options(PerplexityDefinition::kChatPrefix, length, 8), *prefix),
                strict(encode(text), *prefix, 16, 8)));
  }
  auto narrow = plan_evaluation(*model().tokenizer(), evaluation_text({"a b c"}), *prefix,
                                options(PerplexityDefinition::kChatPrefix, prefix->size(), 1));
  CHECK(narrow.error().code == ErrorCode::kUsage);
}

TEST_CASE("several texts are joined into one where the definition wants one") {
  const PerplexityOptions opts = options(PerplexityDefinition::kStrict, 16, 8);
  CHECK(measure({"Once upon", " a time"}, opts) == measure({"Once upon\n\n a time"}, opts));
}

TEST_CASE("a run that was stopped and resumed from its file equals one that was not, bit for bit") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gemma-perplexity-test" + std::to_string(::getpid()));
  std::filesystem::remove(path);
  const std::string text = story_of(*model().tokenizer(), 60);
  for (const PerplexityDefinition definition :
       {PerplexityDefinition::kStrict, PerplexityDefinition::kHfDoc}) {
    const EvaluationPlan plan = plan_of({text}, options(definition, 16, 8));
    auto session = Session::create(model(), window_session_options(plan, {}));
    REQUIRE(session.has_value());
    const std::string identity = perplexity_identity(*session, plan);
    PerplexityState whole;
    REQUIRE(run_perplexity(*session, plan, whole, [](const PerplexityState&) { return true; }).has_value());

    PerplexityState first;
    REQUIRE(run_perplexity(*session, plan, first, [](const PerplexityState& s) {
              return s.windows < 3;
            }).has_value());
    CHECK(first.windows == 3);
    REQUIRE(save_state(path, identity, first).has_value());
    auto second = load_state(path, identity);
    REQUIRE_MESSAGE(second.has_value(), second.error().message());
    REQUIRE(run_perplexity(*session, plan, *second, [](const PerplexityState&) { return true; }).has_value());
    CHECK(second->windows == whole.windows);
    const PerplexityResult resumed = summarize(plan, *second), straight = summarize(plan, whole);
    CHECK(resumed.perplexity == straight.perplexity);
    CHECK(resumed.error == straight.error);
    CHECK(resumed.window_error == straight.window_error);
    CHECK(resumed.once_error == straight.once_error);
    std::filesystem::remove(path);
  }
}

TEST_CASE(
    "a state of another text, or a file that is none, is refused; one that is not there is a beginning") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gemma-perplexity-state-test" + std::to_string(::getpid()));
  const PerplexityOptions opts = options(PerplexityDefinition::kStrict, 16, 8);
  const EvaluationPlan plan = plan_of({"Once upon a time"}, opts), other = plan_of({"Once upon a day"}, opts);
  auto session = Session::create(model(), window_session_options(plan, {}));
  REQUIRE(session.has_value());
  const std::string identity = perplexity_identity(*session, plan);
  std::filesystem::remove(path);
  auto none = load_state(path, identity);
  REQUIRE(none.has_value());
  CHECK(none->windows == 0);
  REQUIRE(save_state(path, perplexity_identity(*session, other), {}).has_value());
  CHECK(load_state(path, identity).error().code == ErrorCode::kMismatch);
  for (const char* broken :
       {"{", "[]", "{}", R"({"schema": "1", "identity": 3})", R"({"schema": 1, "identity": 3})"}) {
    CAPTURE(broken);
    REQUIRE(replace_file(path, broken).has_value());
    CHECK(load_state(path, identity).error().code == ErrorCode::kInvalidFile);
  }
  REQUIRE(save_state(path, identity, {}).has_value());
  auto text = read_text(path, 1 << 20);
  REQUIRE(text.has_value());
  text->replace(text->find("\"windows\": 0"), 12, "\"windows\": -1");
  REQUIRE(replace_file(path, *text).has_value());
  CHECK(load_state(path, identity).error().what == "field \"windows\" is missing or of another type");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace gemma
