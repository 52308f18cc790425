// Text out of a file, made fit for a message: in quotes, cut short, every byte that is not printable ASCII as
// \xNN. A hostile tensor name can then neither fill a terminal nor send it escape sequences.
//
//   in_quotes("model.\x1b[2J")  ->  "model.\x1b[2J" spelled out, with the quotes
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma {

// At most `limit` bytes of `text` are shown; what is left out is counted: "abc..." (1000000 bytes).
std::string in_quotes(std::string_view text, size_t limit = 100);

}  // namespace gemma
