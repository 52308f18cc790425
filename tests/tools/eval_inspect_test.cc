// gemma-eval inspect: figures that follow from the published shapes, and what a folder's files say.
#include "tools/eval_inspect.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/synthetic_config.h"
#include "engine/tensor_plan.h"
#include "tests/engine/on_grid_checkpoint.h"
#include "tests/loader/temporary_folder.h"
#include "tools/eval_model.h"

namespace fs = std::filesystem;
using gemma::Inspection;
using gemma::TemporaryFolder;

namespace {

Inspection inspected(const std::string& model) {
  const gemma::Result<std::unique_ptr<gemma::Model>> opened = gemma::open_model(model, /*tokenizer=*/true);
  REQUIRE(opened);
  gemma::Result<Inspection> found = gemma::inspect(**opened);
  REQUIRE(found);
  return std::move(*found);
}

std::string trait(const Inspection& found, const std::string& label) {
  const auto it = std::find_if(found.traits.begin(), found.traits.end(),
                               [&](const auto& entry) { return entry.first == label; });
  REQUIRE(it != found.traits.end());
  return it->second;
}

}  // namespace

TEST_CASE("the five published sizes are recognised by their shapes, others are custom") {
  for (const std::string size : {"e2b", "e4b", "12b", "26b-a4b", "31b"}) {
    const auto synthetic = gemma::synthetic_config(size);
    REQUIRE(synthetic);
    std::string name = gemma::family_member(*synthetic);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    CHECK(name == size);
  }
  const auto published = gemma::read_config(GEMMA_TEST_DATA "/config/e2b.json");
  REQUIRE(published);
  CHECK(gemma::family_member(*published) == "E2B");
  CHECK(gemma::family_member(*gemma::synthetic_config("tiny")) == "custom");
}

TEST_CASE("26B-A4B has 25.2 billion parameters of which 3.8 work on a token") {
  const Inspection found = inspected("synthetic:26b-a4b");
  CHECK(found.parameters / 1000000 == 25233);
  CHECK(found.parameters_per_token / 10000000 == 382);
  CHECK(trait(found, "experts") == "128 of width 704, 8 per token beside the MLP");
  CHECK(found.kv_bytes_per_token == 5 * 2 * 2 * 512 * 2);
  CHECK(found.kv_fixed_bytes == uint64_t{25} * 2 * 8 * 256 * 2 * (1023 + 256));
  CHECK(found.quantization.grids.at("experts").tensors == 60);
  CHECK(found.quantization.grids.at("experts").on_grid == 0);
}

TEST_CASE("E2B's gathered table does not count per token, and only owners of KV have a cache") {
  const Inspection found = inspected("synthetic:e2b");
  CHECK((found.parameters + 500000) / 1000000 == 4629);
  CHECK((found.parameters - found.parameters_per_token) == uint64_t{262144} * 35 * 256);
  CHECK(trait(found, "shared KV") == "20 layers read the keys and values of layers 13 and 14");
  CHECK(trait(found, "MLP") == "6144 on 15 layers, 12288 on 20 (double-wide where KV is shared)");
  CHECK(found.kv_bytes_per_token == 3 * 2 * 512 * 2);
}

TEST_CASE("the memory told for a scheme is what loading in it takes") {
  const Inspection found = inspected("synthetic:tiny");
  for (const std::string scheme : {"int4", "int8", "bf16"}) {
    CAPTURE(scheme);
    gemma::ModelOptions options;
    options.scheme = scheme;
    options.threads = 1;
    const auto model = gemma::Model::load("synthetic:tiny", options);
    REQUIRE(model);
    uint64_t bytes = (*model)->owned_weight_bytes();  // of matrices; norms and scalars come on top
    for (const gemma::PlannedTensor& planned : gemma::plan_tensors((*model)->config())) {
      if (planned.tensor_class != gemma::TensorClass::kFloat || !planned.required) continue;
      bytes += (*model)->source().find(planned.name)->elements() * sizeof(float);
    }
    CHECK(found.weight_bytes.at(scheme) == bytes);
  }
}

