#include "engine/stop_utf8.h"

#include <algorithm>
#include <cstdint>

namespace gemma {
namespace {

// What may follow a lead byte: how many bytes, and between which bounds the first of them lies. The others
// are 80..BF.
struct Lead {
  size_t following;
  uint8_t low, high;
};

constexpr size_t kNotALead = SIZE_MAX;

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {0, 0x80, 0xBF};
  if (byte < 0xC2) return {kNotALead, 0, 0};  // continuations, and C0 C1: overlong
  if (byte < 0xE0) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};  // below: overlong
  if (byte == 0xED) return {2, 0x80, 0x9F};  // above: surrogates
  if (byte < 0xF0) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};  // below: overlong
  if (byte < 0xF4) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};  // above: beyond U+10FFFF
  return {kNotALead, 0, 0};
}

// Whether `tail`, of one lead byte and at most as many others as it wants, is right as far as it goes.
bool begins_character(std::string_view tail, const Lead& lead) {
  for (size_t i = 1; i < tail.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(tail[i]);
    if (byte < (i == 1 ? lead.low : 0x80) || byte > (i == 1 ? lead.high : 0xBF)) return false;
  }
  return true;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Lead lead = lead_of(static_cast<uint8_t>(text[i]));
    if (lead.following == kNotALead || text.size() - i <= lead.following) return false;
    if (!begins_character(text.substr(i, lead.following + 1), lead)) return false;
    i += lead.following + 1;
  }
  return true;
}

size_t unfinished_utf8(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(3, text.size()); ++length) {
    const std::string_view tail = text.substr(text.size() - length);
    const Lead lead = lead_of(static_cast<uint8_t>(tail[0]));
    if (lead.following == kNotALead) continue;  // perhaps a continuation: its lead is further left
    return length <= lead.following && begins_character(tail, lead) ? length : 0;
  }
  return 0;
}

}  // namespace gemma
