#include "loader/bpe_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "loader/utf8.h"

namespace gemma {

namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr unsigned kPositionBits = 40;        // a text has less than 2^40 bytes: it lies in memory
constexpr size_t kLongestCachedWord = 64;     // bytes; longer ones hardly come twice
constexpr size_t kMostCachedWords = 1 << 13;  // 192 KB: stays in the second-level cache

}  // namespace

BpeEncoder::BpeEncoder(const Bpe& bpe, size_t text_bytes)
    : bpe_(bpe), cache_(std::bit_ceil(std::clamp<size_t>(text_bytes / 16, 1, kMostCachedWords))) {}

void BpeEncoder::append(std::string_view segment, std::vector<int32_t>& ids) {
  while (!segment.empty()) {
    const size_t bytes = word_bytes(segment);
    append_cached(segment.substr(0, bytes), ids);
    segment.remove_prefix(bytes);
  }
}

// Length of the longest prefix in which every two neighbours may join. A byte that is no UTF-8 counts as NUL:
// it merges with nothing, so cutting beside it and not cutting are both exact.
size_t BpeEncoder::word_bytes(std::string_view text) const {
  Utf8Scalar scalar = utf8_scalar(text, 0);
  size_t at = scalar.size;
  while (at < text.size()) {
    const Utf8Scalar next = utf8_scalar(text, at);
    if (!bpe_.may_join(Bpe::fold_space(scalar.value), Bpe::fold_space(next.value))) break;
    scalar = next;
    at += next.size;
  }
  return at;
}

void BpeEncoder::append_cached(std::string_view word, std::vector<int32_t>& ids) {
  if (word.size() > kLongestCachedWord) {
    merge_word(word, ids);
    return;
  }
  CachedWord& cached = cache_[XXH3_64bits(word.data(), word.size()) & (cache_.size() - 1)];
  const size_t first = ids.size();
  if (cached.bytes == word.size() && std::memcmp(cached.text, word.data(), word.size()) == 0) {
    ids.resize(first + cached.id_count);
    std::copy_n(&ids[cached.first_id], cached.id_count, &ids[first]);
    return;
  }
  merge_word(word, ids);
  cached = {word.data(), first, static_cast<uint32_t>(word.size()),
            static_cast<uint32_t>(ids.size() - first)};
}

// A merge changes both neighbours' pairs, so the heap holds entries for pairs that are no more. They are
// dropped when they surface: an entry counts only while its left symbol still has that very rank, and a rank
// names one pair of symbols.
void BpeEncoder::merge_word(std::string_view word, std::vector<int32_t>& ids) {
  split_into_symbols(word);
  heap_.clear();
  for (size_t at = 0; at < symbols_.size(); ++at) rank_with_next(at);

  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint64_t top = heap_.back();
    heap_.pop_back();
    ++heap_steps_;
    const size_t at = top & ((uint64_t{1} << kPositionBits) - 1);
    Symbol& left = symbols_[at];
    if (left.rank != top >> kPositionBits) continue;

    Symbol& right = symbols_[left.next];
    left.id = bpe_.pairs().find(left.id, right.id).product;
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next != kNone) symbols_[left.next].previous = at;
    rank_with_next(at);
    if (left.previous != kNone) rank_with_next(left.previous);
  }
  for (size_t at = 0; at != kNone; at = symbols_[at].next) ids.push_back(symbols_[at].id);
}

void BpeEncoder::split_into_symbols(std::string_view word) {
  symbols_.clear();
  for (size_t at = 0; at < word.size();) {
    const Utf8Scalar scalar = utf8_scalar(word, at);
    const char32_t character = Bpe::fold_space(scalar.value);
    const int32_t id = scalar.valid ? bpe_.character(character) : -1;
    // A space without a symbol falls back to the bytes of what the normalizer has made of it.
    const std::string_view bytes = scalar.valid && character == U' ' ? "▁" : word.substr(at, scalar.size);
    if (id >= 0) {
      append_symbol(id);
    } else {
      for (const char byte : bytes) append_symbol(bpe_.byte(static_cast<uint8_t>(byte)));
    }
    at += scalar.size;
  }
  symbols_.back().next = kNone;
}

void BpeEncoder::append_symbol(int32_t id) {
  const size_t at = symbols_.size();
  symbols_.push_back({id, kNoRank, at == 0 ? kNone : at - 1, at + 1});
}

// Finds the rank of the pair that begins at `at`, and puts it on the heap if it merges.
void BpeEncoder::rank_with_next(size_t at) {
  Symbol& symbol = symbols_[at];
  symbol.rank = symbol.next == kNone ? kNoRank : bpe_.pairs().find(symbol.id, symbols_[symbol.next].id).rank;
  if (symbol.rank == kNoRank) return;
  heap_.push_back(static_cast<uint64_t>(symbol.rank) << kPositionBits | at);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  ++heap_steps_;
}

}  // namespace gemma
