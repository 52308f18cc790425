// gemma-eval compare and layers as a release script runs them: figures, limits, exit codes.
#include "tools/eval_compare.h"

#include <limits>

#include "tests/sanitized.h"
#include "tests/tools/program.h"
#include "tools/model_choice.h"

namespace {

using gemma::ErrorCode;
using gemma::kShadowMemory;
using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;

const std::string kFull = std::string(GEMMA_SOURCE_DIR) + "/models/stories-full";
const std::string kQat = std::string(GEMMA_SOURCE_DIR) + "/models/stories-qat";

class Text {
 public:
  Text() {
    write_file(path(),
               "Once upon a time there was a little dog. He liked to run and play in the park all day.");
  }
  std::string path() const { return folder_.file("a.txt"); }

 private:
  TemporaryFolder folder_;
};

Outcome run(const char* command, std::vector<std::string> arguments) {
  const Text text;
  arguments.insert(arguments.begin(),
                   {GEMMA_EVAL, command, "--text", text.path(), "-L", "16", "-S", "8", "-t", "1"});
  return run_program(arguments);
}

}  // namespace

TEST_CASE("a model and its schemes are one word") {
  const auto choice = [](const std::string& word) { return gemma::parse_model_choice(word).value(); };
  CHECK(choice("a/b").model == "a/b");
  CHECK(choice("a/b").scheme.empty());
  CHECK(choice("a/b#int4,head=int8").scheme == "int4,head=int8");
  CHECK(choice("synthetic:tiny:7#f32").model == "synthetic:tiny:7");
  CHECK(choice("#bf16").model.empty());
  CHECK(choice("odd#folder#int4").model == "odd#folder");
  CHECK(choice("odd#folder#").model == "odd#folder");
  CHECK(gemma::parse_model_choice("a#int5").error().code == ErrorCode::kUsage);
}

TEST_CASE("shares and amounts of memory are read with their units") {
  CHECK(gemma::parse_share("2%", "x").value() == doctest::Approx(0.02));
  CHECK(gemma::parse_share("0.5", "x").value() == 0.5);
  CHECK(gemma::parse_bytes("512MB", "x").value() == 512000000u);
  CHECK(gemma::parse_bytes("2 GiB", "x").value() == 2147483648u);
  CHECK(gemma::parse_bytes("123", "x").value() == 123u);
  for (const char* bad : {"", "-1", "nan", "2 percent", "%"}) {
    CAPTURE(bad);
    CHECK(gemma::parse_share(bad, "x").error().code == ErrorCode::kUsage);
  }
  for (const char* bad : {"", "8XB", "-1MB", "inf", "1e30GB"}) {
    CAPTURE(bad);
    CHECK(gemma::parse_bytes(bad, "x").error().code == ErrorCode::kUsage);
  }
}

TEST_CASE("each limit has its own line when it is missed, and none when it is met") {
  gemma::CandidateFigures figures;
  figures.name = "m#int4";
  figures.pair.ratio = 1.03;
  figures.pair.same_top = 0.9;
  figures.pair.divergence = 0.05;
  figures.pair.divergence_percentiles[1] = 0.5;
  figures.pair.divergence_percentiles[0] = 0.8;
  figures.pair.change_rms = 0.04;
  figures.rate = 100;
  figures.decode_rate = 10;
  figures.bytes = 2000000;
  gemma::ThresholdFlags met;
  met.max_ppl_increase = "3.1%";
  met.min_top1 = 0.9;
  met.max_kld = 0.05;
  met.max_kld_p99 = 0.5;
  met.max_kld_p999 = 0.8;
  met.max_change_rms = 0.04;
  met.min_rate = 100;
  met.min_decode_rate = 10;
  met.max_rss = "2MB";
  CHECK(gemma::missed_thresholds(met, figures).value().empty());
  gemma::ThresholdFlags strict;
  strict.max_ppl_increase = "2%";
  strict.min_top1 = 0.91;
  strict.max_kld = 0.04;
  strict.max_kld_p99 = 0.4;
  strict.max_kld_p999 = 0.7;
  strict.max_change_rms = 0.03;
  strict.min_rate = 101;
  strict.min_decode_rate = 11;
  strict.max_rss = "1MB";
  const std::vector<std::string> missed = gemma::missed_thresholds(strict, figures).value();
  CHECK(missed.size() == 9);
  CHECK(missed[0] == "m#int4: perplexity +3.000 % against the base (± 0.000 %), at most +2 % allowed");
  CHECK(missed[1] == "m#int4: same top token in a share of 0.9, at least 0.91 wanted");
  figures.pair.ratio = std::numeric_limits<double>::quiet_NaN();
  CHECK(gemma::missed_thresholds(met, figures).value().size() == 1);  // what is no number meets no limit
  strict.max_rss = "much";
  CHECK(gemma::check_thresholds(strict).error().where == "--max-rss");
}

TEST_CASE("a model against itself meets the tightest limits") {
  const Outcome same = run("compare", {kQat + "#int4", kQat + "#int4", "--max-ppl-increase", "0",
                                       "--min-top1", "1", "--max-kld", "0", "--json"});
  CHECK(same.exit_code == 0);
  const auto json = nlohmann::json::parse(same.text);
  CHECK(json["kind"] == "comparison");
  CHECK(json["models"][1]["against_base"]["ratio"] == 1.0);
  CHECK(json["models"][1]["against_base"]["kl_divergence"]["mean"] == 0.0);
  CHECK(json["models"][1]["against_base"]["same_top"] == 1.0);
  CHECK(json["missed"].empty());
}

