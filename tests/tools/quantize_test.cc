// gemma-quantize as a user runs it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <tuple>

#include <nlohmann/json.hpp>

#include "tests/tools/program.h"

namespace gemma::tests {
namespace {

namespace fs = std::filesystem;

const std::string kModel = GEMMA_SOURCE_DIR "/models/stories-qat";

std::string story(const std::string& model, const std::string& scheme = "") {
  std::vector<std::string> command = {GEMMA_RUN,          "-m", model, "-p",
                                      "Tell me a story.", "-n", "24",  "--greedy"};
  if (!scheme.empty()) command.insert(command.end(), {"--scheme", scheme});
  const Outcome run = run_program(command);
  REQUIRE(run.exit_code == 0);
  return run.text;
}

TEST_CASE("a packed model writes the story of the model it was made from") {
  const TemporaryFolder folder;
  const std::string out = folder.file("packed");
  const Outcome run = run_program({GEMMA_QUANTIZE, "-m", kModel, "-o", out});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(run.messages.find("scheme int4: every matrix lies on a trained 4-bit grid") != std::string::npos);
  CHECK(run.text.find("layers.5.mlp.down_proj.weight") != std::string::npos);
  CHECK(run.text.find("100.00 %") != std::string::npos);
  CHECK(fs::exists(out + "/tokenizer.gemma"));
  CHECK_FALSE(fs::exists(out + ".partial"));
  CHECK(story(out) == story(kModel, "int4"));
}

TEST_CASE("the dequantized twin computes in f32 what the scheme's weights are") {
  const TemporaryFolder folder;
  const std::string out = folder.file("twin");
  const Outcome run =
      run_program({GEMMA_QUANTIZE, "-m", kModel, "--to", "bf16", "--scheme", "w4g32", "-o", out});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(fs::exists(out + "/tokenizer.json"));
  // On the trained grid nothing is rounded: the twin is the original.
  CHECK(story(out, "f32") == story(kModel, "f32"));
}

TEST_CASE("a GGUF file that was written tells the same story") {
  const TemporaryFolder folder;
  const std::string out = folder.file("stories.gguf");
  const Outcome run = run_program({GEMMA_QUANTIZE, "-m", kModel, "--to", "gguf", "-o", out});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(run.text.find("Q4_0") != std::string::npos);
  CHECK_FALSE(fs::exists(out + ".partial"));
  CHECK(story(out, "int4") == story(kModel, "int4"));
  const Outcome other = run_program(
      {GEMMA_QUANTIZE, "-m", kModel, "--to", "gguf", "--scheme", "w2c", "-o", folder.file("no.gguf")});
  CHECK(other.exit_code == 2);
  CHECK(other.messages.find("int4 gives Q4_0") != std::string::npos);
}

TEST_CASE("inspect tells a GGUF file of the textbook quantizer from one on the trained grid") {
  const TemporaryFolder folder;
  const auto warnings = [&](const std::string& model) {
    const std::string out = folder.file(model + ".gguf");
    const Outcome made = run_program({GEMMA_QUANTIZE, "-m", GEMMA_SOURCE_DIR "/models/" + model, "--to",
                                      "gguf", "--scheme", "int4", "-o", out});
    REQUIRE_MESSAGE(made.exit_code == 0, made.messages);
    const Outcome told = run_program({GEMMA_EVAL, "inspect", "-m", out, "--json"});
    REQUIRE_MESSAGE(told.exit_code == 0, told.messages);
    return nlohmann::json::parse(told.text)["quantization"]["warnings"].dump();
  };
  CHECK(warnings("stories-full").find("textbook Q4_0") != std::string::npos);
  CHECK(warnings("stories-qat") == "[]");
}

TEST_CASE("groups that do not divide the columns are refused with every tensor they do not fit") {
  const TemporaryFolder folder;
  struct Refused {
    const char* to;
    const char* scheme;
    const char* group;
  };
  for (const Refused& refused : {Refused{"packed", "w4g100", "groups of 100"},
                                 {"bf16", "w4g100", "groups of 100"},
                                 {"bf16", "fake:w4g7z", "groups of 7"},
                                 {"packed", "fake:w4g32a8g100", "activation groups of 100"}}) {
    CAPTURE(refused.to);
    CAPTURE(refused.scheme);
    const std::string out = folder.file("out");
    const Outcome run = run_program(
        {GEMMA_QUANTIZE, "-m", kModel, "--to", refused.to, "--scheme", refused.scheme, "-o", out});
    CHECK(run.exit_code == 2);
    CHECK(run.messages.find(std::string("embed_tokens.weight: 192 columns, ") + refused.group) !=
          std::string::npos);
    CHECK(run.messages.find("layers.5.mlp.up_proj.weight: ") != std::string::npos);
    CHECK_FALSE(fs::exists(out + ".partial"));
  }
}

TEST_CASE("the report as JSON says of each tensor what became of it") {
  const TemporaryFolder folder;
  const std::string file = folder.file("report.json");
  const Outcome run = run_program({GEMMA_QUANTIZE, "-m", GEMMA_SOURCE_DIR "/models/stories-full", "--scheme",
                                   "int4,head=int8", "--json", "--report", file, "-o", folder.file("out")});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(run.text == read_file(file));
  const nlohmann::json report = nlohmann::json::parse(run.text);
  CHECK(report["schema"] == 1);
  CHECK(report["scheme"] == "int4,head=int8");
  uint64_t bytes = 0;
  for (const nlohmann::json& tensor : report["tensors"]) {
    bytes += tensor["bytes"].get<uint64_t>();
    if (tensor["name"] == "lm_head.weight") {
      CHECK(tensor["scheme"] == "int8");
      CHECK(tensor["snr_db"].get<double>() > 35);
    }
    if (tensor["name"] == "layers.0.mlp.up_proj.weight") {
      CHECK(tensor["snr_db"].get<double>() > 15);
      CHECK(tensor["snr_db"].get<double>() < 30);
      CHECK(tensor["on_grid"] == false);
    }
  }
  const uint64_t whole = report["file_bytes"];
  CHECK(bytes < whole);
  CHECK(whole - bytes <= 64 * 1024);  // the header
}

TEST_CASE("the JSON report holds the calibration, and a GGUF file that loses its scales is warned of") {
  const TemporaryFolder folder;
  const std::string text = folder.file("text");
  std::ofstream(text) << "Once upon a time there was a kind dragon who lived in a little house.";
  const auto quantize = [&](const std::string& to, const std::string& scheme) {
    return run_program({GEMMA_QUANTIZE, "-m", kModel, "--scheme", scheme, "--to", to, "--calibrate", text,
                        "--json", "-o", folder.file(to)});
  };
  const Outcome packed = quantize("packed", "w8ca8s");
  REQUIRE_MESSAGE(packed.exit_code == 0, packed.messages);
  const nlohmann::json calibration = nlohmann::json::parse(packed.text)["calibration"];
  CHECK(calibration["tokens"].get<int>() > 5);
  CHECK(calibration["matrices"].size() > 20);
  for (const nlohmann::json& matrix : calibration["matrices"]) {
    CHECK(packed.messages.find(matrix["module"].get<std::string>()) != std::string::npos);
    const float peak = std::max(matrix["input_highest"].get<float>(), -matrix["input_lowest"].get<float>());
    CHECK(matrix["input_scale"].get<float>() == doctest::Approx(peak / 127));  // absmax
    CHECK(matrix["clipped"] == 0);
  }
  CHECK(packed.messages.find("warning") == std::string::npos);
  const Outcome gguf = quantize("gguf", "int8");
  REQUIRE_MESSAGE(gguf.exit_code == 0, gguf.messages);
  CHECK(gguf.messages.find("warning: a GGUF file has no place for static activation scales") !=
        std::string::npos);
}

TEST_CASE("what lies on no grid is rounded as --off-grid says") {
  const TemporaryFolder folder;
  const auto error = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> command = {GEMMA_QUANTIZE, "-m",   GEMMA_SOURCE_DIR "/models/stories-full",
                                        "--scheme",     "int4", "--json"};
    command.insert(command.end(), flags.begin(), flags.end());
    const Outcome run = run_program(command);
    REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
    const nlohmann::json report = nlohmann::json::parse(run.text);
    for (const nlohmann::json& tensor : report["tensors"]) {
      if (tensor["name"] == "layers.0.mlp.up_proj.weight") return tensor["mse"].get<double>();
    }
    return 0.0;
  };
  const double textbook = error({"-o", folder.file("a")});
  CHECK(textbook > 0);
  CHECK(error({"--off-grid", "textbook", "-o", folder.file("b")}) == textbook);
  CHECK(error({"--off-grid", "least-error", "-o", folder.file("c")}) < 0.97 * textbook);
  const Outcome gguf = run_program(
      {GEMMA_QUANTIZE, "-m", kModel, "--to", "gguf", "--off-grid", "textbook", "-o", folder.file("d")});
  CHECK(gguf.exit_code == 2);
}

TEST_CASE("nothing is overwritten") {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("there"));
  const Outcome run = run_program({GEMMA_QUANTIZE, "-m", kModel, "-o", folder.file("there")});
  CHECK(run.exit_code == 2);
  CHECK(run.messages.find("is there already") != std::string::npos);
  CHECK(fs::is_empty(folder.file("there")));
}

TEST_CASE("what cannot be packed is refused with the way out") {
  const TemporaryFolder folder;
  const Outcome fake =
      run_program({GEMMA_QUANTIZE, "-m", kModel, "--scheme", "fake:int4", "-o", folder.file("a")});
  CHECK(fake.exit_code == 2);
  CHECK(fake.messages.find("--to bf16") != std::string::npos);
  const Outcome nowhere = run_program({GEMMA_QUANTIZE, "-m", kModel});
  CHECK(nowhere.exit_code == 2);
  CHECK(nowhere.messages.find("--out") != std::string::npos);
  const Outcome missing = run_program({GEMMA_QUANTIZE, "-m", folder.file("none"), "-o", folder.file("b")});
  CHECK(missing.exit_code == 3);
}

TEST_CASE("a folder left by an interrupted run of something else is not taken over") {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("out.partial"));
  write_file(folder.file("out.partial/model.safetensors"), std::string(10000, 'x'));
  const Outcome run = run_program({GEMMA_QUANTIZE, "-m", kModel, "-o", folder.file("out")});
  CHECK(run.exit_code == 3);
  CHECK(run.messages.find("remove it") != std::string::npos);
}

}  // namespace
}  // namespace gemma::tests
