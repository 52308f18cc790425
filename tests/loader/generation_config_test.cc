#include "loader/generation_config.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

GenerationConfig read(std::string_view json) {
  Result<GenerationConfig> config = parse_generation_config(json, "g");
  if (!config) FAIL(config.error().message());
  return *config;
}

std::string refusal(std::string_view json) {
  Result<GenerationConfig> config = parse_generation_config(json, "g");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::kInvalidFile);
  return config.error().what;
}

TEST_CASE("the file of an instruction-tuned model") {
  const GenerationConfig c = read(R"({"bos_token_id": 2, "pad_token_id": 0, "eos_token_id": [1, 106, 50],
    "do_sample": true, "temperature": 1.0, "top_k": 64, "top_p": 0.95, "suppress_tokens": [258883, 258882],
    "transformers_version": "5.5.0"})");
  CHECK(c.bos_id == 2);
  CHECK(c.pad_id == 0);
  CHECK(c.eos_ids == std::vector<int32_t>{1, 106, 50});
  CHECK(c.suppress_ids == std::vector<int32_t>{258883, 258882});
  CHECK(c.do_sample == true);
  CHECK(c.temperature == 1.0);
  CHECK(c.top_k == 64);
  CHECK(c.top_p == 0.95);
  CHECK_FALSE(c.min_p);
  CHECK_FALSE(c.repetition_penalty);
}

TEST_CASE("absent fields and null stay unset") {
  for (const char* json : {"{}", R"({"top_k": null, "eos_token_id": null, "temperature": null})"}) {
    const GenerationConfig c = read(json);
    CHECK(c.eos_ids.empty());
    CHECK_FALSE(c.top_k);
    CHECK_FALSE(c.temperature);
    CHECK_FALSE(c.do_sample);
  }
}

TEST_CASE("one end token need not be a list") {
  CHECK(read(R"({"eos_token_id": 1})").eos_ids == std::vector<int32_t>{1});
}

TEST_CASE("values out of range are refused by name, all at once") {
  CHECK(refusal(R"({"temperature": -1})") == "temperature: expected a number from 0 to 1000, found -1");
  CHECK(refusal(R"({"temperature": "hot"})") ==
        "temperature: expected a number from 0 to 1000, found \"hot\"");
  CHECK(refusal(R"({"top_p": 1.5, "min_p": -0.5})") ==
        "top_p: expected a number from 0 to 1, found 1.5; min_p: expected a number from 0 to 1, found -0.5");
  CHECK(refusal(R"({"top_k": -1})") == "top_k: expected a whole number from 0 to 2147483648, found -1");
  CHECK(refusal(R"({"top_k": 1.5})") == "top_k: expected a whole number from 0 to 2147483648, found 1.5");
  CHECK(refusal(R"({"repetition_penalty": 0})") == "repetition_penalty: expected a number above 0, found 0");
  CHECK(refusal(R"({"do_sample": 1})") == "do_sample: expected true or false, found 1");
  CHECK(refusal(R"({"eos_token_id": [1, {}]})") ==
        "eos_token_id: expected token ids from 0 to 2147483647, found an object");
  CHECK(refusal(R"({"suppress_tokens": -1})") ==
        "suppress_tokens: expected token ids from 0 to 2147483647, found -1");
  CHECK(refusal(R"({"bos_token_id": 2147483648})") ==
        "bos_token_id: expected a whole number from 0 to 2147483647, found 2147483648");
  CHECK(refusal("[]") == "expected an object, found an array of 0");
  CHECK(refusal("{") == "not valid JSON at byte 2, near \"{\"");
}

TEST_CASE("an absent file is unset, any other trouble is an error") {
  TemporaryFolder folder;
  Result<GenerationConfig> absent = read_generation_config(folder.path("generation_config.json"));
  REQUIRE(absent);
  CHECK(absent->eos_ids.empty());
  CHECK(read_generation_config(folder.path()).error().what == "expected a regular file, found a folder");
  CHECK(read_generation_config(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple/generation_config.json")
            ->eos_ids == std::vector<int32_t>{1});
}

}  // namespace
}  // namespace gemma
