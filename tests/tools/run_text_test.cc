// gemma-run writes what it is asked for, and only that, to standard output.
#include <doctest/doctest.h>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::Outcome;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;

namespace {

const std::string kAsk = "Tell me a story about a bear.";

std::string text_of(std::vector<std::string> arguments, const std::string& input = {}) {
  const Outcome run = gemma_run(std::move(arguments), {.input = input});
  CHECK(run.messages == "");
  CHECK(run.exit_code == 0);
  return run.text;
}

}  // namespace

TEST_CASE("the shipped model tells a story without any option but the prompt") {
  const std::string story = text_of({"-p", kAsk, "--seed", "1"});
  CHECK(story.size() > 200);
  CHECK(story.ends_with("\n"));
}

TEST_CASE("a seed gives the same text again, another seed another text, and threads change nothing") {
  const std::string first = text_of({"-p", kAsk, "--seed", "1", "-n", "60"});
  CHECK(text_of({"-p", kAsk, "--seed", "1", "-n", "60"}) == first);
  CHECK(text_of({"-p", kAsk, "--seed", "2", "-n", "60"}) != first);
  CHECK(run_program({GEMMA_RUN, "-p", kAsk, "--seed", "1", "-n", "8", "-t", "2"}).text ==
        text_of({"-p", kAsk, "--seed", "1", "-n", "8"}));
}

TEST_CASE("a prompt means the same as option, file, dash and standard input") {
  const TemporaryFolder folder;
  write_file(folder.file("prompt"), kAsk);
  const std::string text = text_of({"-p", kAsk, "--greedy", "-n", "12"});
  CHECK(text_of({"-f", folder.file("prompt"), "--greedy", "-n", "12"}) == text);
  CHECK(text_of({"-f", "-", "--greedy", "-n", "12"}, kAsk) == text);
  CHECK(text_of({"--greedy", "-n", "12"}, kAsk) == text);
}

TEST_CASE("several prompts are answered in turn, an empty line between them") {
  const std::string bear = text_of({"-p", kAsk, "--greedy", "-n", "6"});
  const std::string hello = text_of({"-p", "Hello", "--greedy", "-n", "6"});
  CHECK(text_of({"-p", kAsk, "-p", "Hello", "--greedy", "-n", "6"}) == bear + "\n" + hello);
}

TEST_CASE("a system turn changes the prompt") {
  CHECK(text_of({"--system", "Be brief.", "-p", kAsk, "--seed", "3", "-n", "30"}) !=
        text_of({"-p", kAsk, "--seed", "3", "-n", "30"}));
}

TEST_CASE("a raw text is continued, not answered") {
  CHECK(text_of({"--raw", "-p", "Once upon a time, there was a little", "--greedy", "-n", "1"}) == " girl\n");
}

TEST_CASE("the text ends before a stop string, in either spelling of the option") {
  CHECK(text_of({"-p", kAsk, "--greedy", "--stop", "time"}) == "Once upon a \n");
  CHECK(text_of({"-p", kAsk, "--greedy", "--stop_strings", "time"}) == "Once upon a \n");
}

TEST_CASE("suppressed tokens and biased tokens are chosen never and always") {
  CHECK(!contains(text_of({"-p", kAsk, "--greedy", "-n", "3", "--suppress-tokens", "447,456"}), "Once"));
  CHECK(text_of({"-p", kAsk, "--greedy", "-n", "2", "--logit-bias", "447=1000"}) == "OnceOnce\n");
}

TEST_CASE("several sequences come one after the other, the same for the same seed") {
  const std::vector<std::string> three = {
      "-p", kAsk, "--seed", "6", "-n", "25", "--temperature", "1.2", "--num-return-sequences", "3"};
  const std::string text = text_of(three);
  CHECK(text_of(three) == text);
  const std::string alone = text_of({"-p", kAsk, "--seed", "6", "-n", "25", "--temperature", "1.2"});
  CHECK(text.starts_with(alone + "\n"));
  CHECK(!contains(text.substr(alone.size()), alone));
}

TEST_CASE("the tutorial's call works, with dashes and with underscores") {
  const std::string text = text_of(
      {"-p", kAsk, "--num-beams", "2", "--do-sample", "--temperature", "0.7", "-n", "50", "--seed", "2"});
  CHECK(text.size() > 100);
  CHECK(text_of({"-p", kAsk, "--num_beams=2", "--do_sample", "--temperature=0.7", "--max_new_tokens=50",
                 "--seed=2"}) == text);
}

TEST_CASE("a synthetic model needs no file and differs by its seed") {
  const auto babble = [](const std::string& model) {
    return text_of({"-m", model, "--raw", "-p", "hello world", "-n", "8", "--greedy"});
  };
  CHECK(babble("synthetic:tiny") == babble("synthetic:tiny:0"));
  CHECK(babble("synthetic:tiny") != babble("synthetic:tiny:1"));
}

TEST_CASE("every scheme of the manual writes text") {
  for (const char* scheme : {"f32", "bf16", "int8", "int4", "int4-channel", "w8a4", "fake:int4", "w3g32",
                             "int4,head=int8,ple=bf16"}) {
    CAPTURE(scheme);
    CHECK(text_of({"-m", "synthetic:tiny", "--scheme", scheme, "--raw", "-p", "hello", "-n", "2"}).size() >
          1);
  }
}

TEST_CASE("a conversation file is answered as the turns it holds") {
  const TemporaryFolder folder;
  write_file(folder.file("talk.json"), R"([{"role": "user", "content": ")" + kAsk + R"("}])");
  CHECK(text_of({"--messages", folder.file("talk.json"), "--greedy", "-n", "8"}) ==
        text_of({"-p", kAsk, "--greedy", "-n", "8"}));
}
