// The weights of a model, each matrix once, in the form its scheme's kernel reads. Built by streaming from a
// TensorSource: memory holds the result and a few rows, never a second copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/activation_scales.h"
#include "engine/matrix.h"
#include "engine/matrix_builder.h"
#include "engine/scheme.h"
#include "engine/tensor_plan.h"
#include "engine/thread_team.h"
#include "engine/weight_plan.h"
#include "engine/weight_quantizer.h"
#include "kernels/kernel_table.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

struct LayerWeights {
  // Norm weights, (hidden) but q_norm and k_norm (head_dim).
  std::vector<float> input_norm, post_attention_norm, pre_feedforward_norm, post_feedforward_norm;
  std::vector<float> q_norm, k_norm;
  std::vector<float> post_ple_norm;  // per-layer embeddings
  std::vector<float> post_feedforward_norm_1, pre_feedforward_norm_2, post_feedforward_norm_2;  // experts
  float layer_scalar = 1;
  KvScales kv_scales;  // of the mobile format; reported, not applied

  Matrix q, k, v, o;  // k and v empty where the layer reads another's cache, v where K = V
  Matrix gate, up, down;
  Matrix ple_gate, ple_projection;

  Matrix router;                        // (experts, hidden), float
  std::vector<float> router_scale;      // (hidden)
  std::vector<float> per_expert_scale;  // (experts)
  std::vector<Matrix> expert_gate_up;   // each (2 * expert_width, hidden), gate rows first
  std::vector<Matrix> expert_down;      // each (hidden, expert_width)
};

// Rows of the input embedding: of a matrix in memory (with a tied head and one scheme for both, the head's
// own rows), or of the file, whose levels stay there and are read with pread (mobile).
class Embedding {
 public:
  Embedding() = default;
  explicit Embedding(const Matrix* matrix) : matrix_(matrix) {}
  explicit Embedding(StoredTensor tensor) : tensor_(std::move(tensor)) {}
  // Float32 (hidden). kIo if the file cannot be read.
  Result<void> row(size_t id, StoredTensor::Scratch& scratch, float* out) const;

 private:
  const Matrix* matrix_ = nullptr;
  StoredTensor tensor_;  // if there is no matrix
};

// The per-layer embedding table: stays in its file (E2B: 2.35 G elements). A row is read with pread, then
// quantized and dequantized on the spot if the scheme says so: levels and scales of a row depend on that row
// alone, so this equals a table quantized beforehand.
class PleTable {
 public:
  PleTable() = default;
  // `quantizer` quantizes nothing where the file's own levels are kept.
  PleTable(StoredTensor tensor, WeightQuantizer quantizer)
      : tensor_(std::move(tensor)), quantizer_(std::move(quantizer)) {}
  // The first layers' slices of token `id`, `columns` float32; only they are read. `out` (layers * ple_width)
  // has room for all layers'. kIo if the file cannot be read.
  Result<void> row(size_t id, size_t columns, StoredTensor::Scratch& scratch, std::span<float> out) const;

 private:
  StoredTensor tensor_;
  WeightQuantizer quantizer_;
};

// A head of its own or the embedding's matrix.
class Head {
 public:
  Head() = default;
  explicit Head(const Matrix* matrix) : matrix_(matrix) {}
  const Matrix& matrix() const { return *matrix_; }

 private:
  const Matrix* matrix_ = nullptr;
};

struct Weights {
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;                      // (hidden)
  std::unique_ptr<Matrix> embed_matrix, head_matrix;  // one null: the other serves both, or the file does
  Embedding embedding;
  Head head;
  float embedding_scale = 1;  // sqrt(hidden) rounded to the dtype of config.json
  float ple_scale = 1;        // sqrt(ple_width), likewise
  PleTable ple_table;
  Matrix ple_model_projection;             // (layers * ple_width, hidden)
  std::vector<float> ple_projection_norm;  // (ple_width)
  std::vector<TensorReport> reports;
};

// Whether the head is a matrix of its own. A tied head that an exporter wrote out all the same is not, if it
// repeats the embedding byte for byte.
Result<bool> head_is_apart(const ModelConfig& config, const TensorSource& source, const ThreadTeam& team);

// Builds everything from `source`, which must fit `config` (check_tensors); it and `kernels`, by which rows
// are read while the model runs, must outlive the result. kUsage if a scheme cannot be applied (a group that
// does not divide the columns: all such tensors are listed), kResource if memory is short (checked before
// allocating).
Result<std::unique_ptr<Weights>> build_weights(const ModelConfig& config, const Scheme& scheme,
                                               const TensorSource& source, Placement placement,
                                               const kernels::KernelTable& kernels, const ThreadTeam& team,
                                               const Progress& progress);

}  // namespace gemma
