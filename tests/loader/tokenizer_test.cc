// Text to ids and back, on two vocabularies: an excerpt of Gemma 4's with its real ids (the pieces and merges
// that the texts below can touch), and the story model's own.
#include "loader/tokenizer.h"

#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/loader/tokenizer_json_text.h"

namespace gemma {
namespace {

using Ids = std::vector<int32_t>;

std::string data(const std::string& name) {
  return std::string(GEMMA_TEST_DATA "/tokenizer/") + name;
}

Tokenizer read(const std::string& name) {
  auto tokenizer = Tokenizer::read(data(name));
  REQUIRE(tokenizer);
  return std::move(*tokenizer);
}

const Tokenizer& gemma4() {
  static const Tokenizer tokenizer = read("gemma4_excerpt.json");
  return tokenizer;
}

const Tokenizer& stories() {
  static const Tokenizer tokenizer = read("stories.json");
  return tokenizer;
}

// The bytes "<0x00>".. are ids 0.., then "a" "b" "ab", and the added tokens of the test.
Tokenizer with_added(const std::string& added) {
  auto tokenizer = Tokenizer::parse(TokenizerJsonText{.added_tokens = "[" + added + "]"}.text(), "test");
  REQUIRE(tokenizer);
  return std::move(*tokenizer);
}

TEST_CASE("Gemma's published vectors come out with their ids") {
  const std::pair<std::string, Ids> vectors[] = {
      {"", {}},
      {"Hello world", {9259, 1902}},
      {"Hello, world!", {9259, 236764, 1902, 236888}},
      {" hello", {29104}},
      {"hello  world", {23391, 138, 12392}},
      {"  leading", {138, 26016}},
      {"trailing ", {136697, 236743}},
      {std::string(32, '\n'), {137, 107}},
      {std::string(64, '\n'), {137, 137, 108}},
      {"a\n\n\nb", {236746, 109, 236763}},
      {"\r\n", {251, 107}},
      {"\t\n", {255968, 107}},
      {"The quick brown fox", {818, 3823, 8864, 37423}},
      {"1234567", {236770, 236778, 236800, 236812, 236810, 236825, 236832}},
      {"don't", {13246, 236789, 236745}},
      {"ied 4 ½ months", {1178, 236743, 236812, 47041, 3794}},
      {"日本語", {94951}},
      {"é", {236859}},
      {"\U0001F642", {240731}},
      {std::string(1, '\0'), {238}},
      {"def f(x):\n    return x\n", {2063, 517, 236769, 236781, 1473, 107, 140, 2060, 1123, 107}},
  };
  for (const auto& vector : vectors) {
    INFO(vector.first);
    const auto& [text, ids] = vector;
    CHECK(gemma4().encode(text, SpecialTokens::kAsText) == ids);
    CHECK(gemma4().encode(text, SpecialTokens::kParse) == ids);
    CHECK(gemma4().decode(ids, false) == text);
  }
}

TEST_CASE("a tag is one id where the file lists it as added token, and three where it does not") {
  CHECK(gemma4().encode("<table>", SpecialTokens::kParse) == Ids{236820, 5127, 236813});

  std::stringstream text;
  text << std::ifstream(data("gemma4_excerpt.json")).rdbuf();
  std::string json = text.str();
  const std::string key = "\"added_tokens\":[";
  json.insert(json.find(key) + key.size(), added_token(168, "<table>", false) + ",");
  const auto with_tag = Tokenizer::parse(json, "test");
  REQUIRE(with_tag);
  CHECK(with_tag->encode("<table>", SpecialTokens::kParse) == Ids{168});
  CHECK(with_tag->encode("<table>", SpecialTokens::kAsText) == Ids{168});
}

TEST_CASE("special tokens spelled in a text become ids only where they are parsed") {
  const std::string text = "<|turn>user\n";
  CHECK(gemma4().encode(text, SpecialTokens::kParse) == Ids{105, 2364, 107});
  const Ids as_text = gemma4().encode(text, SpecialTokens::kAsText);
  CHECK(as_text.front() != 105);
  CHECK(gemma4().decode(as_text, true) == text);
}

TEST_CASE("no text at all yields a special id as text") {
  for (const Tokenizer* tokenizer : {&gemma4(), &stories()}) {
    size_t specials = 0;
    std::string all;
    for (int32_t id = 0; id < static_cast<int32_t>(tokenizer->vocab_size()); ++id) {
      if (tokenizer->is_special(id)) all += std::string(tokenizer->piece(id));
      if (tokenizer->is_special(id)) all += std::string(tokenizer->piece(id)) + " ";
    }
    for (const int32_t id : tokenizer->encode(all, SpecialTokens::kAsText))
      specials += tokenizer->is_special(id);
    CHECK(all.size() > 100);
    CHECK(specials == 0);
    CHECK(tokenizer->decode(tokenizer->encode(all, SpecialTokens::kAsText), true) == all);
    CHECK(tokenizer->decode(tokenizer->encode(all, SpecialTokens::kParse), false) == all);
  }
}

TEST_CASE("a special token of one character falls back to bytes as text") {
  const Tokenizer tokenizer = with_added(added_token(257, "b", true));
  CHECK(tokenizer.encode("b", SpecialTokens::kParse) == Ids{257});
  CHECK(tokenizer.encode("b", SpecialTokens::kAsText) == Ids{'b'});
}

TEST_CASE("of added tokens the leftmost matches, and of those the longest") {
  const Tokenizer tokenizer =
      with_added(added_token(300, "<x", false) + "," + added_token(301, "<xyz>", false) + "," +
                 added_token(302, "xy", false) + "," + added_token(303, "z>w", false));
  CHECK(tokenizer.encode("<xyz>", SpecialTokens::kParse) == Ids{301});
  CHECK(tokenizer.encode("<xyz>w", SpecialTokens::kParse) == Ids{301, 'w'});
  CHECK(tokenizer.encode("<xyza", SpecialTokens::kParse) == Ids{300, 'y', 'z', 256});
  CHECK(tokenizer.encode("xyz>w", SpecialTokens::kParse) == Ids{302, 303});
  CHECK(tokenizer.encode("<xy", SpecialTokens::kParse) == Ids{300, 'y'});
  CHECK(tokenizer.encode("<", SpecialTokens::kParse) == Ids{'<'});
}

TEST_CASE("a special token that stays text hides the added tokens inside it") {
  const Tokenizer tokenizer = with_added(added_token(300, "<b>", true) + "," + added_token(301, "b>", false));
  CHECK(tokenizer.encode("<b>", SpecialTokens::kAsText) == Ids{'<', 257, '>'});
  CHECK(tokenizer.encode("b>", SpecialTokens::kAsText) == Ids{301});
}

TEST_CASE("added tokens cut words: no merge reaches across") {
  const Tokenizer tokenizer = with_added(added_token(300, "|", true));
  CHECK(tokenizer.encode("a|b", SpecialTokens::kParse) == Ids{256, 300, 257});
  CHECK(tokenizer.encode("|ab|", SpecialTokens::kParse) == Ids{300, 258, 300});
}

TEST_CASE("bytes that are no UTF-8 become their byte tokens") {
  const Tokenizer tokenizer = with_added("");
  CHECK(tokenizer.encode("a\xFF"
                         "b\xC3",
                         SpecialTokens::kAsText) == Ids{256, 0xFF, 257, 0xC3});
  CHECK(tokenizer.encode("\xED\xA0\x80\xC0\xAF", SpecialTokens::kAsText) ==
        Ids{0xED, 0xA0, 0x80, 0xC0, 0xAF});
  CHECK(tokenizer.encode("é\xEF\xBF\xBD", SpecialTokens::kAsText) == Ids{0xC3, 0xA9, 0xEF, 0xBF, 0xBD});
}

TEST_CASE("a literal mark is a space") {
  CHECK(gemma4().encode("▁hello", SpecialTokens::kAsText) == Ids{29104});
  CHECK(gemma4().decode(Ids{29104}, false) == " hello");
}

TEST_CASE("a run of byte tokens is text if all of it is valid, else one U+FFFD per byte") {
  const Tokenizer tokenizer = with_added(added_token(300, "<s>", true));
  CHECK(tokenizer.decode(Ids{0xC3, 0xA9}, false) == "é");
  CHECK(tokenizer.decode(Ids{0xC3, 0xA9, 0xFF}, false) == "���");
  CHECK(tokenizer.decode(Ids{'x', 0xC3}, false) == "��");
  CHECK(tokenizer.decode(Ids{0xC3, 256, 0xA9}, false) == "�a�");
  CHECK(tokenizer.decode(Ids{0xC3, 300, 0xA9}, false) == "�<s>�");
}

TEST_CASE("skipped tokens and ids that name nothing do not end a run of bytes") {
  const Tokenizer tokenizer = with_added(added_token(300, "<s>", true));
  CHECK(tokenizer.decode(Ids{0xC3, 300, 0xA9}, true) == "é");
  CHECK(tokenizer.decode(Ids{0xC3, 299, -1, 301, INT32_MAX, INT32_MIN, 0xA9}, false) == "é");
}

// What decode promises, computed run by run.
std::string decode_plainly(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  std::string text;
  std::string run;
  const auto end_run = [&] {
    Utf8Prefix prefix;
    for (const char byte : run) prefix.push(static_cast<uint8_t>(byte));
    for (size_t i = 0; !prefix.complete() && i < run.size(); ++i) text += "\uFFFD";
    if (prefix.complete()) text += run;
    run.clear();
  };
  for (const int32_t id : ids) {
    std::string piece(tokenizer.piece(id));
    if (piece.empty() || (skip_special && tokenizer.is_special(id))) continue;
    if (piece.starts_with("<0x") && piece.size() == 6) {
      run += static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));
      continue;
    }
    end_run();
    for (size_t at = piece.find("▁"); at != std::string::npos; at = piece.find("▁"))
      piece.replace(at, 3, " ");
    text += piece;
  }
  end_run();
  return text;
}

