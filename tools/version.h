// The version of the programs, as CMakeLists.txt declares it.
#pragma once

#include <string_view>

namespace gemma {

// "0.1.0"
std::string_view version();

}  // namespace gemma
