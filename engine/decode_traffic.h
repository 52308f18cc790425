// Bytes of memory that one decoding step must read: what bounds its speed where the model is larger than the
// caches. Computed from the plans, not measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/weight_plan.h"
#include "kernels/kernel_table.h"
#include "loader/config.h"

namespace gemma {

// Every matrix and norm once; of the experts those that one token is routed to; not the input embedding, of
// which one row is read, unless it is the head too, nor the per-layer table.
uint64_t weight_bytes_per_token(const ModelConfig& config, std::span<const PlannedWeight> weights);

// Keys and values that all layers together attend to at `position`, layers that read another's cache
// included.
uint64_t kv_bytes_per_token(const ModelConfig& config, kernels::KvType type, size_t position);

}  // namespace gemma
