// Zero points in a model: of weights per tensor, channel and group, of activations per token and group.
#include "engine/fake_rounding.h"

#include <random>

#include <doctest/doctest.h>

#include "engine/linear.h"
#include "engine/matrix_builder.h"
#include "engine/session.h"
#include "tests/engine/memory_source.h"

namespace gemma {
namespace {

constexpr size_t kRows = 21, kCols = 64;

std::vector<float> shifted_values(size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.01f, 0.02f);
  std::vector<float> values(n);
  for (float& value : values) value = kernels::from_bf16(kernels::to_bf16(normal(engine)));
  return values;
}

// What the matrix under test computes with, (kRows, kCols).
std::vector<float> built(const char* word, const std::vector<float>& values) {
  MemorySource source;
  source.add("w", {kRows, kCols}, values);
  const ThreadTeam team(2);
  const Scheme scheme = *parse_scheme(word);
  const Progress silent;
  MatrixBuilder builder(scheme, source, kernels::default_kernel_table(), team, 0, silent);
  const Result<Matrix> matrix = builder.matrix(*source.find("w"), TensorClass::kMlp, 0, kRows);
  REQUIRE_MESSAGE(matrix.has_value(), matrix.error().message());
  REQUIRE(matrix->view().format == kernels::WeightFormat::kF32);
  const float* data = reinterpret_cast<const float*>(matrix->view().data);
  return std::vector<float>(data, data + kRows * kCols);
}

std::vector<float> rounded_by(const std::vector<float>& x, size_t group, int bits) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); i += group) {
    const std::span<const float> values(x.data() + i, group);
    kernels::affine_round(values, kernels::affine_grid_of(values, bits), bits, y.data() + i);
  }
  return y;
}

TEST_CASE("weights with zero points share a grid per tensor, channel or group") {
  const std::vector<float> values = shifted_values(kRows * kCols, 1);
  for (int bits : {2, 3, 4, 8}) {
    const std::string w = "fake:w" + std::to_string(bits);
    CHECK(built((w + "tz").c_str(), values) == rounded_by(values, values.size(), bits));
    CHECK(built((w + "cz").c_str(), values) == rounded_by(values, kCols, bits));
    CHECK(built((w + "g16z").c_str(), values) == rounded_by(values, 16, bits));
  }
}

TEST_CASE("the grid of shifted weights with a zero point is finer than the symmetric one") {
  std::vector<float> values = shifted_values(kRows * kCols, 2);
  for (float& value : values) value = kernels::from_bf16(kernels::to_bf16(value + 0.1f));
  const auto error = [&](const char* word) {
    const std::vector<float> y = built(word, values);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += (y[i] - values[i]) * (y[i] - values[i]);
    return sum;
  };
  CHECK(error("fake:w4cz") < 0.5 * error("fake:w4c"));
  CHECK(error("fake:w2tz") < error("fake:w2t"));
}

TEST_CASE("activations with zero points are rounded per token or group before they are multiplied") {
  const size_t tokens = 3;
  const std::vector<float> w = shifted_values(kRows * kCols, 3), x = shifted_values(tokens * kCols, 4);
  const ThreadTeam team(2);
  auto scratch = LinearScratch::create(tokens, kCols, team.size());
  REQUIRE(scratch.has_value());
  struct Case {
    const char* word;
    int bits;
    size_t group;
  };
  for (const Case& wanted : {Case{"fake:w8ca8z", 8, kCols}, Case{"fake:w8ca4g16z", 4, 16}}) {
    CAPTURE(wanted.word);
    MemorySource source;
    source.add("w", {kRows, kCols}, w);
    const Scheme scheme = *parse_scheme(wanted.word);
    const Progress silent;
    MatrixBuilder builder(scheme, source, kernels::default_kernel_table(), team, 0, silent);
    const Result<Matrix> matrix = builder.matrix(*source.find("w"), TensorClass::kMlp, 0, kRows);
    REQUIRE(matrix.has_value());
    kernels::Activations acts;
    PhaseTeam(team).run([&](Worker& me) {
      LinearInput input(*scratch, x.data(), tokens, kCols);
      const kernels::Activations seen = input.prepare(kernels::default_kernel_table(), me, matrix->input());
      if (me.thread() == 0) acts = seen;
    });
    CHECK(std::vector<float>(acts.x, acts.x + x.size()) == rounded_by(x, wanted.group, wanted.bits));
  }
}

TEST_CASE("a whole model runs with zero points everywhere, whatever the threads and the chunks") {
  const std::vector<int32_t> tokens = {2, 5, 9, 30, 7, 11, 200, 3};
  std::vector<std::vector<float>> answers;
  for (const auto& [threads, chunk] : {std::pair<size_t, size_t>(1, 8), {2, 3}}) {
    ModelOptions options;
    options.scheme = "fake:w4g16za8z,ple=fake:w4cz,head=fake:w8tza8g16z";
    options.threads = threads;
    auto model = Model::load("synthetic:tiny", options);
    REQUIRE_MESSAGE(model.has_value(), model.error().message());
    auto session = Session::create(**model, {.context = 64, .chunk = chunk});
    REQUIRE(session.has_value());
    auto logits = session->extend(tokens);
    REQUIRE(logits.has_value());
    answers.emplace_back(logits->begin(), logits->end());
  }
  CHECK(answers[0] == answers[1]);
  for (float logit : answers[0]) CHECK(std::isfinite(logit));
}

}  // namespace
}  // namespace gemma
