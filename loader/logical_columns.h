// How many columns a matrix has according to the model's configuration, 0 if it is no matrix of the model.
// uint8 rows do not say themselves whether a byte holds two columns or four.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace gemma {

using LogicalColumns = std::function<size_t(std::string_view canonical_name)>;

}  // namespace gemma
