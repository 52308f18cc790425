// The dequantized twin of a model: what a scheme makes of every weight (scale * level), rounded to bf16 and
// written in the layout and under the names of the published checkpoints. Other programs then compute with
// exactly the weights that a scheme computes with here; activations are theirs.
#pragma once

#include <string>

#include "engine/packed_export.h"

namespace gemma {

// Under f32 and bf16 the weights are those of the source. Errors as export_packed; any scheme is fine, a fake
// one gives the same weights as its real one. Not resumable: it begins anew.
Result<PackedReport> export_bf16(const ModelConfig& config, const TensorSource& source, const Scheme& scheme,
                                 const kernels::KernelTable& kernels, const ThreadTeam& team,
                                 const std::string& path, const PackOptions& options);

}  // namespace gemma
