// The models that ship with the project, and texts of exactly so many tokens for them.
#pragma once

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "engine/session.h"

namespace gemma::tests {

inline constexpr const char* kStory =
    "Once upon a time there was a little girl named Lily. She loved to play in the park with her dog. One "
    "day it was "
    "raining, and Lily was sad. Her mom said, \"Don't worry, Lily. The sun will come back soon.\" Lily "
    "waited and "
    "waited. Then the sun came out, and she ran to the park with her dog. They played all day and were very "
    "happy. "
    "When it was dark they went home, and Lily told her mom about the big rainbow she saw over the trees.";

inline std::string shipped(const std::string& name) {
  return std::string(GEMMA_SOURCE_DIR) + "/models/" + name;
}

inline std::unique_ptr<Model> load_story(const std::string& scheme, const std::string& name = "stories-qat") {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 1;  // test machines are busy, and the result is the same
  auto model = Model::load(shipped(name), options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

// The shortest prefix of the story that encodes to so many tokens.
inline std::string story_of(const Tokenizer& tokenizer, size_t tokens) {
  for (std::string text; text.size() < std::string_view(kStory).size();) {
    text = std::string(kStory).substr(0, text.size() + 1);
    if (tokenizer.encode(text, SpecialTokens::kAsText).size() == tokens) return text;
  }
  FAIL("no prefix of the story has so many tokens: ", tokens);
  return {};
}

}  // namespace gemma::tests
