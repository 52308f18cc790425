// The n-grams of a growing sequence of tokens, and which tokens have followed its last n - 1: what
// no_repeat_ngram_size forbids next.
//
//   NgramIndex ngrams(3);
//   for (int32_t token : {5, 6, 7, 5, 6}) ngrams.append(token);
//   ngrams.for_each_follower([](int32_t token) { ... });   // 7: "5 6" was followed by it
//
// Each distinct n-gram is stored once, in a hash table with open addressing and a chain per prefix. Appending
// costs O(n), asking costs the number of distinct followers. A value: copying it forks the sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

class NgramIndex {
 public:
  // Requires n >= 1. With n = 1 every token seen is a follower.
  explicit NgramIndex(size_t n) : n_(n) {}

  void append(int32_t token);

  // Calls visit(token) once for every distinct token that has followed the last n - 1 tokens before.
  template <typename Visit>
  void for_each_follower(Visit visit) const {
    for (uint32_t link = followers(); link != kNone; link = ngrams_[link].next) {
      visit(tokens_[ngrams_[link].start + n_ - 1]);
    }
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Ngram {
    size_t start;   // of its first occurrence in tokens_
    uint32_t next;  // another n-gram with the same prefix, or kNone
  };

  // The slot of `table` that holds an n-gram whose first `length` tokens equal those at `start`, or the empty
  // slot where it would go.
  size_t find(const std::vector<uint32_t>& table, size_t start, size_t length) const;
  uint32_t followers() const;
  void grow();

  size_t n_;
  std::vector<int32_t> tokens_;
  std::vector<Ngram> ngrams_;        // distinct ones
  std::vector<uint32_t> by_ngram_;   // slots: an index into ngrams_ or kNone; a power of two of them
  std::vector<uint32_t> by_prefix_;  // the same, the newest n-gram of each prefix
};

}  // namespace gemma
