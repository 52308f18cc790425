// What the operating system says when a file cannot be written, as an error of ours: a disk, quota or size
// limit that is used up is kResource with the advice to make room, everything else kIo.
#pragma once

#include <string>
#include <string_view>

#include "loader/result.h"

namespace gemma {

// `number` as in errno. "models/blobs/x: cannot write: No space left on device (make room on the disk)"
Failure disk_failure(std::string where, std::string_view what, int number);

}  // namespace gemma
