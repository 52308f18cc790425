// A checkpoint that is nowhere stored: every text tensor of a configuration with random weights, made row by
// row when they are read. Speed, memory and every shape can be tried before anything is downloaded.
//
//   Result<SyntheticSpec> spec = parse_synthetic("synthetic:e2b");
//   Result<ModelConfig> config = synthetic_config(spec->size);
//   SyntheticSource source(*config, spec->seed);
//
// A value depends on (seed, tensor name, index) and nothing else (engine/counter_random.h). The weights are
// scaled so that the network stays calm through 60 layers and its text does not get stuck:
// - Matrices have deviation 1/sqrt(columns): unit inputs give unit outputs. embed_tokens has 1/sqrt(hidden),
//   so that the scaled embedding is unit; likewise the per-layer embeddings.
// - Attention scores have a deviation of about 1.5 (the attention scale is 1.0; q_norm carries it), and
//   attention enters the stream at half the strength of the MLP: averages over the context are the same for
//   all positions and would drown what tells tokens apart.
// - layer_scalar lies in [15/16, 1]: the stream's deviation settles at about 3 to 4 and a small difference
//   grows by one order of magnitude over the whole stack, not by one per few layers.
// - The final norm's weights are random in sign. With positive ones the tied head would see the current
//   token's own embedding in the stream and greedy text would repeat one token for ever. Their deviation of 4
//   gives logits of deviation 4, the best of 262144 near 18 of the soft-cap's 30.
// - Router logits have a deviation of 1.5; per-expert scales and all other norm weights are 1 +- 0.1.
#pragma once

#include <vector>

#include "engine/counter_random.h"
#include "engine/synthetic_config.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

class SyntheticSource final : public TensorSource {
 public:
  // The tensors a text checkpoint of `config` has, all BF16: no v_proj where V is K, no k_proj, v_proj and
  // k_norm where the layer reads another's cache, lm_head only if it is not tied.
  SyntheticSource(const ModelConfig& config, uint64_t seed);

  std::span<const TensorInfo> tensors() const override { return tensors_; }

  // kInternal if the tensor is none of tensors(), the rows are not there or `out` has another size.
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override;

  // Nothing is mapped: always empty.
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override;

 private:
  std::vector<TensorInfo> tensors_;    // sorted by name
  std::vector<RandomStream> streams_;  // of the tensor at the same place
};

}  // namespace gemma
