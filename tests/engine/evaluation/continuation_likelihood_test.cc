// The log-likelihood of a choice is the sum of a teacher-forced pass over the whole sequence, to the bit.
#include "engine/evaluation/continuation_likelihood.h"

#include <doctest/doctest.h>

#include "kernels/reductions.h"

namespace gemma {
namespace {

std::unique_ptr<Model> load(const std::string& scheme) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 1;
  options.tokenizer = false;
  Result<std::unique_ptr<Model>> model = Model::load("synthetic:tiny", options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

Session make(const Model& model, size_t rollback = 16) {
  Result<Session> session =
      Session::create(model, {.context = 200, .chunk = 32, .rollback = rollback, .kv_type = {}});
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  return std::move(*session);
}

std::vector<int32_t> some_tokens(size_t n, int32_t salt) {
  std::vector<int32_t> tokens = {2};
  for (size_t i = 1; i < n; ++i) tokens.push_back((static_cast<int32_t>(i) * 7919 + salt) % 1000 + 5);
  return tokens;
}

// Everything through the model at once, in a session of its own.
double teacher_forced(const Model& model, const std::vector<int32_t>& context,
                      const std::vector<int32_t>& continuation) {
  std::vector<int32_t> all = context;
  all.insert(all.end(), continuation.begin(), continuation.end());
  Session session = make(model);
  double sum = 0;
  size_t next = context.size();
  Result<void> done = session.evaluate(
      std::span(all).first(all.size() - 1), context.size() - 1, [&](size_t, std::span<const float> logits) {
        sum += static_cast<double>(logits[static_cast<size_t>(all[next++])]) - kernels::log_sum_exp(logits);
      });
  REQUIRE(done);
  CHECK(next == all.size());
  return sum;
}

TEST_CASE("each continuation has the sum of a pass over the whole sequence, whatever came before it") {
  for (const char* scheme : {"f32", "int4"}) {
    CAPTURE(scheme);
    const std::unique_ptr<Model> model = load(scheme);
    Session session = make(*model);
    // The second context shares a prefix with the first, the third does not; lengths beyond the window of 64
    // and the chunk of 32.
    std::vector<int32_t> second = some_tokens(100, 3);
    second[95] = 7;
    for (const std::vector<int32_t>& context : {some_tokens(100, 3), second, some_tokens(5, 9)}) {
      const Continuations asked{context, {{17}, {17, 30, 41}, {500}, some_tokens(12, 1), {17, 30, 40}}};
      Result<std::vector<double>> found = continuation_log_likelihoods(session, asked);
      REQUIRE_MESSAGE(found.has_value(), found.error().message());
      for (size_t i = 0; i < asked.continuations.size(); ++i) {
        CHECK((*found)[i] == teacher_forced(*model, context, asked.continuations[i]));
      }
      CHECK(session.position() == context.size());
    }
  }
}

TEST_CASE("what does not fit is an error") {
  const std::unique_ptr<Model> model = load("f32");
  Session session = make(*model);
  CHECK(continuation_log_likelihoods(session, {some_tokens(201, 1), {{5}}}).error().code ==
        ErrorCode::kUsage);
  CHECK(continuation_log_likelihoods(session, {some_tokens(199, 1), {{5, 6, 7}}}).error().code ==
        ErrorCode::kUsage);
  CHECK(continuation_log_likelihoods(session, {some_tokens(5, 1), {{1 << 30}}}).error().code ==
        ErrorCode::kUsage);
  CHECK(continuation_log_likelihoods(session, {some_tokens(5, 1), {{5, -1}}}).error().code ==
        ErrorCode::kUsage);
  CHECK(continuation_log_likelihoods(session, {some_tokens(5, 1), {{5, -1, 6}}}).error().code ==
        ErrorCode::kUsage);
}

TEST_CASE("the context is what it and all whole sequences begin with") {
  const std::vector<int32_t> context = {2, 10, 11};
  Continuations plain = share_context(context, {{2, 10, 11, 20}, {2, 10, 11, 21, 22}});
  CHECK(plain.context == context);
  CHECK(plain.continuations == std::vector<std::vector<int32_t>>{{20}, {21, 22}});
  CHECK(plain.longest() == 2);
  // In the second, the end of the context was joined with the choice.
  Continuations joined = share_context(context, {{2, 10, 11, 20}, {2, 10, 99}});
  CHECK(joined.context == std::vector<int32_t>{2, 10});
  CHECK(joined.continuations == std::vector<std::vector<int32_t>>{{11, 20}, {99}});
  // One that ends within the context leaves a token to score.
  Continuations shorter = share_context(context, {{2, 10}, {2, 10, 11, 12}});
  CHECK(shorter.context == std::vector<int32_t>{2});
  CHECK(shorter.continuations == std::vector<std::vector<int32_t>>{{10}, {10, 11, 12}});
}

}  // namespace
}  // namespace gemma
