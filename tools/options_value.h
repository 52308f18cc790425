// The text of one option's value, turned into what its target holds; and the words that describe both.
#pragma once

#include <string>
#include <string_view>

#include "loader/result.h"
#include "tools/options.h"

namespace gemma {

// An argument as an error repeats it: in quotes, cut after 80 bytes, control characters as '?'.
std::string quote(std::string_view text);

// Whether the option takes a value at all: everything but flags.
bool is_flag(const Option& option);

// Stores `text`. Numbers are decimal and fill the whole text; whole numbers that do not fit 64 bits, numbers
// that do not fit a double, nan and inf (unless allowed) and anything out of range are kUsage. `spelled` is
// the option as the user wrote it ("-t"), the error's where.
Result<void> store_value(const Option& option, std::string_view spelled, std::string_view text);

// "a whole number from 1 to 8", "one of f32, bf16, f16", "a text": what an error says it expected.
std::string expectation(const Option& option);

// "1 .. 8", ">= 0", "> 0", "f32 | bf16": what --help prints; "" when everything goes.
std::string range_text(const Option& option);

// What the target holds now, as --help prints it: "" for flags, lists, empty texts and absent values.
std::string current_value(const Option& option);

// The placeholder of the value in --help: the option's own, else N, X or TEXT.
std::string value_name(const Option& option);

}  // namespace gemma