TEST_CASE("a stream says the same as decode, for any ids") {
  std::mt19937 random(11);
  const int32_t byte0 = *stories().id_of("<0x00>");
  const int32_t telling[] = {0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x99, 0x82, 0xED, 0x41};
  for (int round = 0; round < 20'000; ++round) {
    const bool skip_special = round % 2 == 0;
    Ids ids;
    for (size_t n = random() % 16; n > 0; --n) {
      const auto kind = random() % 8;
      if (kind < 5) ids.push_back(byte0 + telling[random() % std::size(telling)]);
      if (kind == 5) ids.push_back(byte0 + static_cast<int32_t>(random() % 256));
      if (kind == 6) ids.push_back(static_cast<int32_t>(random() % stories().vocab_size()));
      if (kind == 7) ids.push_back(static_cast<int32_t>(random() % 20) - 1);
    }
    StreamDecoder stream(stories(), skip_special);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string piece = stream.push(id);
      Utf8Prefix whole;
      for (const char byte : piece) whole.push(static_cast<uint8_t>(byte));
      REQUIRE(whole.complete());  // never half a character
      streamed += piece;
    }
    streamed += stream.finish();
    const std::string decoded = stories().decode(ids, skip_special);
    REQUIRE(streamed == decoded);
    REQUIRE(decoded == decode_plainly(stories(), ids, skip_special));
  }
}

