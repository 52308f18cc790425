// The pieces of a tokenizer and their ids, both ways: all text in one arena, ids found by one flat hash
// table. Ids may have holes; a hole's piece is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

class Vocabulary {
 public:
  // Ids are below this: the most a file can make us allocate for one large id is 8 bytes each.
  static constexpr int64_t kMaxIds = int64_t{1} << 24;

  // Room for `pieces` pieces with ids in [0, ids), of `text_bytes` together.
  Vocabulary(size_t pieces, size_t ids, size_t text_bytes);

  // Adds a piece. False, and nothing changes, if its text is there already. Requires room, a piece that is
  // not empty and an id below size() whose piece is.
  bool insert(std::string_view piece, int32_t id);

  std::optional<int32_t> find(std::string_view piece) const;
  // The same of many, faster: ids[i] is that of pieces[i], or -1.
  void find_all(std::span<const std::string_view> pieces, std::span<int32_t> ids) const;

  // The text of an id; empty for a hole and out of range.
  std::string_view piece(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= spans_.size()) return {};
    const Span& span = spans_[static_cast<size_t>(id)];
    return std::string_view(text_).substr(span.begin, span.bytes);
  }

  size_t size() const { return spans_.size(); }  // highest id + 1

  // visit(begin, bytes) of every block of memory held.
  template <typename Visit>
  void list_memory(const Visit& visit) const {
    visit(text_.data(), text_.capacity());
    visit(spans_.data(), spans_.capacity() * sizeof(Span));
    visit(slots_.data(), slots_.capacity() * sizeof(Slot));
  }

 private:
  struct Span {
    uint32_t begin = 0;  // in text_
    uint32_t bytes = 0;
  };
  struct Slot {
    uint32_t tag = 0;  // more bits of the hash: spares most looks at the text
    int32_t id = -1;   // free
  };

  static uint64_t hash(std::string_view piece);
  size_t home(uint64_t hash) const { return hash & (slots_.size() - 1); }
  // From a slot on, the first that is free or has the hash's tag.
  size_t first_like(size_t slot, uint64_t hash) const;
  // The slot that holds the piece, or the free one where it belongs.
  size_t slot_of(std::string_view piece, uint64_t hash) const;

  std::string text_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;  // open addressing; a power of two, at most two thirds full
};

// The byte that a piece spells: "<0x0A>" is 10. Nothing for all other pieces, however alike ("<0xGG>",
// "<0x-1>"). Lower-case digits are read, as the reference does in decoding; encoding uses byte_piece's
// spelling only.
std::optional<uint8_t> piece_byte(std::string_view piece);

// "<0x0A>" of 10.
std::string byte_piece(uint8_t byte);

}  // namespace gemma
