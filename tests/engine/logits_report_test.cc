#include "engine/logits_report.h"

#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

std::vector<int32_t> ids(const LogprobReport& report) {
  std::vector<int32_t> result;
  for (const TokenLogprob& entry : report.top) result.push_back(entry.id);
  return result;
}

}  // namespace

TEST_CASE("log-probabilities are those of the softmax") {
  const std::vector<float> logits{0.0f, std::log(3.0f), kOut};
  const auto report = report_logprobs(logits, 0, 3);
  REQUIRE(report);
  CHECK(report->chosen.id == 0);
  CHECK(report->chosen.logprob == doctest::Approx(std::log(0.25)).epsilon(1e-7));
  CHECK(ids(*report) == std::vector<int32_t>{1, 0, 2});
  CHECK(report->top[0].logprob == doctest::Approx(std::log(0.75)).epsilon(1e-7));
  CHECK(report->top[2].logprob == -INFINITY);
}

TEST_CASE("of equal tokens the lowest ids are reported, and never more than asked for") {
  const std::vector<float> logits(1000, 2.0f);
  CHECK(ids(*report_logprobs(logits, 5, 3)) == std::vector<int32_t>{0, 1, 2});
  const std::vector<float> mixed{1, 2, 1, 3, 1};
  CHECK(ids(*report_logprobs(mixed, 0, 3)) == std::vector<int32_t>{3, 1, 0});
}

TEST_CASE("no more tokens are reported than there are, and none if none are asked for") {
  const std::vector<float> logits{1, 2};
  CHECK(report_logprobs(logits, 0, 10)->top.size() == 2);
  CHECK(report_logprobs(logits, 0, 0)->top.empty());
}

TEST_CASE("a token outside the row is refused") {
  const std::vector<float> logits{1, 2};
  CHECK(report_logprobs(logits, 2, 1).error().message() == "token: expected an id below 2, found 2");
  CHECK(report_logprobs(logits, -1, 1).error().code == ErrorCode::kUsage);
}

TEST_CASE("logits without a distribution are refused") {
  const std::vector<float> none{kOut, kOut};
  CHECK(report_logprobs(none, 0, 1).error().message() ==
        "logits: expected finite numbers or -inf, found a log-sum of -inf");
  const std::vector<float> broken{0.0f, std::numeric_limits<float>::quiet_NaN()};
  CHECK(report_logprobs(broken, 0, 1).error().code == ErrorCode::kInternal);
}
