// The encoder against the rule written down plainly, and the amount of its work.
#include "loader/bpe_encoder.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "loader/tokenizer_core.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

using Strings = std::vector<std::string>;

struct Lists {
  Strings pieces;
  std::vector<std::pair<std::string, std::string>> merges;

  explicit Lists(const Strings& characters) {
    for (int byte = 0; byte < 256; ++byte) pieces.push_back(byte_piece(static_cast<uint8_t>(byte)));
    pieces.insert(pieces.end(), characters.begin(), characters.end());
  }

  // Adds a merge and its product, unless the merge is there.
  void merge(const std::string& left, const std::string& right) {
    const std::pair pair(left, right);
    if (std::find(merges.begin(), merges.end(), pair) != merges.end()) return;
    merges.push_back(pair);
    if (std::find(pieces.begin(), pieces.end(), left + right) == pieces.end()) pieces.push_back(left + right);
  }

  TokenizerCore assemble() const {
    TokenizerLists lists;
    for (size_t id = 0; id < pieces.size(); ++id)
      lists.pieces.emplace_back(pieces[id], static_cast<int64_t>(id));
    lists.merges.assign(merges.begin(), merges.end());
    auto core = assemble_tokenizer(std::move(lists), "test");
    REQUIRE(core);
    return std::move(*core);
  }
};

// The definition: rescan for the best pair after every merge.
Strings merge_plainly(const Lists& lists, std::string_view text) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t rank = 0; rank < lists.merges.size(); ++rank) ranks[lists.merges[rank]] = rank;
  Strings symbols;
  for (size_t at = 0; at < text.size();) {
    const Utf8Scalar scalar = utf8_scalar(text, at);
    std::string character(text.substr(at, scalar.size));
    if (character == " ") character = "▁";
    if (scalar.valid &&
        std::find(lists.pieces.begin(), lists.pieces.end(), character) != lists.pieces.end()) {
      symbols.push_back(character);
    } else {
      for (const char byte : character) symbols.push_back(byte_piece(static_cast<uint8_t>(byte)));
    }
    at += scalar.size;
  }
  while (true) {
    size_t best_rank = SIZE_MAX;
    size_t best = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found == ranks.end() || found->second >= best_rank) continue;
      best_rank = found->second;
      best = i;
    }
    if (best_rank == SIZE_MAX) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

Strings encode(const TokenizerCore& core, std::string_view text) {
  std::vector<int32_t> ids;
  BpeEncoder(core.bpe, text.size()).append(text, ids);
  Strings pieces;
  for (const int32_t id : ids) pieces.emplace_back(core.vocabulary.piece(id));
  return pieces;
}

// Random merges over `characters`, random texts of `letters`.
void check_against_definition(const Strings& characters, const Strings& letters, bool merge_bytes) {
  std::mt19937 random(7);
  const auto pick = [&random](const Strings& from) { return from[random() % from.size()]; };
  for (int round = 0; round < 60; ++round) {
    Lists lists(characters);
    Strings parts = characters;
    if (merge_bytes) parts.insert(parts.end(), {"<0xC3>", "<0xA9>", "<0xFF>"});
    for (int i = 0; i < 12; ++i) {
      lists.merge(pick(parts), pick(parts));
      parts.push_back(lists.merges.back().first + lists.merges.back().second);
    }
    const TokenizerCore core = lists.assemble();
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (size_t n = random() % 40; n > 0; --n) text += pick(letters);
      REQUIRE(encode(core, text) == merge_plainly(lists, text));
    }
  }
}

TEST_CASE("random merges give what the definition gives") {
  check_against_definition({"a", "b", "▁", "\n"}, {"a", "b", " ", "\n"}, false);
}

TEST_CASE("text beyond the vocabulary falls back to bytes, which cut words") {
  check_against_definition({"a", "b", "日", "▁"},
                           {"a", "b", " ", "▁", "é", "日", std::string(1, '\0'), "\xFF", "\xE6"}, false);
}

TEST_CASE("a space that the vocabulary lacks falls back to the bytes of its mark") {
  check_against_definition({"a", "b"}, {"a", " ", "▁"}, false);
}

TEST_CASE("merges of byte pieces are followed across unknown characters") {
  check_against_definition({"a", "b"}, {"a", "b", "é", "\xFF", "\xC3", "ã"}, true);
}

TEST_CASE("of equal ranks the leftmost pair merges first") {
  Lists lists({"a"});
  lists.merge("a", "a");
  const TokenizerCore core = lists.assemble();
  CHECK(encode(core, "aaa") == Strings{"aa", "a"});
}

TEST_CASE("a pair that a better merge broke up is not merged from memory") {
  Lists lists({"a", "b", "c", "d"});
  lists.merge("b", "c");
  lists.merge("a", "b");
  lists.merge("c", "d");
  lists.merge("bc", "d");
  const TokenizerCore core = lists.assemble();
  CHECK(encode(core, "abcd") == Strings{"a", "bcd"});
}

TEST_CASE("words are cut exactly where no merge reaches across") {
  Lists lists({"a", "b", "▁"});
  lists.merge("▁", "a");
  lists.merge("▁a", "b");
  const TokenizerCore core = lists.assemble();
  CHECK(core.bpe.may_join(' ', 'a'));
  CHECK(core.bpe.may_join('a', 'b'));
  CHECK_FALSE(core.bpe.may_join('b', ' '));
  CHECK_FALSE(core.bpe.may_join('b', 'a'));
  CHECK_FALSE(core.bpe.may_join(U'é', U'é'));
}

TEST_CASE("one endless word costs a number of heap steps that grows with its length, not its square") {
  Lists lists({"a"});
  for (std::string run = "a"; run.size() < 64; run += run) lists.merge(run, run);
  const TokenizerCore core = lists.assemble();
  for (const size_t letters : {20'000u, 200'000u}) {
    const std::string text(letters, 'a');
    BpeEncoder encoder(core.bpe, text.size());
    std::vector<int32_t> ids;
    encoder.append(text, ids);
    CHECK(ids.size() == (letters + 63) / 64 + (letters % 64 == 0 ? 0 : std::popcount(letters % 64) - 1u));
    CHECK(encoder.heap_steps() >= letters);
    CHECK(encoder.heap_steps() <= 6 * letters);
  }
}

TEST_CASE("a word that comes again is not merged again") {
  Lists lists({"a", "b", "▁"});
  lists.merge("a", "b");
  const TokenizerCore core = lists.assemble();
  BpeEncoder encoder(core.bpe, 1000);
  std::vector<int32_t> ids;
  encoder.append("ab", ids);
  const size_t once = encoder.heap_steps();
  const std::string again = "ab ab ab ab";  // cut before and after each space
  encoder.append(again, ids);
  CHECK(ids.size() == 8);
  CHECK(encoder.heap_steps() == once);
}

TEST_CASE("junctions of any characters are kept apart") {
  BpeJunctions junctions;
  for (char32_t c = 0; c < 3000; ++c) junctions.insert(c, c + 1);
  size_t wrong = 0;
  for (char32_t c = 0; c < 3000; ++c) {
    wrong += !junctions.contains(c, c + 1) + junctions.contains(c + 1, c) + junctions.contains(c, c + 2);
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace gemma
