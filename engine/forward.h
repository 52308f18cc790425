// The Gemma 4 text decoder, one chunk of tokens at a time: embeddings, per-layer embeddings, attention with
// shared KV, dense and expert MLPs, head. Float32 throughout; matrices in the arithmetic of their scheme.
// Source of the computation: transformers' gemma4 modelling code as described in docs/how-gemma-works.md.
//
// The result for a position does not depend on how the sequence was cut into chunks: every kernel sums in an
// order of absolute indices (kernels/kernel_table.h).
//
// A chunk is one run of all threads (engine/phases.h). Work on single rows is shared by rows, always in the
// same way, so a row's norm, its quantization and its sum need no meeting in between; matrices are shared by
// their rows; attention by heads, positions and spans of keys. Where a matrix's outputs become the next one's
// input (heads to output projection, gate and up to down, per-layer gate to projection), whoever computed some
// columns makes levels of them at once, if their scale is a group's or static. A layer then has 9 meetings for
// one token and 8 for several, else, with a scale per token, 11 and 10. Per-layer embeddings add 3 (4), experts
// 7 (8). tests/engine/forward_test.cc counts them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/activation_observer.h"
#include "engine/kv_cache.h"
#include "engine/linear.h"
#include "engine/phases.h"
#include "engine/thread_team.h"
#include "engine/weights.h"
#include "kernels/reductions.h"

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
  bool all_layers = false;                // the same without handing anything out
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
    // kGates: as kTokens, but where numbers of gate and up pass through pieces (forward_plan.h), and only there
    // kPieces.
    enum class Rows { kTokens, kThreads, kPositions, kLogits, kGates, kPieces } counts;
  };
  static std::vector<PlannedBuffer> plan(const ModelConfig& config, size_t chunk, size_t context,
                                         size_t threads);
  static std::array<LinearScratch::Plan, 2> linear_plans(const ModelConfig& config, size_t chunk,
                                                         size_t threads);
  void list_memory(std::vector<MemoryRange>& ranges) const;

  // Peaks (kernels/reductions.h) of the first logits that the last run handed out, as long as those live.
  std::span<const float> peaks() const {
    return {peaks_.as<float>(), kernels::peak_count(config_->vocab_size)};
  }

  // How often the threads have met since create() (engine/phases.h).
  uint32_t meetings() const { return phases_.meetings(); }

  // Runs the chunk, writes its keys and values, hands out what was asked for. Where no logits are wanted a
  // position's work ends after the K/V projection of the last layer that owns a cache: nothing later reads
  // it, and per-layer embeddings are read and projected for the layers before it alone. Fails only if a row
  // of the per-layer table cannot be read.
  Result<void> run(const ChunkRequest& request, KvCache& cache);

 private:
  // Positions still in flight, a suffix of the chunk. Buffers that live as long as the chunk (x_, ple_, cos_,
  // sin_, normed_) have them from row `skipped` on, all others from row 0.
  struct Rows {
    size_t first;  // position
    size_t count;
    size_t skipped;
    void keep_from(size_t n) {
      first += n;
      count -= n;
      skipped += n;
    }
  };
  struct Routed {  // one of a token's experts
    uint32_t expert;
    float weight;
    uint32_t place;  // of its row among those of all experts
  };

  // What every worker does.
  // `dropped` of the chunk's first rows go no further than the last layer that owns a cache.
  bool begin(Worker& me, const ChunkRequest& request, size_t dropped);  // false: a row could not be read
  void embed(Worker& me, const ChunkRequest& request);
  void per_layer_inputs(Worker& me, const ChunkRequest& request, size_t dropped);
  void layer(Worker& me, size_t index, Rows& rows, size_t dropped, KvCache& cache);
  void attention(Worker& me, size_t layer, Rows& rows, size_t dropped, KvCache& cache);
  // Norms a head of row r of q in place and turns it to its position; to be done once for each.
  void turn_query(size_t layer, const Rows& rows, size_t r, size_t head);
  // `mixed` is what the output projection reads: its columns of a head are made as they are mixed.
  void attend(Worker& me, size_t layer, const Rows& rows, const KvCache& cache, LinearInput& mixed);
  void attend_in_spans(Worker& me, size_t layer, const Rows& rows, const KvCache& cache, LinearInput& mixed);
  // How one position's queries are cut into items of work, and what the queries and keys of one are.
  struct SpanItems {
    size_t span, first_span, spans;  // of keys: the positions of one; the first that is seen; how many are
    size_t heads, together;          // of queries: all; of one item
    size_t oldest;                   // position that is seen
    size_t count() const { return spans * heads / together; }
    size_t span_of(size_t item) const { return item / (heads / together); }
    size_t head_of(size_t item) const { return item % (heads / together) * together; }
  };
  SpanItems span_items(const Worker& me, size_t layer, size_t position) const;
  void ask_for_keys(const Worker& me, size_t layer, const Rows& rows, const KvCache& cache) const;
  void mlp(Worker& me, size_t layer, const Rows& rows);
  void gate_and_up(Worker& me, const LayerWeights& w, LinearInput& input, LinearInput& hidden, size_t width);
  void experts(Worker& me, size_t layer, const Rows& rows);
  void route(Worker& me, const LayerWeights& w, const Rows& rows);
  void observe_experts(Worker& me, const LayerWeights& w, size_t first, size_t last);
  void per_layer_block(Worker& me, size_t layer, const Rows& rows);
  void head(Worker& me, const Rows& rows, size_t row0);
  Grain head_grain(size_t tokens) const;
  // What the workers multiply by after a layer, and says so.
  void expect_layer_after(Worker& me, size_t layer, size_t tokens) const;
  void expect(Worker& me, const Matrix& w, size_t tokens) const;

  Result<void> first_failure();
  void hand_out_logits(const Rows& rows, const LogitsSink& sink);

  float* row(Buffer& buffer, const Rows& rows, size_t width) {
    return buffer.as<float>() + rows.skipped * width;
  }
  float eps() const { return static_cast<float>(config_->rms_norm_eps); }
  void norm(const float* x, const std::vector<float>& weight, size_t width, float* y) const {
    kernels_->rms_norm(x, weight.empty() ? nullptr : weight.data(), eps(), width, y);
  }
  // y = rmsnorm(x) of each of this worker's rows.
  void norm_rows(Worker& me, const float* x, const std::vector<float>& weight, size_t rows, size_t width,
                 float* y) const {
    me.share(rows, [&](size_t r) { norm(x + r * width, weight, width, y + r * width); });
  }
  // stream += rmsnorm(branch), row by row.
  void add_normed(Worker& me, float* branch, const std::vector<float>& weight, size_t rows, float* stream);
  // W x, whole for all workers when it returns.
  void multiply(Worker& me, const Matrix& w, LinearInput& input, float* out, size_t out_stride);
  // W x; the workers have yet to meet.
  void multiply_ahead(Worker& me, const Matrix& w, LinearInput& input, float* out, size_t out_stride);

  const ModelConfig* config_ = nullptr;
  const Weights* weights_ = nullptr;
  const ThreadTeam* team_ = nullptr;
  const kernels::KernelTable* kernels_ = nullptr;
  ActivationObserver* observer_ = nullptr;  // of the chunk that runs
  size_t context_ = 0;

  LinearScratch linear_;           // of inputs made of the residual stream and of attention
  LinearScratch linear_ahead_;     // of inputs that are made while one of those is multiplied
  Buffer x_;                       // (chunk, hidden) the residual stream
  Buffer normed_;                  // (chunk, hidden)
  Buffer branch_;                  // (chunk, hidden) what a block adds to the stream
  Buffer q_, mixed_;               // (chunk, heads * widest head_dim)
  Buffer k_, v_;                   // (chunk, widest kv_heads * head_dim)
  Buffer gate_, up_;               // (chunk, widest intermediate)
  Buffer pieces_;                  // room to count columns from 0; (threads, gate and up, gate_piece(chunk))
  Buffer ple_;                     // (chunk, layers * ple_width)
  Buffer ple_gate_;                // (chunk, ple_width)
  Buffer moe_;                     // (chunk, hidden) sum of the experts
  Buffer expert_in_, expert_out_;  // (experts' rows, hidden)
  Buffer expert_gate_up_;          // (experts' rows, 2 * expert_width)
  Buffer expert_hidden_;           // (experts' rows, expert_width)
  Buffer weights_of_keys_;         // (threads, kernels::kAttentionScratch)
  Buffer tile_state_;              // (threads, what a tile of queries gathers from one span)
  Buffer span_state_;              // (spans of the context, what one position's queries gather)
  Buffer table_rows_;              // (threads, layers * ple_width)
  Buffer cos_[2], sin_[2];         // (chunk, head_dim / 2), sliding and full
  Buffer logits_;                  // (kLogitRows, vocab)
  Buffer peaks_;                   // (kLogitRows, their blocks)
  std::vector<double> frequencies_[2];
  std::vector<Routed> routed_;           // (chunk, experts per token), ascending
  std::vector<uint32_t> expert_begin_;   // (experts + 1) where an expert's rows begin
  std::vector<uint32_t> expert_tokens_;  // the token of each of those rows
  std::vector<uint32_t> busy_experts_;   // those that have rows, ascending
  PhaseTeam phases_;
  std::vector<StoredTensor::Scratch> reading_;  // per thread
  std::vector<Result<void>> outcomes_;          // per thread
  std::unique_ptr<std::atomic<bool>> failed_;
};

}  // namespace gemma
