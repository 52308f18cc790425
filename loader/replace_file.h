// Writing a small file so that a reader, or the next run, never meets half of it: under a temporary name,
// then renamed.
#pragma once

#include <string>
#include <string_view>

#include "loader/result.h"

namespace gemma {

// The file at `path` holds `text` or what it held before. The temporary file "<path>.partial" is gone either
// way. Errors: kResource (disk full), kIo.
Result<void> replace_file(const std::string& path, std::string_view text);

}  // namespace gemma