TEST_CASE("a missed limit is exit code 1, said on stderr, with the report complete") {
  const Outcome gate =
      run("compare", {kFull + "#f32", kFull + "#w2g32", kFull + "#int8", "--max-kld", "0.001"});
  CHECK(gate.exit_code == 1);
  CHECK(contains(gate.messages, "#w2g32: mean divergence"));
  CHECK(contains(gate.text, "divergence (nats)"));
  CHECK(contains(gate.text, "tokens compared, each once"));
}

TEST_CASE("what cannot be compared is refused before weights are loaded") {
  CHECK(run("compare", {}).exit_code == 2);
  CHECK(run("compare", {kQat}).exit_code == 2);
  CHECK(run("compare", {kQat + "#int5", kQat}).exit_code == 2);
  const Outcome other = run("compare", {kQat, "synthetic:tiny#f32"});
  CHECK(other.exit_code == 3);
  CHECK(contains(other.messages, "only models of one vocabulary can be compared"));
  CHECK(run("compare", {kQat, kFull, "--max-rss", "much"}).exit_code == 2);
  CHECK(run("compare", {kQat, kFull, "--min-decode-rate", "1", "--decode-tokens", "0"}).exit_code == 2);
}

TEST_CASE("layers compares a scheme with its fake and names the first layer beyond a tolerance") {
  const Outcome loose = run("layers", {"-m", kQat, "--scheme", "int4", "--tolerance", "0.5", "--json"});
  CHECK(loose.exit_code == 0);
  const auto json = nlohmann::json::parse(loose.text);
  CHECK(json["base"] == "fake:int4");
  CHECK(json["layers"].size() == 6);
  CHECK(json["first_beyond"].is_null());
  const Outcome tight =
      run("layers", {"-m", kQat, "--scheme", "int4", "--base", "f32", "--tolerance", "1e-9"});
  CHECK(tight.exit_code == 1);
  CHECK(contains(tight.messages, "layer 0 is beyond the tolerance of 1e-09"));
  CHECK(contains(tight.text, "first layer beyond a relative L2 of 1e-09: 0\n"));
}

TEST_CASE("sensitivity lists every class and what it costs") {
  const Outcome classes = run("layers", {"-m", kFull, "--scheme", "w2g32", "--sensitivity", "--json"});
  REQUIRE(classes.exit_code == 0);
  const auto json = nlohmann::json::parse(classes.text);
  CHECK(json["kind"] == "sensitivity");
  CHECK(json["base"] == "f32");
  REQUIRE(json["classes"].size() == 8);
  CHECK(json["classes"][4]["class"] == "mlp");
  CHECK(json["classes"][4]["scheme"] == "f32,mlp=w2g32");
  for (const auto& one : json["classes"])
    CHECK(one["against_base"]["kl_divergence"]["mean"].get<double>() > 0);
  CHECK(run("layers", {"-m", kFull, "--scheme", "int4,head=int8", "--sensitivity"}).exit_code == 2);
}

TEST_CASE("sensitivity by layers lists every layer alone, and equals the one layer compared by hand") {
  const Outcome layers =
      run("layers", {"-m", kFull, "--scheme", "w2g32", "--sensitivity", "--groups", "layers", "--json"});
  REQUIRE_MESSAGE(layers.exit_code == 0, layers.messages);
  const auto json = nlohmann::json::parse(layers.text);
  CHECK(json["kind"] == "sensitivity");
  CHECK(json["groups"] == "layers");
  REQUIRE(json["classes"].size() == 8);
  for (size_t layer = 0; layer < 6; ++layer) CHECK(json["classes"][layer]["layer"] == layer);
  CHECK(json["classes"][6]["class"] == "rest");
  CHECK(json["classes"][6]["layer"].is_null());
  const double mean = json["classes"][3]["against_base"]["kl_divergence"]["mean"];
  CHECK(mean > 0);
  const Outcome one = run("compare", {kFull + "#f32", kFull + "#f32,layers.3=w2g32", "--json"});
  REQUIRE_MESSAGE(one.exit_code == 0, one.messages);
  CHECK(nlohmann::json::parse(one.text)["models"][1]["against_base"]["kl_divergence"]["mean"] == mean);
  CHECK(run("layers", {"-m", kFull, "--groups", "layers"}).exit_code == 2);
}

TEST_CASE("what does not fit side by side is refused before anything is loaded, with each variant's figure") {
  if (kShadowMemory) return;
  const Text text;
  const std::string limited = "ulimit -v 6000000; exec " GEMMA_EVAL " compare --text " + text.path() +
                              " -L 16 -S 8 -t 1 synthetic:12b#int8 synthetic:12b#int4";
  const Outcome run = run_program({"/bin/sh", "-c", limited});
  CHECK(run.exit_code == 4);
  CHECK(contains(run.messages, "2 variants side by side: needs "));
  CHECK(contains(run.messages, "synthetic:12b#int4 "));
}