TEST_CASE("a stream holds bytes back until they are decided, and starts anew when finished") {
  const Tokenizer tokenizer = with_added("");
  StreamDecoder stream(tokenizer, false);
  CHECK(stream.push(0xC3) == "");
  CHECK(stream.push(0xA9) == "");
  CHECK(stream.push(256) == "éa");
  CHECK(stream.push(0xC3) == "");
  CHECK(stream.push(0xC3) == "��");
  CHECK(stream.push('x') == "�");  // the run is lost, and says so at once
  CHECK(stream.finish() == "");
  CHECK(stream.push('x') == "");
  CHECK(stream.finish() == "x");
}

TEST_CASE("any text comes back from its ids") {
  std::mt19937 random(3);
  const std::vector<std::string> letters = {"a",  "T",          " ",       "  ",  "\n", "é",
                                            "日", "\U0001F642", "<|turn>", "the", ".",  "\t"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 50; n > 0; --n) text += letters[random() % letters.size()];
    REQUIRE(stories().decode(stories().encode(text, SpecialTokens::kAsText), false) == text);
    REQUIRE(stories().decode(stories().encode(text, SpecialTokens::kParse), false) == text);
  }
}

TEST_CASE("a tokenizer knows its pieces") {
  CHECK(stories().vocab_size() == 4096);
  CHECK(stories().id_of("<bos>") == 2);
  CHECK(stories().piece(2) == "<bos>");
  CHECK(stories().is_special(2));
  CHECK(stories().id_of("▁t") == 278);
  CHECK_FALSE(stories().is_special(278));
  CHECK_FALSE(stories().id_of("no such piece"));
  CHECK_FALSE(stories().is_special(-1));
  CHECK_FALSE(stories().is_special(4096));
  CHECK(stories().piece(-1).empty());
  CHECK(stories().piece(4096).empty());
  CHECK(stories().add_bos());
  CHECK(gemma4().vocab_size() == 258885);
  CHECK(gemma4().piece(6).empty());  // a hole of the excerpt
  CHECK_FALSE(gemma4().add_bos());
}

