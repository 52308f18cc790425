// The added tokens of a tokenizer.json: texts that are cut out of the input before anything else happens,
// each into one id. Where several match, the leftmost counts, and of those the longest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;  // a control token; else a piece that only happens to be matched whole ("<table>")
};

class AddedTokens {
 public:
  // Bounds the work per byte of text; the longest in Gemma's files has 31.
  static constexpr size_t kLongest = 256;  // bytes

  struct Match {
    size_t begin = 0;
    const AddedToken* token = nullptr;
  };

  // Requires contents that are distinct and of 1..kLongest bytes.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // The first match in text[from, end), or nothing.
  std::optional<Match> next(std::string_view text, size_t from) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }  // sorted by content

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::array<uint32_t, 257> first_;  // tokens_[first_[b], first_[b + 1]) begin with byte b
};

}  // namespace gemma
