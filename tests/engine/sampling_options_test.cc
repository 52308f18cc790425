#include "engine/sampling_options.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma;

namespace {

constexpr size_t kVocab = 100;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// The message that validate() has for the built-in options with one change.
std::string complaint(const std::function<void(SamplingOptions&)>& change) {
  SamplingOptions options;
  change(options);
  const Result<void> result = validate(options, kVocab);
  if (result) return "";
  CHECK(result.error().code == ErrorCode::kUsage);
  return result.error().message();
}

GenerationConfig gemma_defaults() {
  GenerationConfig file;
  file.eos_ids = {1, 106, 50};
  file.suppress_ids = {7};
  file.do_sample = true;
  file.temperature = 0.9;
  file.top_k = 64;
  file.top_p = 0.95;
  return file;
}

SamplingRequest a_request() {
  SamplingRequest request;
  request.temperature = 0.3;
  request.top_k = 0;
  request.eos_token_id.emplace();  // set, and empty
  request.seed = 9;
  request.early_stopping = EarlyStopping::kNever;
  request.length_penalty = 2.0;
  request.num_beams = 3;
  request.max_new_tokens = 17;
  return request;
}

}  // namespace

TEST_CASE("the built-in options are valid") {
  CHECK(validate(SamplingOptions{}, kVocab));
}

TEST_CASE("each option at the borders of its range is valid") {
  SamplingOptions low;
  low.max_new_tokens = 1;
  low.temperature = low.top_p = low.min_p = 0.0;
  low.top_k = 0;
  low.repetition_penalty = 1e-300;
  low.presence_penalty = low.frequency_penalty = -1e300;
  low.length_penalty = -32.0;
  low.logit_bias = {{0, -std::numeric_limits<float>::infinity()}};
  low.eos_token_id = low.suppress_tokens = {0, 99};
  CHECK(validate(low, kVocab));
  SamplingOptions high;
  high.max_new_tokens = high.min_new_tokens = 2147483647;
  high.temperature = 1e300;
  high.top_p = high.min_p = 1.0;
  high.top_k = std::numeric_limits<int64_t>::max();
  high.no_repeat_ngram_size = high.num_beams = high.num_return_sequences = high.top_logprobs = 1024;
  high.length_penalty = 32.0;
  CHECK(validate(high, kVocab));
}

TEST_CASE("counts outside their range are refused with the range") {
  CHECK(complaint([](auto& o) { o.max_new_tokens = 0; }) ==
        "max_new_tokens: expected a whole number from 1 to 2147483647, found 0");
  CHECK(complaint([](auto& o) { o.max_new_tokens = int64_t{1} << 31; }) ==
        "max_new_tokens: expected a whole number from 1 to 2147483647, found 2147483648");
  CHECK(complaint([](auto& o) { o.min_new_tokens = -1; }) ==
        "min_new_tokens: expected a whole number from 0 to 1024, found -1");
  CHECK(complaint([](auto& o) { o.max_new_tokens = 5, o.min_new_tokens = 6; }) ==
        "min_new_tokens: expected a whole number from 0 to 5, found 6");
  CHECK(complaint([](auto& o) { o.no_repeat_ngram_size = 1025; }) ==
        "no_repeat_ngram_size: expected a whole number from 0 to 1024, found 1025");
  CHECK(complaint([](auto& o) { o.top_k = -1; }) == "top_k: expected a whole number of at least 0, found -1");
  CHECK(complaint([](auto& o) { o.num_beams = 0; }) ==
        "num_beams: expected a whole number from 1 to 1024, found 0");
  CHECK(complaint([](auto& o) { o.num_return_sequences = 0; }) ==
        "num_return_sequences: expected a whole number from 1 to 1024, found 0");
  CHECK(complaint([](auto& o) { o.top_logprobs = 1025; }) ==
        "top_logprobs: expected a whole number from 0 to 1024, found 1025");
}

TEST_CASE("numbers outside their range, NaN and infinities are refused") {
  CHECK(complaint([](auto& o) { o.temperature = -1; }) ==
        "temperature: expected a finite number of at least 0, found -1");
  CHECK(complaint([](auto& o) { o.temperature = kNan; }) ==
        "temperature: expected a finite number of at least 0, found nan");
  CHECK(complaint([](auto& o) { o.temperature = kInf; }) ==
        "temperature: expected a finite number of at least 0, found inf");
  CHECK(complaint([](auto& o) { o.top_p = 1.5; }) == "top_p: expected a number from 0 to 1, found 1.5");
  CHECK(complaint([](auto& o) { o.top_p = kNan; }) == "top_p: expected a number from 0 to 1, found nan");
  CHECK(complaint([](auto& o) { o.min_p = -0.5; }) == "min_p: expected a number from 0 to 1, found -0.5");
  CHECK(complaint([](auto& o) { o.repetition_penalty = 0; }) ==
        "repetition_penalty: expected a finite number above 0, found 0");
  CHECK(complaint([](auto& o) { o.repetition_penalty = kNan; }) ==
        "repetition_penalty: expected a finite number above 0, found nan");
  CHECK(complaint([](auto& o) { o.repetition_penalty = kInf; }) ==
        "repetition_penalty: expected a finite number above 0, found inf");
  CHECK(complaint([](auto& o) { o.presence_penalty = kNan; }) ==
        "presence_penalty: expected a finite number, found nan");
  CHECK(complaint([](auto& o) { o.frequency_penalty = kInf; }) ==
        "frequency_penalty: expected a finite number, found inf");
  CHECK(complaint([](auto& o) { o.length_penalty = 33; }) ==
        "length_penalty: expected a number from -32 to 32, found 33");
  CHECK(complaint([](auto& o) { o.length_penalty = kNan; }) ==
        "length_penalty: expected a number from -32 to 32, found nan");
}

