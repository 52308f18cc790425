// The Gemma 4 text decoder, one chunk of tokens at a time: embeddings, per-layer embeddings, attention with
// shared KV, dense and expert MLPs, head. Float32 throughout; matrices in the arithmetic of their scheme.
// Source of the computation: transformers' gemma4 modelling code as described in docs/how-gemma-works.md.
//
// The result for a position does not depend on how the sequence was cut into chunks: every kernel sums in an
// order of absolute indices (kernels/kernel_table.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/activation_observer.h"
#include "engine/kv_cache.h"
#include "engine/linear.h"
#include "engine/thread_team.h"
#include "engine/weights.h"

namespace gemma {

// logits (vocab_size) of one position; valid during the call.
using LogitsSink = std::function<void(size_t position, std::span<const float> logits)>;
// The residual stream (hidden_size) of one position after a layer, layer scalar applied.
using HiddenSink = std::function<void(size_t layer, size_t position, std::span<const float> hidden)>;

struct ChunkRequest {
  std::span<const int32_t> tokens;
  size_t position = 0;     // of tokens[0]
  size_t logits_from = 0;  // index into tokens: logits are wanted from here on; tokens.size(): none
  const LogitsSink* on_logits = nullptr;
  const HiddenSink* on_hidden = nullptr;  // forces every layer for every position
  ActivationObserver* observer = nullptr;
};

class Forward {
 public:
  // Scratch for chunks of at most `chunk` tokens in a context of `context`.
  static Result<Forward> create(const ModelConfig& config, const Weights& weights, const ThreadTeam& team,
                                const kernels::KernelTable& kernels, size_t chunk, size_t context);
  static uint64_t plan_bytes(const ModelConfig& config, size_t chunk, size_t context, size_t threads);

  // What create() allocates besides the matmuls' scratch: rows of `row_floats`, written as far as tokens,
  // threads or positions reach.
  struct PlannedBuffer {
    Buffer& (*of)(Forward& forward);
    MemoryPart part;
    size_t rows, row_floats;
    enum class Rows { kTokens, kThreads, kLogits } counts;
  };
  static std::vector<PlannedBuffer> plan(const ModelConfig& config, size_t chunk, size_t context,
                                         size_t threads);
  static LinearScratch::Plan linear_plan(const ModelConfig& config, size_t chunk, size_t threads);
  void list_memory(std::vector<MemoryRange>& ranges) const;

  // Runs the chunk, writes its keys and values, hands out what was asked for. Where no logits are wanted a
  // position's work ends after the K/V projection of the last layer that owns a cache: nothing later reads
  // it. Fails only if a row of the per-layer table cannot be read.
  Result<void> run(const ChunkRequest& request, KvCache& cache);

 private:
  struct Rows;  // the positions still in flight

  Result<void> embed(const ChunkRequest& request);
  Result<void> per_layer_inputs(const ChunkRequest& request);
  void angles(const Rows& rows);
  void attention(size_t layer, Rows& rows, size_t first_wanted, KvCache& cache);
  void mlp(size_t layer, const Rows& rows);
  void experts(size_t layer, const Rows& rows);
  void per_layer_block(size_t layer, const Rows& rows);
  void head(const Rows& rows, const LogitsSink& sink);
  void keep_from(Rows& rows, size_t first);

  void norm(const float* x, const std::vector<float>& weight, size_t rows, size_t width, float* y);
  void multiply(const Matrix& w, LinearInput& input, float* out, size_t out_stride) {
    linear(*kernels_, *team_, w, input, out, out_stride);
    if (observer_ != nullptr) observer_->observe(w, input.rows(), input.tokens(), out, out_stride);
  }

  const ModelConfig* config_ = nullptr;
  const Weights* weights_ = nullptr;
  const ThreadTeam* team_ = nullptr;
  const kernels::KernelTable* kernels_ = nullptr;
  ActivationObserver* observer_ = nullptr;  // of the chunk that runs
  size_t context_ = 0;

  LinearScratch linear_;
  Buffer x_;                       // (chunk, hidden) the residual stream
  Buffer normed_;                  // (chunk, hidden)
  Buffer branch_;                  // (chunk, hidden) what a block adds to the stream
  Buffer q_, mixed_;               // (chunk, heads * widest head_dim)
  Buffer k_, v_;                   // (chunk, widest kv_heads * head_dim)
  Buffer gate_, up_;               // (chunk, widest intermediate)
  Buffer ple_;                     // (chunk, layers * ple_width)
  Buffer ple_gate_;                // (chunk, ple_width)
  Buffer moe_;                     // (chunk, hidden) sum of the experts
  Buffer expert_in_, expert_out_;  // (chunk, hidden) rows of one expert
  Buffer scores_;                  // (threads, context)
  Buffer cos_[2], sin_[2];         // (chunk, head_dim / 2), sliding and full
  Buffer logits_;                  // (kLogitRows, vocab)
  std::vector<double> frequencies_[2];
  struct Routed {
    uint32_t token;
    float weight;
  };
  std::vector<std::vector<Routed>> routed_;  // per expert
};

}  // namespace gemma
