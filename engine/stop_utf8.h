// UTF-8 at the end of a text that is still growing: what is whole and what is only begun. (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF.)
#pragma once

#include <cstddef>
#include <string_view>

namespace gemma {

bool is_valid_utf8(std::string_view text);

// Bytes at the end that begin a character and lack its rest: 0..3. Bytes that can never become a character
// are not among them.
size_t unfinished_utf8(std::string_view text);

}  // namespace gemma
