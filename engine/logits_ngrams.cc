#include "engine/logits_ngrams.h"

#include <algorithm>

namespace gemma {
namespace {

uint64_t hash(std::span<const int32_t> tokens) {
  uint64_t state = tokens.size();
  for (int32_t token : tokens) {
    state = (state ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15;
    state ^= state >> 29;
  }
  return state;
}

}  // namespace

size_t NgramIndex::find(const std::vector<uint32_t>& table, size_t start, size_t length) const {
  const std::span<const int32_t> wanted(tokens_.data() + start, length);
  const size_t mask = table.size() - 1;
  size_t slot = hash(wanted) & mask;
  while (table[slot] != kNone) {
    const int32_t* found = tokens_.data() + ngrams_[table[slot]].start;
    if (std::equal(wanted.begin(), wanted.end(), found)) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

uint32_t NgramIndex::followers() const {
  if (ngrams_.empty()) return kNone;
  return by_prefix_[find(by_prefix_, tokens_.size() - (n_ - 1), n_ - 1)];
}

void NgramIndex::append(int32_t token) {
  tokens_.push_back(token);
  if (tokens_.size() < n_) return;
  if (2 * (ngrams_.size() + 1) > by_ngram_.size()) grow();
  const size_t start = tokens_.size() - n_;
  uint32_t& same = by_ngram_[find(by_ngram_, start, n_)];
  if (same != kNone) return;
  uint32_t& newest = by_prefix_[find(by_prefix_, start, n_ - 1)];
  same = static_cast<uint32_t>(ngrams_.size());
  ngrams_.push_back({start, newest});
  newest = same;
}

// At most half of the slots are taken, so that chains of probes stay short. by_prefix_ is rebuilt in the
// order of arrival: the newest n-gram of a prefix overwrites its elders, to which it links.
void NgramIndex::grow() {
  const size_t slots = std::max<size_t>(64, 2 * by_ngram_.size());
  by_ngram_.assign(slots, kNone);
  by_prefix_.assign(slots, kNone);
  for (size_t i = 0; i < ngrams_.size(); ++i) {
    by_ngram_[find(by_ngram_, ngrams_[i].start, n_)] = static_cast<uint32_t>(i);
    by_prefix_[find(by_prefix_, ngrams_[i].start, n_ - 1)] = static_cast<uint32_t>(i);
  }
}

}  // namespace gemma
