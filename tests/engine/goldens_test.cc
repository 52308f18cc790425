// The forward pass against the logits and hidden states of an independent float64 implementation, on five
// random checkpoints that together have every trait of the family (tests/data/goldens/README.md).
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/session.h"
#include "loader/npy.h"

namespace gemma {
namespace {

const char* const kCases[] = {"tiny-ple", "tiny-dense", "tiny-moe", "tiny-long", "real-heads"};

std::string folder(const std::string& name) {
  return std::string(GEMMA_TEST_DATA) + "/goldens/" + name;
}

std::vector<int32_t> golden_tokens(const std::string& name) {
  std::ifstream file(folder(name) + "/tokens.json");
  return nlohmann::json::parse(file).get<std::vector<int32_t>>();
}

std::vector<float> golden(const std::string& name, const std::string& file) {
  auto array = read_npy<float>(folder(name) + "/" + file);
  REQUIRE_MESSAGE(array.has_value(), array.error().message());
  return std::vector<float>(array->values.begin(), array->values.end());
}

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme, size_t threads = 2,
                            std::optional<kernels::Isa> isa = std::nullopt) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = threads;
  options.isa = isa;
  auto model = Model::load(folder(name), options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

// Logits of the last `rows` positions, (rows, vocab).
std::vector<float> logits_of(const Model& model, const std::vector<int32_t>& tokens, size_t rows,
                             SessionOptions options = {}) {
  auto session = Session::create(model, options);
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  std::vector<float> all;
  auto ran = session->evaluate(tokens, tokens.size() - rows, [&](size_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  REQUIRE_MESSAGE(ran.has_value(), ran.error().message());
  return all;
}

double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += (static_cast<double>(found[i]) - expected[i]) * (static_cast<double>(found[i]) - expected[i]);
    norm += static_cast<double>(expected[i]) * expected[i];
  }
  return std::sqrt(error / norm);
}

TEST_CASE("f32 logits are the float64 reference's to 1e-5, on every instruction set") {
  for (const char* name : kCases) {
    CAPTURE(name);
    for (kernels::Isa isa : kernels::supported_isas()) {
      CAPTURE(kernels::to_string(isa));
      const auto model = load(name, "f32", 2, isa);
      const std::vector<float> expected = golden(name, "logits.npy");
      const double error = relative_error(
          logits_of(*model, golden_tokens(name), expected.size() / model->config().vocab_size), expected);
      CAPTURE(error);
      CHECK(error <= 1e-5);
    }
  }
}

TEST_CASE("f32 hidden states after every layer are the float64 reference's to 1e-5") {
  for (const char* name : kCases) {
    CAPTURE(name);
    const auto model = load(name, "f32");
    const std::vector<int32_t> tokens = golden_tokens(name);
    const std::vector<float> expected = golden(name, "hidden.npy");
    const size_t layers = model->config().layers.size();
    const size_t hidden = model->config().hidden_size;
    const size_t rows = expected.size() / layers / hidden;
    std::vector<float> found(expected.size());
    auto session = Session::create(*model, {});
    REQUIRE(session.has_value());
    auto ran = session->evaluate(
        tokens, tokens.size(), nullptr, [&](size_t layer, size_t position, std::span<const float> x) {
          if (position < tokens.size() - rows) return;
          const size_t row = layer * rows + position - (tokens.size() - rows);
          std::copy(x.begin(), x.end(), found.begin() + static_cast<ptrdiff_t>(row * hidden));
        });
    REQUIRE(ran.has_value());
    for (size_t layer = 0; layer < layers; ++layer) {
      CAPTURE(layer);
      const auto slice = [&](const std::vector<float>& v) {
        const auto begin = v.begin() + static_cast<ptrdiff_t>(layer * rows * hidden);
        return std::vector<float>(begin, begin + static_cast<ptrdiff_t>(rows * hidden));
      };
      CHECK(relative_error(slice(found), slice(expected)) <= 1e-5);
    }
  }
}

TEST_CASE("fake:w4g32 logits are the reference's with Q4_0 weights to 1e-5, stored levels in float too") {
  for (const char* name : kCases) {
    CAPTURE(name);
    const std::vector<float> expected = golden(name, "logits_q4_0.npy");
    const auto fake = load(name, "fake:w4g32");
    const size_t rows = expected.size() / fake->config().vocab_size;
    const std::vector<float> found = logits_of(*fake, golden_tokens(name), rows);
    CHECK(relative_error(found, expected) <= 1e-5);
    SessionOptions exact_cache;
    exact_cache.kv_type = kernels::KvType::kF32;
    CHECK(logits_of(*load(name, "w4g32"), golden_tokens(name), rows, exact_cache) == found);
  }
}

TEST_CASE("int4 logits differ from the Q4_0 reference by what 8-bit activations cost and no more") {
  const std::map<std::string, double> bounds = {
      {"tiny-ple", 4e-2}, {"tiny-dense", 4e-2}, {"tiny-long", 4e-2}, {"real-heads", 6e-2}};
  for (const auto& [case_name, bound] : bounds) {
    const std::string name = case_name;  // clang 14 captures no bindings
    CAPTURE(name);
    const auto model = load(name, "int4");
    const std::vector<float> expected = golden(name, "logits_q4_0.npy");
    const double error = relative_error(
        logits_of(*model, golden_tokens(name), expected.size() / model->config().vocab_size), expected);
    CAPTURE(error);
    CHECK(error <= bound);
    CHECK(error > 1e-4);  // it did quantize its activations
  }
}

const char* const kSchemes[] = {"f32",  "bf16",         "int8",          "int4",  "int4-channel",
                                "w8a4", "fake:w4g32a8", "fake:w2ca8g32", "w3g32", "int4,head=int8,ple=bf16"};

TEST_CASE("logits are the same bits for any chunking and any number of threads, in every scheme") {
  for (const char* name : {"tiny-ple", "tiny-dense", "tiny-moe", "tiny-long"}) {
    const std::vector<int32_t> tokens = golden_tokens(name);
    for (const char* scheme : kSchemes) {
      CAPTURE(name);
      CAPTURE(scheme);
      const std::vector<float> expected = logits_of(*load(name, scheme, 1), tokens, tokens.size());
      for (size_t threads : {1, 2, 3}) {
        const auto model = load(name, scheme, threads);
        for (size_t chunk : {1, 3, 16, 64}) {
          CAPTURE(threads);
          CAPTURE(chunk);
          SessionOptions options;
          options.chunk = chunk;
          CHECK(logits_of(*model, tokens, tokens.size(), options) == expected);
        }
      }
    }
  }
}

TEST_CASE("a whole chunk under the smallest activation groups fits the scratch and gives the same bits") {
  const auto model = load("tiny-ple", "fake:w4g32a8g8");
  std::vector<int32_t> tokens(256);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(3 + i * 37 % 500);
  SessionOptions whole, parts;
  whole.chunk = tokens.size();
  parts.chunk = 7;
  CHECK(logits_of(*model, tokens, 3, whole) == logits_of(*model, tokens, 3, parts));
}

TEST_CASE("int8 keys and values: the same bits for any chunking and any number of threads") {
  for (const char* name : {"tiny-ple", "tiny-moe", "tiny-long"}) {
    CAPTURE(name);
    const std::vector<int32_t> tokens = golden_tokens(name);
    SessionOptions options;
    options.kv_type = kernels::KvType::kInt8;
    const std::vector<float> expected = logits_of(*load(name, "int4", 1), tokens, tokens.size(), options);
    for (size_t threads : {1, 2, 3}) {
      const auto model = load(name, "int4", threads);
      for (size_t chunk : {1, 3, 16, 64}) {
        CAPTURE(threads);
        CAPTURE(chunk);
        options.chunk = chunk;
        CHECK(logits_of(*model, tokens, tokens.size(), options) == expected);
      }
    }
  }
}

TEST_CASE("int8 keys and values leave the logits near those of the float64 reference") {
  for (const char* name : kCases) {
    CAPTURE(name);
    const auto model = load(name, "f32");
    const std::vector<float> expected = golden(name, "logits.npy");
    SessionOptions options;
    options.kv_type = kernels::KvType::kInt8;
    const double error = relative_error(
        logits_of(*model, golden_tokens(name), expected.size() / model->config().vocab_size, options),
        expected);
    CAPTURE(error);
    CHECK(error <= 5e-2);
    CHECK(error > 1e-5);  // it did round them
  }
}

TEST_CASE("a prefill that stops early leaves the same logits for what follows") {
  for (const char* name : kCases) {
    CAPTURE(name);
    const std::vector<int32_t> tokens = golden_tokens(name);
    for (const char* scheme : {"f32", "int4"}) {
      const auto model = load(name, scheme);
      const std::vector<float> expected = logits_of(*model, tokens, 2);
      auto session = Session::create(*model, {});
      REQUIRE(session.has_value());
      REQUIRE(session->prefill(std::span(tokens).first(tokens.size() - 2)).has_value());
      std::vector<float> found;
      for (int32_t token : std::span(tokens).last(2)) {
        auto logits = session->decode(token);
        REQUIRE(logits.has_value());
        found.insert(found.end(), logits->begin(), logits->end());
      }
      CHECK(found == expected);
    }
  }
}

}  // namespace
}  // namespace gemma