TokenizerParts small_parts() {
  TokenizerParts parts;
  for (int byte = 0; byte < 256; ++byte) parts.pieces.push_back(fmt::format("<0x{:02X}>", byte));
  parts.pieces.insert(parts.pieces.end(), {"a", "b", "ab"});
  parts.merges = {{"a", "b"}};
  return parts;
}

TEST_CASE("a tokenizer built of parts is the one that is parsed") {
  const auto built = Tokenizer::build(small_parts(), "parts");
  REQUIRE(built);
  CHECK(built->encode("abba", SpecialTokens::kAsText) == Ids{258, 257, 256});
  CHECK(built->fingerprint() == with_added("").fingerprint());
}

TEST_CASE("the fingerprint sees pieces, merges, added tokens and their marks") {
  const uint64_t plain = Tokenizer::build(small_parts(), "parts")->fingerprint();
  TokenizerParts parts = small_parts();
  parts.pieces.push_back("c");
  CHECK(Tokenizer::build(parts, "parts")->fingerprint() != plain);
  parts = small_parts();
  parts.merges.clear();
  CHECK(Tokenizer::build(parts, "parts")->fingerprint() != plain);
  parts = small_parts();
  parts.added = {{256, "a", false}};
  const uint64_t added = Tokenizer::build(parts, "parts")->fingerprint();
  CHECK(added != plain);
  parts.merges.clear();
  const uint64_t unmerged = Tokenizer::build(parts, "parts")->fingerprint();
  parts.added = {{256, "a", true}};
  CHECK(Tokenizer::build(parts, "parts")->fingerprint() != unmerged);
}

TEST_CASE("parts that are not UTF-8 are refused") {
  TokenizerParts parts = small_parts();
  parts.pieces.push_back("\xFF");
  const auto built = Tokenizer::build(parts, "parts");
  REQUIRE_FALSE(built);
  CHECK(built.error().what == "the piece \"\\xff\" is not UTF-8");
  parts = small_parts();
  parts.added = {{300, "\xC3", true}};
  CHECK_FALSE(Tokenizer::build(parts, "parts"));
}

TEST_CASE("a vocabulary of Gemma's size is built of parts") {
  TokenizerParts parts = small_parts();
  while (parts.pieces.size() < 262'144) parts.pieces.push_back(fmt::format("▁piece{}", parts.pieces.size()));
  const auto built = Tokenizer::build(parts, "parts");
  REQUIRE(built);
  CHECK(built->vocab_size() == 262'144);
  CHECK(built->decode(Ids{262'143}, false) == " piece262143");
}

TEST_CASE("a tokenizer may be moved under its stream") {
  Tokenizer first = with_added("");
  StreamDecoder stream(first, false);
  const Tokenizer second = std::move(first);
  CHECK(stream.push(258) == "ab");
}

}  // namespace
}  // namespace gemma
