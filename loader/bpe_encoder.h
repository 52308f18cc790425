// One encode call's work with the tables of a Bpe: cuts the text where no token can span, and merges word by
// word, by a heap over a linked list. A word of n characters costs O(n log n), whatever it says.
//
//   BpeEncoder encoder(bpe, text.size());
//   encoder.append(text, ids);
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "loader/bpe.h"

namespace gemma {

class BpeEncoder {
 public:
  // `text_bytes`: how much text is to come, about; it sizes the cache. The tables must outlive the encoder.
  BpeEncoder(const Bpe& bpe, size_t text_bytes);

  // Appends the ids of a segment of text. All segments, and `ids` as it grows, belong to one call: the cache
  // of words points into both, so the text must stay where it is and `ids` may only be appended to.
  void append(std::string_view segment, std::vector<int32_t>& ids);

  // Pushes to and pops from the heap so far: what the work is counted in.
  size_t heap_steps() const { return heap_steps_; }

 private:
  struct Symbol {
    int32_t id;
    uint32_t
        rank;  // of the merge with the next symbol; kNoRank if there is none, or if this one was merged away
    size_t previous;
    size_t next;
  };
  struct CachedWord {
    const char* text = nullptr;
    size_t first_id = 0;  // index into ids
    uint32_t bytes = 0;
    uint32_t id_count = 0;
  };

  size_t word_bytes(std::string_view text) const;
  void append_cached(std::string_view word, std::vector<int32_t>& ids);
  void merge_word(std::string_view word, std::vector<int32_t>& ids);
  void split_into_symbols(std::string_view word);
  void append_symbol(int32_t id);
  void rank_with_next(size_t at);

  const Bpe& bpe_;
  std::vector<CachedWord> cache_;  // direct-mapped; a power of two
  std::vector<Symbol> symbols_;
  std::vector<uint64_t> heap_;  // rank << 40 | index of the left symbol; the lowest is on top
  size_t heap_steps_ = 0;
};

}  // namespace gemma
