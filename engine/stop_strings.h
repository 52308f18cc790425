// Finds the first of many stop strings in a text that arrives byte by byte: the automaton of Aho and Corasick
// (1975), immutable and shared by any number of texts.
//
//   Result<StopStrings> stops = StopStrings::build({"\n\n", "User:"});
//   StopStrings::State state;                       // one per text, a plain value
//   for (char c : text) {
//     state = stops->advance(state, c);
//     if (size_t length = stops->match(state)) ...  // a stop string of that many bytes ends here
//   }
//
// A byte costs amortised one step (and a walk over the children of a node), whatever the number of strings.
// Building and memory are linear in their bytes: 20 bytes for each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

// All stop strings together, in bytes.
inline constexpr size_t kMaxStopBytes = size_t{1} << 24;

class StopStrings {
 public:
  struct State {
    uint32_t node = 0;
    bool operator==(const State&) const = default;
  };

  // No strings: nothing ever matches. kUsage for an empty string (it would stop before the first token), for
  // invalid UTF-8 (text is UTF-8: it could only match inside a character) and for more than kMaxStopBytes.
  static Result<StopStrings> build(const std::vector<std::string>& strings);

  State advance(State state, char byte) const;

  // Bytes of the longest stop string that ends here; 0 if none does.
  size_t match(State state) const { return nodes_[state.node].match; }

  // Bytes at the end of the text that may be the beginning of a stop string: the longest such suffix.
  size_t pending(State state) const { return nodes_[state.node].depth; }

 private:
  struct Node {                // a prefix of some stop string
    uint32_t first_child = 0;  // 0 = none: the root is nobody's child
    uint32_t next_sibling = 0;
    uint32_t fallback = 0;  // the longest proper suffix that is a prefix too
    uint32_t depth : 24 = 0;
    uint32_t byte : 8 = 0;
    uint32_t match = 0;
  };

  StopStrings() : nodes_(1) {}
  uint32_t child(uint32_t node, uint8_t byte) const;
  void insert(std::string_view text);
  void link();

  std::vector<Node> nodes_;
  std::array<uint32_t, 256> from_root_{};  // child(0, byte): where almost every byte of a text ends up
};

}  // namespace gemma
