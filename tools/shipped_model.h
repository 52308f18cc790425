// Where the model that ships with the project lies: the default of every program that takes one.
#pragma once

#include <filesystem>
#include <string_view>

#include "loader/result.h"

namespace gemma {

// The variant that programs use unless told otherwise: trained for int4, and computed in it by default.
inline constexpr std::string_view kDefaultModel = "stories-qat";

// The folder models/`name`, found from where the running program lies, so that a moved or installed tree
// needs no setting: PREFIX/bin/../share/gemma-run/models, else models/ in one of the four folders above (a
// build folder lies in the source tree). kNotFound lists what was tried.
Result<std::filesystem::path> shipped_model(std::string_view name = kDefaultModel);

// The same for a program in the folder `beside`.
Result<std::filesystem::path> shipped_model(std::string_view name, const std::filesystem::path& beside);

}  // namespace gemma