TEST_CASE("the shipped model lies on a grid, and its card, template and defaults are told") {
  const Inspection found = inspected(GEMMA_SOURCE_DIR "/models/stories-qat");
  CHECK(found.family == "custom");
  for (const auto& entry : found.quantization.grids) {
    CAPTURE(entry.first);
    CHECK(entry.second.on_grid == entry.second.tensors);
  }
  CHECK(found.tokenizer_size == 4096);
  CHECK(found.eos_ids == std::vector<int32_t>{1, 6});
  CHECK(found.card.values("datasets") == std::vector<std::string>{"roneneldan/TinyStories"});
  const std::string text = gemma::inspection_text(found);
  CHECK(text.find("datasets              roneneldan/TinyStories\n") != std::string::npos);
  CHECK(text.find("do_sample true, temperature 0.7, top_k 40, top_p 0.95\n") != std::string::npos);
  const nlohmann::json json = nlohmann::json::parse(gemma::inspection_json(found));
  CHECK(json["parameters"] == found.parameters);
  CHECK(json["quantization"]["on_4bit_grid"]["mlp"]["on_grid"] == 18);
  CHECK(json["card"]["quantization"][0] == "qat-q4_0-unquantized");
  CHECK(json["generation"]["top_k"] == 40);
}

TEST_CASE("a folder without tokenizer or card is told without them") {
  const Inspection found = inspected(GEMMA_TEST_DATA "/goldens/tiny-dense");
  CHECK(!found.tokenizer_size);
  CHECK(found.card.fields.empty());
  CHECK(gemma::inspection_text(found).find("tokenizer             none\n") != std::string::npos);
  CHECK(nlohmann::json::parse(gemma::inspection_json(found))["tokenizer"].is_null());
}

TEST_CASE("tensors that do not fit config.json are told, and nothing is derived from them") {
  const TemporaryFolder folder;
  fs::copy(GEMMA_TEST_DATA "/goldens/tiny-dense/model.safetensors", folder.path("model.safetensors"));
  fs::copy(GEMMA_TEST_DATA "/goldens/tiny-ple/config.json", folder.path("config.json"));
  const Inspection found = inspected(folder.path());
  CHECK(found.misfit.find("embed_tokens_per_layer.weight: expected") != std::string::npos);
  CHECK(found.parameters == 0);
  CHECK(found.quantization.grids.empty());
  const nlohmann::json json = nlohmann::json::parse(gemma::inspection_json(found));
  CHECK(json["fits_config"] == false);
  CHECK(json["parameters"].is_null());
}

TEST_CASE("a pack-quantized checkpoint is told in plain words: bits, granularity, activations") {
  const TemporaryFolder folder;
  gemma::tests::write_pack_quantized(
      gemma::tests::make_grid_checkpoint(GEMMA_TEST_DATA "/goldens/tiny-dense", 3), folder.path());
  const Inspection found = inspected(folder.path());
  CHECK(found.quantization.stored.at("mlp") ==
        std::vector<std::string>{"18 matrices of 4 bits, one scale per group of 32 (packed int4)"});
  CHECK(found.quantization.grids.at("embed").on_grid == 1);
  CHECK(found.quantization.activations.starts_with("not quantized by the checkpoint"));
  CHECK(found.quantization.warnings.empty());  // a trained grid: many peaks lie within the range
  CHECK(gemma::inspection_text(found).find("one scale per group of 32") != std::string::npos);
}

TEST_CASE("a model that was not trained for few bits is told so") {
  const Inspection found = inspected(GEMMA_SOURCE_DIR "/models/stories-full");
  REQUIRE(found.quantization.warnings.size() == 1);
  CHECK(found.quantization.warnings[0].find("no QAT checkpoint") != std::string::npos);
  CHECK(inspected(GEMMA_SOURCE_DIR "/models/stories-qat").quantization.warnings.empty());
}

TEST_CASE("terminal escapes in a model card are not passed on") {
  Inspection found;
  found.card.fields = {{"license", {"\x1b[2Jmit"}}};
  const std::string text = gemma::inspection_text(found);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("?[2Jmit") != std::string::npos);
}
