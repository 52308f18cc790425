// How much memory each weight of a model will take under a scheme, told before anything is built. What
// build_weights() checks for room, and what a forecast adds up (memory_forecast.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/scheme.h"
#include "engine/tensor_plan.h"
#include "kernels/kernel_table.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

// Where weights go that the file holds in the very form a kernel reads.
enum class Placement : uint8_t {
  kCopied,  // into memory of the model's own, on huge pages: faster to read (weight_memory.h)
  kMapped,  // nowhere: the mapped file is read, which other processes share and the system may drop
};

struct PlannedWeight {
  std::string name;
  TensorClass tensor_class = TensorClass::kFloat;
  std::optional<size_t> layer;
  uint64_t owned_bytes = 0;   // memory of its own
  uint64_t mapped_bytes = 0;  // used where the file is mapped
  size_t blocks = 1;          // equal blocks that make up owned_bytes: an expert each
  bool copied = false;        // owned because the file's own bytes are copied
  ClassScheme scheme = {};    // resolved: what "as stored" comes to for this tensor
};

// The tensors of plan_tensors() that `source` has and the model uses, in that order; the per-layer table
// takes no memory and is left out. With a tied head of a scheme of its own there are two entries for the
// embedding.
// Errors of check_layers and StoredTensor::open.
Result<std::vector<PlannedWeight>> plan_weights(const ModelConfig& config, const Scheme& scheme,
                                                const TensorSource& source, Placement placement,
                                                const kernels::KernelTable& kernels);

// What is taken if nobody asks: copied if that takes no more than half of the memory that is available, so
// that the file may stay in the page cache beside its copy. Errors of StoredTensor::open.
Result<Placement> fitting_placement(const ModelConfig& config, const Scheme& scheme,
                                    const TensorSource& source, const kernels::KernelTable& kernels);

// kUsage if the scheme names a layer that the model does not have.
Result<void> check_layers(const ModelConfig& config, const Scheme& scheme);

}  // namespace gemma
