// Groups of columns that share a scale: how small they may be, and whether those of a scheme fit a model.
#pragma once

#include <cstddef>

#include "engine/scheme.h"
#include "loader/config.h"
#include "loader/result.h"

namespace gemma {

// Of inputs. Scratch is sized for a scale to every so many columns (linear.h); fewer would cost more in scales
// than the levels do.
inline constexpr size_t kSmallestActivationGroup = 8;

// kUsage naming every tensor whose columns are no whole number of the scheme's groups, of weights or of
// inputs: the per-layer table by the part of a row that a layer has, a tied head as the head it is as well.
Result<void> check_groups(const ModelConfig& config, const Scheme& scheme);

}  // namespace gemma
