// What gemma-run says when it cannot: the message, and the exit code that tells a script what kind of thing
// went wrong.
#include <doctest/doctest.h>

#include "program.h"
#include "tests/sanitized.h"

using gemma::kShadowMemory;
using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;

namespace fs = std::filesystem;

namespace {

// Nothing on stdout, the code, and "gemma-run: MESSAGE" at the start of stderr.
void check_refused(const Outcome& run, int code, const std::string& message) {
  CHECK(run.exit_code == code);
  CHECK(run.text == "");
  CAPTURE(run.messages);
  CHECK(run.messages.starts_with("gemma-run: " + message));
  CHECK(run.messages.ends_with("\n"));
}

void refuses(std::vector<std::string> arguments, int code, const std::string& message) {
  arguments.insert(arguments.end(), {"-p", "hi", "-n", "3"});
  check_refused(gemma_run(std::move(arguments)), code, message);
}

// A copy of the shipped model that a test may break.
std::string copy_model(const TemporaryFolder& folder) {
  fs::copy(fs::path(GEMMA_SOURCE_DIR) / "models" / "stories-qat", folder.file("model"),
           fs::copy_options::recursive);
  return folder.file("model");
}

void replace_in(const std::string& path, const std::string& from, const std::string& to) {
  std::string text = read_file(path);
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_file(path, text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("numbers that are out of range or no numbers are refused with the range") {
  refuses({"--temperature", "nan"}, 2, "--temperature: expected a number from 0 on, found 'nan'");
  refuses({"--top-p", "-0.5"}, 2, "--top-p: expected a number from 0 to 1, found '-0.5'");
  refuses({"-n", "0"}, 2, "-n: expected a whole number from 1 on, found '0'");
  refuses({"--min-new-tokens", "5"}, 2, "--min-new-tokens: expected a whole number from 0 to 3, found 5");
  refuses({"--greedy", "--num-return-sequences", "3"}, 2,
          "--num-return-sequences: expected 1, found 3: greedy search has one answer");
}

TEST_CASE(
    "a group that does not divide the columns of a tied head is refused, though its embedding has none") {
  refuses({"--scheme", "bf16,head=w4g7"}, 2,
          "scheme bf16,head=w4g7: the group does not divide the columns of 1 tensors:\n"
          "    lm_head.weight: 192 columns, groups of 7");
}

TEST_CASE("a model folder whose files cannot be looked at is refused by every program") {
  const TemporaryFolder folder;
  const std::string model = copy_model(folder);
  fs::remove(model + "/tokenizer.json");
  fs::create_symlink("tokenizer.gemma", model + "/tokenizer.json");
  fs::create_symlink("tokenizer.json", model + "/tokenizer.gemma");
  refuses({"-m", model}, 3, model + "/tokenizer.gemma: ");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{GEMMA_EVAL, "tokenize", "-m", model, "--text", "hi"},
        {GEMMA_BENCH, "-m", model, "--prompt-tokens", "4"},
        {GEMMA_QUANTIZE, "-m", model, "-o", folder.file("out")}}) {
    CAPTURE(command.front());
    const Outcome run = run_program(command);
    CAPTURE(run.messages);
    CHECK(run.exit_code == 3);
    CHECK(contains(run.messages, "tokenizer.gemma: "));
  }
}

TEST_CASE("an unknown option suggests the nearest") {
  refuses({"--temprature", "1"}, 2, "unknown option '--temprature' (did you mean --temperature?)");
}

TEST_CASE("an unknown scheme names the nearest, one that does not fit lists the tensors") {
  refuses({"--scheme", "int5"}, 2, "scheme \"int5\": unknown scheme; the nearest is int");
  refuses({"--scheme", "w4g100"}, 2,
          "scheme w4g100: the group does not divide the columns of 51 tensors:\n"
          "    embed_tokens.weight: 192 columns, groups of 100\n");
  refuses({"--scheme", "mobile"}, 2, "scheme mobile: needs static activation scales");
  refuses({"--scheme", ""}, 2, "--scheme: expected a text, found an empty one");
}

TEST_CASE("token ids out of range or unreadable are refused") {
  refuses({"--suppress-tokens", "5,4096"}, 2,
          "--suppress-tokens: expected token ids below 4096, the size of the vocabulary, found 4096");
  refuses({"--suppress-tokens", "5,x"}, 2, "--suppress-tokens: expected token ids, found \"x\"");
  refuses({"--logit-bias", "4096=1"}, 2, "--logit-bias: expected token ids below 4096");
  refuses({"--logit-bias", "5:1"}, 2, "--logit-bias: expected ID=BIAS, found \"5:1\"");
  refuses({"--logit-bias", "5=nan"}, 2, "--logit-bias: expected finite numbers or -inf");
}

TEST_CASE("options that contradict each other or would only be ignored are refused") {
  refuses({"--chat"}, 2, "--chat: does not go together with --prompt");
  refuses({"--raw", "--system", "x"}, 2, "--raw: does not go together with --system");
  refuses({"--raw", "--thinking"}, 2, "--raw: does not go together with --thinking");
  refuses({"--top-logprobs", "3"}, 2, "--top-logprobs: reports in JSON only: add --json");
}

TEST_CASE("thinking is refused where the template knows none") {
  refuses({"--thinking"}, 2,
          "--thinking: this model's chat template has plain turns only, and no place for thoughts");
}

TEST_CASE("a prompt longer than the context is refused with both figures") {
  refuses({"-c", "5"}, 2, "prompt: 15 tokens, the context holds 5");
  refuses({"-c", "5000"}, 2, "context: 5000 tokens asked for, the model was made for 1024");
}

TEST_CASE("no prompt, an empty input and a missing prompt file are told without loading the model") {
  check_refused(gemma_run({"-m", "synthetic:31b"}), 2,
                "prompt: expected one on standard input, found nothing");
  check_refused(gemma_run({"-m", "synthetic:31b", "-f", "/nonexistent"}), 3, "/nonexistent: no such file");
}

TEST_CASE("a model that is not there is told with what to do") {
  refuses({"-m", "/nonexistent"}, 3, "\"/nonexistent\": no such folder, and no hub id");
  refuses({"-m", "synthetic:3b"}, 2,
          "synthetic:3b: unknown size \"3b\" (the sizes are tiny, e2b, e4b, 12b, 26b-a4b, 31b)");
  const TemporaryFolder folder;
  refuses({"-m", folder.file("")}, 3, folder.file("") + ": the folder holds no config.json");
  const Outcome run = gemma_run({"-m", "google/gemma-4-E2B-it", "-p", "hi"},
                                {.environment = {"HF_HOME=" + folder.file("home"), "HF_HUB_CACHE="}});
  check_refused(run, 3,
                "google/gemma-4-E2B-it: not in the cache " + folder.file("home/hub") +
                    " (gemma-run pull google/gemma-4-E2B-it)");
}

TEST_CASE("a truncated model file is refused with the tensor and the bytes") {
  const TemporaryFolder folder;
  const std::string model = copy_model(folder);
  fs::resize_file(model + "/model.safetensors", 500000);
  refuses({"-m", model}, 3, model + "/model.safetensors: model.language_model.embed_tokens.weight: ");
}

TEST_CASE("tensors that do not fit config.json are listed with both shapes") {
  const TemporaryFolder folder;
  const std::string model = copy_model(folder);
  replace_in(model + "/config.json", "\"hidden_size\": 192", "\"hidden_size\": 128");
  refuses({"-m", model}, 3,
          model +
              ": the tensors do not fit config.json:\n  81 of another shape than config.json says:\n"
              "    model.language_model.embed_tokens.weight: expected [4096, 128], found [4096, 192]\n");
}

TEST_CASE("a generation_config.json out of the vocabulary is blamed, not the user") {
  const TemporaryFolder folder;
  const std::string model = copy_model(folder);
  write_file(model + "/generation_config.json", R"({"eos_token_id": 9999})");
  refuses({"-m", model}, 3, model + "/generation_config.json: eos_token_id: expected token ids below 4096");
}

TEST_CASE("a model that does not fit the memory is refused before it is read, with the figures") {
  if (kShadowMemory) return;
  const auto limited = [](const std::string& kilobytes, const std::string& arguments) {
    return run_program(
        {"/bin/sh", "-c", "ulimit -v " + kilobytes + "; exec " GEMMA_RUN " -t 1 -p hi -n 3 " + arguments});
  };
  const Outcome model = limited("3000000", "-m synthetic:31b --scheme f32");
  check_refused(model, 4, "weights as f32: needs 61.");
  CHECK(contains(model.messages, " GB are available (take a smaller model, scheme or context)"));
  check_refused(limited("70000", "-m synthetic:e2b"), 4, "out of memory");
}

TEST_CASE("an instruction set that this CPU lacks or nobody knows is refused, by option and by variable") {
#if defined(__x86_64__)
  const std::string foreign = "neon";
#else
  const std::string foreign = "avx2";
#endif
  refuses({"--isa", foreign}, 2, "isa: this CPU cannot run " + foreign);
  refuses({"--isa", "sse9"}, 2, "--isa: expected one of portable, avx2");
  check_refused(gemma_run({"-p", "hi"}, {.environment = {"GEMMA_ISA=sse9"}}), 2,
                "GEMMA_ISA: unknown instruction set \"sse9\"");
}

TEST_CASE("a kernel that this CPU lacks or nobody knows is refused, with the nearest name") {
#if defined(__x86_64__)
  const std::string foreign = "quantize_activations/neon-dotprod";
  refuses({"--kernel", foreign}, 2, "--kernel: unknown kernel");
#endif
  refuses({"--kernel", "int4_group23/portable"}, 2,
          "--kernel: unknown kernel \"int4_group23/portable\" (did you mean int4_group32/portable?");
  refuses({"--kernel", "dot/portable,cosine"}, 2, "--kernel: unknown kernel \"cosine\"");
  check_refused(gemma_run({"-p", "hi"}, {.environment = {"GEMMA_KERNEL=rope/none"}}), 2,
                "GEMMA_KERNEL: unknown kernel \"rope/none\"");
}

TEST_CASE("the list of kernels marks what would be called") {
  const Outcome list = gemma_run({"--list-kernels", "--isa", "portable"});
  CHECK(list.exit_code == 0);
  CHECK(contains(list.text, "int4_group32/portable                chosen\n"));
#if defined(__x86_64__)
  CHECK(contains(list.text, "int4_group32/avxvnni "));
#endif
  const Outcome forced = gemma_run({"--list-kernels", "--kernel", "rms_norm/portable,int4_channel/portable"});
  CHECK(contains(forced.text, "rms_norm/portable                    chosen\n"));
  CHECK(contains(forced.text, "int4_channel/portable                chosen\n"));
}

TEST_CASE("a full disk is an error, for text and for JSON") {
  if (!fs::exists("/dev/full")) return;
  for (const char* form : {"--greedy", "--json"}) {
    CAPTURE(form);
    const Outcome run = gemma_run({"-p", "hi", "-n", "3", form}, {.output_path = "/dev/full"});
    CHECK(run.exit_code == 4);
    CHECK(run.messages == "gemma-run: output: cannot write: No space left on device\n");
  }
}

TEST_CASE("a reader that goes away ends the run calmly, without answering the other prompts") {
  const Outcome run = run_program({"/bin/sh", "-c",
                                   "{ " GEMMA_RUN " -t 1 --greedy -p hi -p hi -p hi; echo code $? >&2; } | "
                                   "head -c 4"});
  CHECK(run.text == "Once");
  CHECK(run.messages == "code 0\n");
}

TEST_CASE("the help fits a line of 80 columns and names every group") {
  const Outcome run = gemma_run({"--help"});
  CHECK(run.exit_code == 0);
  for (const char* group : {"\nModel:\n", "\nInput:\n", "\nLength:\n", "\nChoice of tokens:\n",
                            "\nSeveral answers:\n", "\nReport:\n", "\nExamples:\n"}) {
    CAPTURE(group);
    CHECK(contains(run.text, group));
  }
  size_t begin = 0;
  for (size_t end = run.text.find('\n'); end != std::string::npos; end = run.text.find('\n', begin)) {
    CHECK(end - begin <= 80);
    begin = end + 1;
  }
}
