// What gemma-run tells about a run: --json for programs, --stats for people.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::Outcome;
using nlohmann::json;

namespace {

const std::string kAsk = "Tell me a story about a bear.";

json document_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome run = gemma_run(std::move(arguments));
  REQUIRE(run.exit_code == 0);
  CHECK(run.messages == "");
  return json::parse(run.text);
}

}  // namespace

TEST_CASE("the JSON document holds text, ids, finish reason, seed, timings and memory") {
  const json document = document_of({"-p", kAsk, "-n", "3", "--seed", "0"});
  CHECK(document["schema"] == 1);
  CHECK(document["scheme"] == "int4");
  CHECK(document["threads"] == 1);
  CHECK(document["context"] == 1024);
  CHECK(document["kv_type"] == "f16");
  CHECK(document["load_seconds"] > 0);
  for (const char* bytes : {"weights_owned_bytes", "kv_reserved_bytes", "kv_used_bytes", "scratch_bytes",
                            "resident_bytes", "peak_resident_bytes"}) {
    CAPTURE(bytes);
    CHECK(document["memory"][bytes] > 0);
  }
  REQUIRE(document["results"].size() == 1);
  const json& result = document["results"][0];
  CHECK(result["prompt_ids"][0] == 2);
  CHECK(result["timings"]["prompt_tokens"] == result["prompt_ids"].size());
  CHECK(result["timings"]["cached_tokens"] == 0);
  CHECK(result["timings"]["decode_tokens"] == 2);
  REQUIRE(result["sequences"].size() == 1);
  const json& sequence = result["sequences"][0];
  CHECK(sequence["ids"].size() == 3);
  CHECK(sequence["finish_reason"] == "length");
  CHECK(sequence["seed"] == 0);
  CHECK(!sequence.contains("score"));
  CHECK(!sequence.contains("logprobs"));
}

TEST_CASE("log-probabilities come on request, with the tokens' text, the likeliest first") {
  const json document = document_of({"-p", kAsk, "-n", "2", "--greedy", "--top-logprobs", "3"});
  const json& sequence = document["results"][0]["sequences"][0];
  REQUIRE(sequence["logprobs"].size() == 2);
  const json& step = sequence["logprobs"][1];
  CHECK(step["id"] == sequence["ids"][1]);
  CHECK(step["token"] == " upon");
  REQUIRE(step["top"].size() == 3);
  CHECK(step["top"][0]["id"] == step["id"]);
  CHECK(step["top"][0]["logprob"] >= step["top"][1]["logprob"]);
  CHECK(!sequence.contains("seed"));  // greedy draws nothing
}

TEST_CASE("every finish has its reason") {
  const auto finish = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-p", kAsk, "--greedy"});
    return document_of(arguments)["results"][0]["sequences"][0]["finish_reason"].get<std::string>();
  };
  CHECK(finish({"--logit-bias", "1=1000"}) == "eos");
  CHECK(finish({"-n", "2"}) == "length");
  CHECK(finish({"--stop", "time"}) == "stop");
  CHECK(finish({"-c", "30", "--ignore-eos"}) == "context");
}

TEST_CASE("the end of an answer is passed over with --ignore-eos and put off with --min-new-tokens") {
  const auto n_ids = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-p", kAsk, "--greedy", "--logit-bias", "1=1000"});  // 1 is <eos>
    return document_of(arguments)["results"][0]["sequences"][0]["ids"].size();
  };
  CHECK(n_ids({}) == 1);
  CHECK(n_ids({"--ignore-eos", "-n", "6"}) == 6);
  CHECK(n_ids({"--min-new-tokens", "5"}) == 6);
}

TEST_CASE("beams are reported with their scores, best first, and several prompts as several results") {
  const json document =
      document_of({"-p", kAsk, "-p", "hi", "-n", "5", "--num-beams", "2", "--num-return-sequences", "2"});
  REQUIRE(document["results"].size() == 2);
  const json& sequences = document["results"][0]["sequences"];
  REQUIRE(sequences.size() == 2);
  CHECK(sequences[0]["score"] >= sequences[1]["score"]);
}

TEST_CASE("the statistics go to standard error and name the seed, also if it is 0") {
  const Outcome run = gemma_run({"-p", kAsk, "-n", "3", "--seed", "0", "--stats"});
  CHECK(run.text == gemma_run({"-p", kAsk, "-n", "3", "--seed", "0"}).text);
  for (const char* name :
       {"model", "scheme       int4 (", "load", "prefill", "first token", "decode", "weights", "KV cache",
        "resident", "\nseed         0\n", "\nfinish       length\n"}) {
    CAPTURE(name);
    CHECK(contains(run.messages, name));
  }
}

TEST_CASE("an answer that fills the context says so") {
  const Outcome run = gemma_run({"-p", kAsk, "--greedy", "-c", "30"});
  CHECK(run.exit_code == 0);
  CHECK(run.messages ==
        "gemma-run: warning: the answer ends here because the context of 30 tokens is full (--context)\n");
}
