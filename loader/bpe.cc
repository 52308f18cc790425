#include "loader/bpe.h"

#include <algorithm>

#include "loader/utf8.h"

namespace gemma {

namespace {

constexpr size_t kPage = 256;
constexpr size_t kPageCount = 0x110000 / kPage;

}  // namespace

Bpe::Bpe(size_t merges) : page_of_(kPageCount), pages_(kPage, -1), pairs_(merges) {
  bytes_.fill(-1);
}

void Bpe::set_character(char32_t character, int32_t id) {
  if (character == U' ') return;  // a literal space never reaches the model: the normalizer has replaced it
  character = fold_space(character);
  uint16_t& page = page_of_[character / kPage];
  if (page == 0) {
    page = static_cast<uint16_t>(pages_.size() / kPage);
    pages_.resize(pages_.size() + kPage, -1);
  }
  pages_[page * kPage + character % kPage] = id;
}

int32_t Bpe::character(char32_t character) const {
  return pages_[page_of_[character / kPage] * kPage + character % kPage];
}

bool Bpe::add_merge(const BpePairs::Merge& merge, std::string_view left, std::string_view right) {
  if (!pairs_.insert(merge)) return false;
  junctions_.insert(fold_space(utf8_last_scalar(left).value), fold_space(utf8_scalar(right, 0).value));
  const auto is_byte = [this](int32_t id,
                              std::string_view piece) {  // "<0x0A>"; the spelling spares the search
    return piece.size() == 6 && piece[0] == '<' &&
           std::find(bytes_.begin(), bytes_.end(), id) != bytes_.end();
  };
  bytes_merge_ = bytes_merge_ || is_byte(merge.left, left) || is_byte(merge.right, right);
  return true;
}

}  // namespace gemma
