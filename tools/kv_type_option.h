// The option --kv-type, the same in every program that runs a model: how keys and values are stored.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/kv_type.h"
#include "tools/options.h"

namespace gemma {

// `word` is the text of the option: a std::string, empty for the default, or a std::optional<std::string>.
void add_kv_type_option(Options& options, OptionTarget word);

// Nothing for an empty word: the engine decides (Scheme::default_kv_type). kUsage for one that names no type.
Result<std::optional<kernels::KvType>> kv_type_of(std::string_view word);

}  // namespace gemma
