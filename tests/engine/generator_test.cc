// Generation with the shipped model: the ids that an independent implementation (PyTorch, float32) continued
// with, streaming, stopping, seeds, beams.
#include <fstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/generator.h"

namespace gemma {
namespace {

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 2;
  auto model = Model::load(std::string(GEMMA_SOURCE_DIR) + "/models/" + name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<Generated> generate(const Model& model, std::span<const int32_t> prompt,
                                const SamplingOptions& sampling, const OnPiece& on_piece = nullptr) {
  auto session = Session::create(model, {});
  REQUIRE(session.has_value());
  GenerateOptions options;
  options.sampling = sampling;
  auto texts = Generator(*session).run(prompt, options, on_piece);
  REQUIRE_MESSAGE(texts.has_value(), texts.error().message());
  return std::move(*texts);
}

std::vector<int32_t> once_upon(const Model& model) {
  std::vector<int32_t> ids = model.tokenizer()->encode("Once upon a time", SpecialTokens::kAsText);
  ids.insert(ids.begin(), model.config().bos_id);
  return ids;
}

TEST_CASE("greedy ids and text of both shipped variants in f32 equal those of the reference") {
  std::ifstream file(std::string(GEMMA_TEST_DATA) + "/stories_greedy.json");
  const auto expected = nlohmann::json::parse(file);
  for (const auto& [variant_name, folder_name] :
       {std::pair{"full", "stories-full"}, {"qat-q4_0-unquantized", "stories-qat"}}) {
    const std::string variant = variant_name, folder = folder_name;  // clang 14 captures no bindings
    const auto model = load(folder, "f32");
    for (const char* kind : {"raw", "chat"}) {
      CAPTURE(folder);
      CAPTURE(kind);
      const auto& golden = expected.at(variant).at(kind);
      SamplingOptions sampling;
      sampling.max_new_tokens = 80;
      sampling.eos_token_id = model->eos_ids();
      const auto texts = generate(*model, golden.at("prompt").get<std::vector<int32_t>>(), sampling);
      CHECK(texts.front().ids == golden.at("continuation").get<std::vector<int32_t>>());
      CHECK(texts.front().text == golden.at("text").get<std::string>());
    }
  }
}

TEST_CASE("the shipped QAT model is computed in int4 unless told otherwise, the full one in bf16") {
  CHECK(to_string(load("stories-qat", "")->scheme()) == "int4");
  CHECK(to_string(load("stories-full", "")->scheme()) == "bf16");
  const auto quantized = load("stories-qat", "int4");
  for (const TensorReport& report : quantized->weights().reports) {
    CAPTURE(report.name);
    if (report.tensor_class != TensorClass::kFloat) CHECK(report.on_grid);
    CHECK(report.off_grid_groups == 0);
  }
}

TEST_CASE("pieces streamed add up to the text, and a stop string is cut off with what follows") {
  const auto model = load("stories-qat", "int4");
  SamplingOptions sampling;
  sampling.max_new_tokens = 60;
  std::string streamed;
  const OnPiece collect = [&](const Piece& piece) {
    streamed += piece.text;
    return true;
  };
  const auto whole = generate(*model, once_upon(*model), sampling, collect);
  CHECK(streamed == whole.front().text);
  CHECK(whole.front().finish == FinishReason::kLength);
  CHECK(whole.front().ids.size() == 60);
  const size_t full_stop = whole.front().text.find('.');
  REQUIRE(full_stop != std::string::npos);
  sampling.stop_strings = {"."};
  const auto cut = generate(*model, once_upon(*model), sampling);
  CHECK(cut.front().text == whole.front().text.substr(0, full_stop));
  CHECK(cut.front().finish == FinishReason::kStopString);
}

TEST_CASE("the same seed gives the same texts, and several sequences differ from each other") {
  const auto model = load("stories-qat", "int4");
  SamplingOptions sampling;
  sampling.max_new_tokens = 40;
  sampling.do_sample = true;
  sampling.seed = 42;
  sampling.num_return_sequences = 3;
  const auto first = generate(*model, once_upon(*model), sampling);
  const auto second = generate(*model, once_upon(*model), sampling);
  REQUIRE(first.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(first[i].ids == second[i].ids);
  CHECK(first[0].ids != first[1].ids);
  CHECK(first[1].ids != first[2].ids);
}

TEST_CASE("the tutorial's call: two beams, sampling, temperature 0.7, 50 new tokens") {
  const auto model = load("stories-qat", "int4");
  SamplingOptions sampling;
  sampling.max_new_tokens = 50;
  sampling.num_beams = 2;
  sampling.do_sample = true;
  sampling.temperature = 0.7;
  sampling.seed = 1;
  sampling.eos_token_id = model->eos_ids();
  const auto texts = generate(*model, once_upon(*model), sampling);
  REQUIRE(texts.size() == 1);
  CHECK(!texts.front().text.empty());
  CHECK(texts.front().ids == generate(*model, once_upon(*model), sampling).front().ids);
}

TEST_CASE("two beams find a continuation at least as likely as greedy search") {
  const auto model = load("stories-qat", "f32");
  SamplingOptions sampling;
  sampling.max_new_tokens = 12;
  sampling.top_logprobs = 1;
  const auto likeliest = generate(*model, once_upon(*model), sampling);
  double greedy = 0;
  for (const LogprobReport& report : likeliest.front().logprobs) greedy += report.chosen.logprob;
  sampling.top_logprobs = 0;
  sampling.num_beams = 4;
  CHECK(generate(*model, once_upon(*model), sampling).front().score >= greedy / 12 - 1e-6);
}

TEST_CASE("a second run over a longer prompt computes only what is new") {
  const auto model = load("stories-qat", "int4");
  auto session = Session::create(*model, {});
  REQUIRE(session.has_value());
  Generator generator(*session);
  GenerateOptions options;
  options.sampling.max_new_tokens = 10;
  std::vector<int32_t> prompt = once_upon(*model);
  auto first = generator.run(prompt, options, nullptr);
  REQUIRE(first.has_value());
  prompt.insert(prompt.end(), first->front().ids.begin(), first->front().ids.end());
  auto second = generator.run(prompt, options, nullptr);
  REQUIRE(second.has_value());
  CHECK(generator.timings().prompt_tokens == 1);
  CHECK(second->front().ids == generate(*model, prompt, options.sampling).front().ids);
}

TEST_CASE("a generation ends at the context's end and says so; a longer prompt is refused") {
  const auto model = load("stories-qat", "int4");
  auto session = Session::create(*model, {.context = 16});
  REQUIRE(session.has_value());
  GenerateOptions options;
  auto texts = Generator(*session).run(once_upon(*model), options, nullptr);
  REQUIRE(texts.has_value());
  CHECK(texts->front().finish == FinishReason::kContext);
  CHECK(texts->front().ids.size() == 16 - once_upon(*model).size() + 1);
  const std::vector<int32_t> long_prompt(17, 5);
  CHECK(Generator(*session).run(long_prompt, options, nullptr).error().what ==
        "17 tokens, the context holds 16");
}

}  // namespace
}  // namespace gemma
