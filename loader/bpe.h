// Byte-pair encoding by rank: the tables of a vocabulary. A text is one word to it: characters that the
// vocabulary knows are symbols, all others fall back to one symbol per UTF-8 byte; then of all neighbours
// that merge, those of the lowest rank do, the leftmost first, until none is left. Source of the rules: the
// BPE model of Hugging Face tokenizers. The space and "▁" (U+2581) are one character here, as Gemma's
// normalizer makes them.
//
// The tables are filled once and then only read, by any number of threads; the work is BpeEncoder's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "loader/bpe_junctions.h"
#include "loader/bpe_pairs.h"

namespace gemma {

class Bpe {
 public:
  static constexpr size_t kMaxMerges = (size_t{1} << 24) - 1;  // a rank has 24 bits
  static constexpr char32_t kSpaceMark = U'\u2581';            // "▁"

  // Room for `merges` merges. Until set, bytes and characters have no symbol.
  explicit Bpe(size_t merges);

  void set_byte(uint8_t byte, int32_t id) { bytes_[byte] = id; }
  void set_character(char32_t character, int32_t id);

  // Adds a merge of two pieces of text (UTF-8, not empty). False if the pair is there already. Requires
  // rank <= kMaxMerges, and all bytes set.
  bool add_merge(const BpePairs::Merge& merge, std::string_view left, std::string_view right);
  void prefetch_merge(int32_t left, int32_t right) const { pairs_.prefetch(left, right); }

  int32_t byte(uint8_t byte) const { return bytes_[byte]; }
  int32_t character(char32_t character) const;  // -1: falls back to bytes
  const BpePairs& pairs() const { return pairs_; }

  // Whether a token may span these two neighbours, characters of a text in which spaces are still spaces.
  bool may_join(char32_t left, char32_t right) const {
    return bytes_merge_ || junctions_.contains(left, right);
  }

  // visit(begin, bytes) of every block of memory held.
  template <typename Visit>
  void list_memory(const Visit& visit) const {
    visit(page_of_.data(), page_of_.capacity() * sizeof(uint16_t));
    visit(pages_.data(), pages_.capacity() * sizeof(int32_t));
    pairs_.list_memory(visit);
    junctions_.list_memory(visit);
  }

  // "▁" counts as a space, and text is kept with spaces.
  static char32_t fold_space(char32_t character) { return character == kSpaceMark ? U' ' : character; }

 private:
  std::array<int32_t, 256> bytes_;
  // Character -> id in two steps, 256 characters a page; page 0 knows none.
  std::vector<uint16_t> page_of_;
  std::vector<int32_t> pages_;
  BpePairs pairs_;
  BpeJunctions junctions_;
  // Some merge takes a byte symbol. Characters without a symbol then join too, and what a merge reaches
  // across cannot be read off its text: nothing is cut. No published vocabulary does this.
  bool bytes_merge_ = false;
};

}  // namespace gemma
