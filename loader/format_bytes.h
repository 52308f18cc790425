// A number of bytes for people: "9.60 GB", "10.2 MB", "300 bytes"; powers of 1000, as disks are sold.
#pragma once

#include <cstdint>
#include <string>

namespace gemma {

std::string format_bytes(uint64_t bytes);

}  // namespace gemma
