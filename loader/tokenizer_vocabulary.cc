#include "loader/tokenizer_vocabulary.h"

#include <algorithm>
#include <array>
#include <bit>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "loader/bpe_hash.h"

namespace gemma {

namespace {

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

Vocabulary::Vocabulary(size_t pieces, size_t ids, size_t text_bytes)
    : spans_(ids), slots_(std::bit_ceil(pieces + pieces / 2 + 2)) {
  text_.reserve(text_bytes);
}

uint64_t Vocabulary::hash(std::string_view piece) {
  return XXH3_64bits_withSeed(piece.data(), piece.size(), hash_multiplier());
}

size_t Vocabulary::first_like(size_t slot, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  while (slots_[slot].id >= 0 && slots_[slot].tag != tag) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

size_t Vocabulary::slot_of(std::string_view text, uint64_t hash) const {
  size_t slot = first_like(home(hash), hash);
  while (slots_[slot].id >= 0 && piece(slots_[slot].id) != text) {
    slot = first_like((slot + 1) & (slots_.size() - 1), hash);
  }
  return slot;
}

bool Vocabulary::insert(std::string_view piece, int32_t id) {
  const uint64_t code = hash(piece);
  Slot& slot = slots_[slot_of(piece, code)];
  if (slot.id >= 0) return false;
  slot = {static_cast<uint32_t>(code >> 32), id};
  spans_[static_cast<size_t>(id)] = {static_cast<uint32_t>(text_.size()),
                                     static_cast<uint32_t>(piece.size())};
  text_ += piece;
  return true;
}

std::optional<int32_t> Vocabulary::find(std::string_view piece) const {
  const int32_t id = slots_[slot_of(piece, hash(piece))].id;
  return id < 0 ? std::nullopt : std::optional(id);
}

// A lookup reads three random places, one after the other, of tables that no cache holds. Of a block of
// pieces each step's memory is asked for while the others are worked on.
void Vocabulary::find_all(std::span<const std::string_view> pieces, std::span<int32_t> ids) const {
  constexpr size_t kBlock = 64;
  std::array<uint64_t, kBlock> hashes;
  for (size_t first = 0; first < pieces.size(); first += kBlock) {
    const size_t count = std::min(kBlock, pieces.size() - first);
    const std::span<const std::string_view> block = pieces.subspan(first, count);
    const std::span<int32_t> found = ids.subspan(first, count);
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = hash(block[i]);
      __builtin_prefetch(&slots_[home(hashes[i])]);
    }
    for (size_t i = 0; i < count; ++i) {
      found[i] = slots_[first_like(home(hashes[i]), hashes[i])].id;
      if (found[i] >= 0) __builtin_prefetch(&spans_[static_cast<size_t>(found[i])]);
    }
    for (size_t i = 0; i < count; ++i) {
      if (found[i] >= 0) __builtin_prefetch(&text_[spans_[static_cast<size_t>(found[i])].begin]);
    }
    for (size_t i = 0; i < count; ++i) found[i] = slots_[slot_of(block[i], hashes[i])].id;
  }
}

std::optional<uint8_t> piece_byte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = hex_digit(piece[3]);
  const int low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

std::string byte_piece(uint8_t byte) {
  return fmt::format("<0x{:02X}>", byte);
}

}  // namespace gemma
