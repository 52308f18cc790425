// The option --mmap, the same in every program that loads a model: where weights lie that the file holds in
// the very form a kernel reads (engine/weight_plan.h).
#pragma once

#include <optional>
#include <string>

#include "engine/weight_plan.h"
#include "tools/options.h"

namespace gemma {

void add_mmap_option(Options& options, std::optional<std::string>& word);

// Nothing: the engine decides.
std::optional<Placement> placement_of(const std::optional<std::string>& word);

}  // namespace gemma
