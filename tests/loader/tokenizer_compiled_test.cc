// The compiled form of a tokenizer: the same tokenizer again, or a refusal.
#include <cstring>

#include <doctest/doctest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "loader/tokenizer.h"

namespace gemma {
namespace {

Tokenizer load(const char* file) {
  auto tokenizer = Tokenizer::read(std::string(GEMMA_TEST_DATA) + "/tokenizer/" + file);
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message());
  return std::move(*tokenizer);
}

constexpr size_t kHeaderBytes = 48;
constexpr size_t kChecksumAt = 40;

// Changes a number of the body and makes the checksum fit again: what a hostile file would do.
std::vector<std::byte> forge(std::vector<std::byte> bytes, size_t number, uint32_t value) {
  std::memcpy(bytes.data() + kHeaderBytes + number * 4, &value, 4);
  const uint64_t checksum = XXH3_64bits(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes);
  std::memcpy(bytes.data() + kChecksumAt, &checksum, 8);
  return bytes;
}

TEST_CASE("a compiled tokenizer is the tokenizer it was made from") {
  for (const char* file : {"stories.json", "gemma4_excerpt.json"}) {
    CAPTURE(file);
    const Tokenizer original = load(file);
    const auto compiled = Tokenizer::parse_compiled(original.compile(), file);
    REQUIRE_MESSAGE(compiled.has_value(), compiled.error().message());
    CHECK(compiled->fingerprint() == original.fingerprint());
    CHECK(compiled->vocab_size() == original.vocab_size());
    CHECK(compiled->add_bos() == original.add_bos());
    for (const char* text :
         {"Once upon a time, there was a fox.", "<|turn>user\nHi<turn|>", "日本語 é\xff", "", "   "}) {
      CHECK(compiled->encode(text, SpecialTokens::kParse) == original.encode(text, SpecialTokens::kParse));
      CHECK(compiled->encode(text, SpecialTokens::kAsText) == original.encode(text, SpecialTokens::kAsText));
    }
    for (int32_t id = 0; id < static_cast<int32_t>(original.vocab_size()); ++id) {
      CHECK(compiled->piece(id) == original.piece(id));
      CHECK(compiled->is_special(id) == original.is_special(id));
    }
    CHECK(compiled->compile() == original.compile());
  }
}

TEST_CASE("a compiled tokenizer that is cut anywhere is refused") {
  const std::vector<std::byte> bytes = load("stories.json").compile();
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 16) {
    const auto cut = Tokenizer::parse_compiled({bytes.data(), length}, "cut");
    REQUIRE_FALSE(cut.has_value());
    CHECK(cut.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("a flipped bit of a compiled tokenizer is found by its checksum") {
  std::vector<std::byte> bytes = load("stories.json").compile();
  bytes[bytes.size() / 2] ^= std::byte{4};
  const auto flipped = Tokenizer::parse_compiled(bytes, "flipped");
  REQUIRE_FALSE(flipped.has_value());
  CHECK(flipped.error().what.find("checksum") != std::string::npos);
}

TEST_CASE("forged lengths and merges of a compiled tokenizer are refused, whatever the checksum says") {
  const Tokenizer original = load("stories.json");
  const std::vector<std::byte> bytes = original.compile();
  const size_t merges = original.vocab_size();
  for (const std::pair<size_t, uint32_t>& word : std::initializer_list<std::pair<size_t, uint32_t>>{
           {0, 0xffffffffu}, {5, 1u << 30}, {merges, 0xffffffffu}, {merges + 1, 1u << 24}, {merges + 2, 3}}) {
    CAPTURE(word.first);
    const auto forged = Tokenizer::parse_compiled(forge(bytes, word.first, word.second), "forged");
    REQUIRE_FALSE(forged.has_value());
    CHECK(forged.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("a compiled tokenizer of another version asks to be made again") {
  std::vector<std::byte> bytes = load("stories.json").compile();
  bytes[8] = std::byte{9};
  const auto other = Tokenizer::parse_compiled(bytes, "other");
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == ErrorCode::kUnsupported);
  CHECK(other.error().hint.find("gemma-quantize") != std::string::npos);
}

}  // namespace
}  // namespace gemma
