// Which windows a definition cuts, what it refuses, and what makes two plans the same.
#include "engine/evaluation/evaluation_plan.h"

#include <doctest/doctest.h>

#include "engine/synthetic_tokenizer.h"

namespace gemma {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    auto built = synthetic_tokenizer(2048);
    REQUIRE_MESSAGE(built.has_value(), built.error().message());
    return std::move(*built);
  }();
  return made;
}

// So many letters that never merge into fewer tokens are hard to find; digits are always single.
std::string digits(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += static_cast<char>('0' + i * 7 % 10);
  REQUIRE(tokenizer().encode(text, SpecialTokens::kAsText).size() == count);
  return text;
}

PerplexityOptions options(PerplexityDefinition definition, size_t length, size_t stride) {
  PerplexityOptions out = default_options(definition);
  out.max_length = length;
  out.stride = stride;
  return out;
}

EvaluationPlan plan(const std::vector<std::string>& texts, const PerplexityOptions& opts) {
  auto made = plan_evaluation(tokenizer(), evaluation_text(texts), {}, opts);
  REQUIRE_MESSAGE(made.has_value(), made.error().message());
  return std::move(*made);
}

Error refusal(const std::vector<std::string>& texts, const PerplexityOptions& opts) {
  auto made = plan_evaluation(tokenizer(), evaluation_text(texts), {}, opts);
  REQUIRE(!made.has_value());
  return made.error();
}

TEST_CASE("the order of mlx is NumPy's") {
  // numpy.random.seed(123); numpy.random.permutation(10), and the ends of seed 7's permutation of 1000
  // (1.24.2).
  CHECK(numpy_permutation(10, 123) == std::vector<size_t>{4, 0, 7, 5, 8, 3, 1, 6, 9, 2});
  const std::vector<size_t> large = numpy_permutation(1000, 7);
  CHECK(std::vector<size_t>(large.begin(), large.begin() + 8) ==
        std::vector<size_t>{778, 334, 271, 802, 216, 408, 812, 94});
  CHECK(std::vector<size_t>(large.end() - 3, large.end()) == std::vector<size_t>{537, 196, 175});
  CHECK(numpy_permutation(0, 1).empty());
  CHECK(numpy_permutation(1, 1) == std::vector<size_t>{0});
}

TEST_CASE("windows never make the model read more than a window, and its last target not at all") {
  for (const PerplexityDefinition definition :
       {PerplexityDefinition::kStrict, PerplexityDefinition::kTutorial, PerplexityDefinition::kHfDoc,
        PerplexityDefinition::kLlama, PerplexityDefinition::kLmEval, PerplexityDefinition::kHfEvaluate,
        PerplexityDefinition::kMlx}) {
    CAPTURE(to_string(definition));
    for (const size_t length : {4u, 5u, 16u}) {
      const EvaluationPlan made = plan({digits(33), digits(40)}, options(definition, length, length / 2));
      CHECK(made.longest_input <= length);
      for (const EvaluationWindow& window : made.windows) {
        std::vector<int32_t> input;
        made.input(window, input);
        CHECK(input.size() == made.input_size(window));
        CHECK(input.size() >= window.targets());  // each target has something in front of it
        CHECK(window.fresh_begin >= window.target_begin);
      }
    }
  }
}

TEST_CASE("strict, tutorial and hf-doc score every token that can be scored, each once as fresh") {
  for (const PerplexityDefinition definition :
       {PerplexityDefinition::kStrict, PerplexityDefinition::kTutorial, PerplexityDefinition::kHfDoc}) {
    for (const size_t size : {1u, 7u, 8u, 9u, 100u}) {
      for (const size_t stride : {1u, 3u, 7u}) {
        const EvaluationPlan made = plan({digits(size)}, options(definition, 8, stride));
        CHECK(made.fresh_targets == size);  // under strict <bos> is before each window, else the first token
        size_t next = made.windows.front().fresh_begin;
        for (const EvaluationWindow& window : made.windows) {
          CHECK(window.fresh_begin == next);
          next = window.target_end;
        }
        CHECK(next == made.tokens.size());
      }
    }
  }
}

TEST_CASE("a limit takes windows from the front") {
  PerplexityOptions opts = options(PerplexityDefinition::kStrict, 8, 4);
  const EvaluationPlan all = plan({digits(50)}, opts);
  opts.window_limit = 3;
  const EvaluationPlan three = plan({digits(50)}, opts);
  REQUIRE(three.windows.size() == 3);
  CHECK(all.windows.size() > 3);
  CHECK(three.windows[2].target_end == all.windows[2].target_end);
  CHECK(three.token_hash != all.token_hash);
}

TEST_CASE("hashes tell texts and windows apart") {
  const PerplexityOptions opts = options(PerplexityDefinition::kStrict, 8, 4);
  const EvaluationPlan one = plan({"12 34"}, opts), same = plan({"12 34"}, opts),
                       other = plan({"12 35"}, opts);
  CHECK(one.text_hash == same.text_hash);
  CHECK(one.token_hash == same.token_hash);
  CHECK(one.text_hash != other.text_hash);
  CHECK(one.token_hash != other.token_hash);
  CHECK(plan({"12 34"}, options(PerplexityDefinition::kStrict, 8, 3)).text_hash == one.text_hash);
}

TEST_CASE(
    "special tokens that a text spells out stay text under strict, and are found where transformers finds "
    "them") {
  const auto count = [&](PerplexityDefinition definition) {
    return plan({"1<turn|>2"}, options(definition, 16, 8)).tokens.size();
  };
  CHECK(count(PerplexityDefinition::kTutorial) == 4);  // <bos> 1 <turn|> 2
  CHECK(count(PerplexityDefinition::kStrict) > 4);
}

TEST_CASE("what a definition does not have is refused in its own words") {
  PerplexityOptions opts = options(PerplexityDefinition::kLlama, 8, 8);
  opts.bos = BosRule::kNone;
  CHECK(refusal({digits(40)}, opts).message() == "--bos: llama has window, not none");
  CHECK(refusal({digits(40)}, options(PerplexityDefinition::kTutorial, 8, 9)).where == "--stride");
  opts = options(PerplexityDefinition::kStrict, 8, 8);
  opts.bos = BosRule::kStart;
  CHECK(refusal({digits(40)}, opts).message() ==
        "--stride: expected at most 7 tokens for windows of 8, found 8 (the first token of a window is not "
        "scored; "
        "--bos window scores it)");
  CHECK(refusal({digits(40)}, options(PerplexityDefinition::kStrict, 1, 1)).where == "--max-length");
  opts = options(PerplexityDefinition::kStrict, 8, 4);
  opts.end_of_text = true;
  CHECK(refusal({digits(40)}, opts).where == "--eos");
  CHECK(refusal({digits(14)}, options(PerplexityDefinition::kLlama, 8, 8)).what ==
        "llama wants at least two chunks of 8 tokens, the text has 15");
  CHECK(refusal({"1", ""}, options(PerplexityDefinition::kHfEvaluate, 8, 8)).message() ==
        "text 2: it has no tokens, and so no perplexity (--skip-blank leaves such texts out)");
  CHECK(refusal({""}, options(PerplexityDefinition::kStrict, 8, 4)).code == ErrorCode::kUsage);
  opts = options(PerplexityDefinition::kStrict, 8, 4);
  opts.bos = BosRule::kNone;
  CHECK(refusal({"1"}, opts).where == "text");  // one token, nothing to predict it from
  CHECK(parse_perplexity_definition("llamma").error().code == ErrorCode::kUsage);
}

}  // namespace
}  // namespace gemma
