#include "loader/tokenizer_added_tokens.h"

#include <algorithm>
#include <utility>

namespace gemma {

namespace {

uint8_t byte_at(const AddedToken& token, size_t depth) {
  return static_cast<uint8_t>(token.content[depth]);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  size_t at = 0;
  for (size_t byte = 0; byte <= 256; ++byte) {
    while (at < tokens_.size() && byte_at(tokens_[at], 0) < byte) ++at;
    first_[byte] = static_cast<uint32_t>(at);
  }
}

std::optional<AddedTokens::Match> AddedTokens::next(std::string_view text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (first_[byte] == first_[byte + 1u]) continue;
    if (const AddedToken* token = longest_at(text.substr(at))) return Match{at, token};
  }
  return std::nullopt;
}

// The sorted list is a trie: the tokens that share the first `depth` bytes with the text are neighbours, the
// one that ends there, if any, comes first, and each further byte narrows the range.
const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  const auto first = static_cast<uint8_t>(text[0]);
  auto begin = tokens_.begin() + first_[first];
  auto end = tokens_.begin() + first_[first + 1u];
  const AddedToken* longest = nullptr;
  for (size_t depth = 1; begin != end; ++depth) {
    if (begin->content.size() == depth) longest = &*begin++;
    if (depth == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[depth]);
    begin = std::partition_point(begin, end, [&](const AddedToken& t) { return byte_at(t, depth) < byte; });
    end = std::partition_point(begin, end, [&](const AddedToken& t) { return byte_at(t, depth) == byte; });
  }
  return longest;
}

}  // namespace gemma
