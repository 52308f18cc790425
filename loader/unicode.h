// What a scoring rule asks of a character: is it part of a word, is it a blank, what is its small form. The
// answers are those of Python's str.isalnum(), str.isspace() and str.lower(), because the scripts that define
// the scores are written in Python; Unicode 14 (loader/unicode_tables.h).
#pragma once

#include <string>
#include <string_view>

namespace gemma {

// Letters and numbers of every script, and '_': what \w matches.
bool is_word_character(char32_t c);

// Blanks of every kind, among them the control characters 0x1C to 0x1F.
bool is_blank(char32_t c);

// The small form; c itself if it has none. One character for one: U+0130 (I with a dot) stays.
char32_t to_lower(char32_t c);

// The small form of a text. U+0130 becomes i and a combining dot, a capital sigma at the end of a word the
// final one, as in Python. Bytes that are no UTF-8 stay as they are.
std::string lower_case(std::string_view text);

// UTF-8 of a scalar value.
void append_utf8(std::string& text, char32_t c);

// Characters of a text; a byte that is no UTF-8 counts as one.
size_t count_characters(std::string_view text);

}  // namespace gemma
