// When even a small allocation fails: a line and the exit code of a resource, not an abort. Large ones are
// checked before they are made (engine/buffer.h) and are ordinary errors.
#pragma once

#include <string_view>

namespace gemma {

// From here on running out of memory ends the program with kResource. `program` outlives it.
void report_out_of_memory(std::string_view program);

}  // namespace gemma