TEST_CASE("ids outside the vocabulary are refused") {
  CHECK(complaint([](auto& o) {
          o.eos_token_id = {1, 100};
        }) == "eos_token_id: expected token ids below 100, the size of the vocabulary, found 100");
  CHECK(complaint([](auto& o) { o.suppress_tokens = {-1}; }) ==
        "suppress_tokens: expected token ids below 100, the size of the vocabulary, found -1");
  CHECK(complaint([](auto& o) {
          o.logit_bias = {{100, 1.0f}};
        }) == "logit_bias: expected token ids below 100, the size of the vocabulary, found 100");
}

TEST_CASE("a bias of NaN or +inf is refused with its token") {
  CHECK(complaint([](auto& o) {
          o.logit_bias = {{5, std::numeric_limits<float>::quiet_NaN()}};
        }) == "logit_bias: expected finite numbers or -inf, found nan for token 5");
  CHECK(complaint([](auto& o) {
          o.logit_bias = {{5, std::numeric_limits<float>::infinity()}};
        }) == "logit_bias: expected finite numbers or -inf, found inf for token 5");
}

TEST_CASE("more returned sequences than there can be are refused") {
  CHECK(complaint([](auto& o) { o.num_beams = 2, o.num_return_sequences = 3; }) ==
        "num_return_sequences: expected at most num_beams = 2, found 3 (raise num_beams)");
  CHECK(complaint([](auto& o) { o.num_return_sequences = 2; }) ==
        "num_return_sequences: expected 1, found 2: greedy search has one answer "
        "(sample with a temperature above 0, or set num_beams)");
  CHECK(complaint([](auto& o) { o.num_return_sequences = 2, o.do_sample = true; }) == "");
  CHECK(complaint([](auto& o) { o.num_return_sequences = 2, o.do_sample = true, o.temperature = 0; }) != "");
  CHECK(complaint([](auto& o) { o.num_return_sequences = o.num_beams = 2; }) == "");
}

TEST_CASE("temperature 0 is greedy even when sampling is asked for") {
  SamplingOptions options;
  options.do_sample = true;
  CHECK(options.samples());
  options.temperature = 0.0;
  CHECK_FALSE(options.samples());
}

TEST_CASE("what nobody sets is built in") {
  const SamplingOptions options = resolve({}, {});
  CHECK_FALSE(options.do_sample);
  CHECK(options.temperature == 1.0);
  CHECK(options.top_k == 50);
  CHECK(options.top_p == 1.0);
  CHECK(options.repetition_penalty == 1.0);
  CHECK(options.eos_token_id.empty());
  CHECK_FALSE(options.seed.has_value());
}

TEST_CASE("the file's values beat the built-in ones") {
  const SamplingOptions options = resolve({}, gemma_defaults());
  CHECK(options.do_sample);
  CHECK(options.temperature == 0.9);
  CHECK(options.top_k == 64);
  CHECK(options.top_p == 0.95);
  CHECK(options.min_p == 0.0);
  CHECK(options.eos_token_id == std::vector<int32_t>{1, 106, 50});
  CHECK(options.suppress_tokens == std::vector<int32_t>{7});
}

TEST_CASE("what the user asks for beats the file, option by option") {
  const SamplingOptions options = resolve(a_request(), gemma_defaults());
  CHECK(options.do_sample);
  CHECK(options.temperature == 0.3);
  CHECK(options.top_k == 0);
  CHECK(options.top_p == 0.95);
  CHECK(options.eos_token_id.empty());
  CHECK(options.suppress_tokens == std::vector<int32_t>{7});
  CHECK(options.seed == 9);
  CHECK(options.early_stopping == EarlyStopping::kNever);
  CHECK(options.length_penalty == 2.0);
  CHECK(options.num_beams == 3);
  CHECK(options.max_new_tokens == 17);
}

TEST_CASE(
    "who decides whether to sample: greedy, the request, the file, an option that only sampling reads") {
  SamplingRequest request;
  request.temperature = 0.7;
  CHECK(resolve(request, {}).do_sample);
  GenerationConfig file;
  file.do_sample = false;
  CHECK_FALSE(resolve(request, file).do_sample);
  request.do_sample = true;
  CHECK(resolve(request, file).do_sample);
  request.greedy = true;
  CHECK_FALSE(resolve(request, gemma_defaults()).do_sample);
  SamplingRequest refusal;
  refusal.do_sample = false;
  CHECK_FALSE(resolve(refusal, gemma_defaults()).do_sample);
}

TEST_CASE("early stopping is spelled false, true or never") {
  for (EarlyStopping value : {EarlyStopping::kFalse, EarlyStopping::kTrue, EarlyStopping::kNever}) {
    CHECK(parse_early_stopping(to_string(value)) == value);
  }
  CHECK(parse_early_stopping("never") == EarlyStopping::kNever);
  CHECK_FALSE(parse_early_stopping("Never").has_value());
}
