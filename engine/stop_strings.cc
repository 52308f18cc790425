#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/stop_utf8.h"

namespace gemma {
namespace {

Failure refuse(size_t index, std::string what, std::string hint = {}) {
  return fail(ErrorCode::kUsage, fmt::format("stop_strings[{}]", index), std::move(what), std::move(hint));
}

}  // namespace

Result<StopStrings> StopStrings::build(const std::vector<std::string>& strings) {
  StopStrings result;
  size_t bytes = 0;
  for (size_t i = 0; i < strings.size(); ++i) {
    if (strings[i].empty()) return refuse(i, "expected at least one character, found none", "leave it out");
    if (!is_valid_utf8(strings[i])) return refuse(i, "expected valid UTF-8, found other bytes");
    // The largest sum is below kMaxStopBytes, so the difference cannot wrap, and depth fits 24 bits.
    if (strings[i].size() >= kMaxStopBytes - bytes) {
      return refuse(i, fmt::format("expected less than {} bytes in all stop strings, found {} or more",
                                   kMaxStopBytes, kMaxStopBytes));
    }
    bytes += strings[i].size();
    result.insert(strings[i]);
  }
  result.link();
  return result;
}

uint32_t StopStrings::child(uint32_t node, uint8_t byte) const {
  if (node == 0) return from_root_[byte];
  uint32_t found = nodes_[node].first_child;
  while (found != 0 && nodes_[found].byte != byte) found = nodes_[found].next_sibling;
  return found;
}

void StopStrings::insert(std::string_view text) {
  uint32_t node = 0;
  for (char c : text) {
    const uint8_t byte = static_cast<uint8_t>(c);
    uint32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      Node fresh;
      fresh.next_sibling = nodes_[node].first_child;
      fresh.depth = (nodes_[node].depth + 1) & 0xFFFFFF;
      fresh.byte = byte;
      nodes_.push_back(fresh);
      nodes_[node].first_child = next;
      if (node == 0) from_root_[byte] = next;
    }
    node = next;
  }
  nodes_[node].match = nodes_[node].depth;
}

// Breadth first: a fallback is shorter than its node, so it is finished before it is asked.
void StopStrings::link() {
  std::vector<uint32_t> queue{0};
  queue.reserve(nodes_.size());
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t node = queue[i];
    for (uint32_t next = nodes_[node].first_child; next != 0; next = nodes_[next].next_sibling) {
      queue.push_back(next);
      if (node != 0)
        nodes_[next].fallback = advance({nodes_[node].fallback}, static_cast<char>(nodes_[next].byte)).node;
      // A string that ends here is longer than any that only its suffix is.
      if (nodes_[next].match == 0) nodes_[next].match = nodes_[nodes_[next].fallback].match;
    }
  }
}

StopStrings::State StopStrings::advance(State state, char c) const {
  const uint8_t byte = static_cast<uint8_t>(c);
  uint32_t node = state.node;
  while (true) {
    const uint32_t next = child(node, byte);
    if (next != 0 || node == 0) return {next};
    node = nodes_[node].fallback;
  }
}

}  // namespace gemma
