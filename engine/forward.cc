#include "engine/forward.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/forward_plan.h"
#include "engine/rope.h"

namespace gemma {
namespace {

struct Widths {
  size_t heads = 0;         // heads * head_dim
  size_t kv = 0;            // kv_heads * head_dim
  size_t intermediate = 0;  // of an MLP
  size_t columns = 0;       // inputs of any matrix, but
  size_t made_columns = 0;  // those that another matrix's outputs become at once
};

Widths widest(const ModelConfig& config) {
  Widths widths;
  for (const LayerConfig& layer : config.layers) {
    widths.heads = std::max(widths.heads, config.heads * layer.head_dim);
    widths.kv = std::max(widths.kv, layer.kv_heads * layer.head_dim);
    widths.intermediate = std::max(widths.intermediate, layer.intermediate_size);
  }
  widths.intermediate = std::max(widths.intermediate, config.experts);  // the router's scores
  widths.columns = std::max(widths.heads, config.hidden_size);
  widths.made_columns = std::max({widths.intermediate, config.ple_width, config.expert_width});
  return widths;
}

// Rows of the tallest input of any matrix.
size_t most_rows(const ModelConfig& config, size_t chunk) {
  return std::max({chunk, kLogitRows, expert_rows(config, chunk)});
}

// Most spans of keys that one position sees.
size_t most_spans(const ModelConfig& config, size_t context) {
  size_t spans = 1;
  for (const LayerConfig& layer : config.layers) {
    const size_t seen = layer.full_attention ? context : std::min(context, config.sliding_window);
    spans = std::max(spans, seen / kernels::kv_span(layer.full_attention) + 2);
  }
  return spans;
}

size_t widest_head(const ModelConfig& config) {
  size_t width = 0;
  for (const LayerConfig& layer : config.layers) width = std::max(width, layer.head_dim);
  return width;
}

}  // namespace

std::vector<Forward::PlannedBuffer> Forward::plan(const ModelConfig& config, size_t chunk, size_t context,
                                                  size_t threads) {
  using F = Forward;
  const Widths w = widest(config);
  const size_t d = config.hidden_size;
  const size_t moe = config.experts > 0 ? chunk : 0;
  const size_t expert = expert_rows(config, chunk);
  const size_t ple = config.layers.size() * config.ple_width;
  constexpr auto kThreads = PlannedBuffer::Rows::kThreads;
  const size_t half_head = w.heads / std::max<size_t>(config.heads, 1) / 2;
  constexpr auto kActs = MemoryPart::kActivations;
  constexpr auto kScratch = MemoryPart::kScratch;
  constexpr auto kTokens = PlannedBuffer::Rows::kTokens;
  return {
      {[](F& f) -> Buffer& { return f.x_; }, kActs, chunk, d, kTokens},
      {[](F& f) -> Buffer& { return f.normed_; }, kActs, chunk, d, kTokens},
      {[](F& f) -> Buffer& { return f.branch_; }, kActs, chunk, d, kTokens},
      {[](F& f) -> Buffer& { return f.q_; }, kActs, chunk, w.heads, kTokens},
      {[](F& f) -> Buffer& { return f.mixed_; }, kActs, chunk, w.heads, kTokens},
      {[](F& f) -> Buffer& { return f.k_; }, kActs, chunk, w.kv, kTokens},
      {[](F& f) -> Buffer& { return f.v_; }, kActs, chunk, w.kv, kTokens},
      {[](F& f) -> Buffer& { return f.gate_; }, kActs, chunk, w.intermediate, PlannedBuffer::Rows::kGates},
      {[](F& f) -> Buffer& { return f.up_; }, kActs, chunk, w.intermediate, PlannedBuffer::Rows::kGates},
      {[](F& f) -> Buffer& { return f.pieces_; }, kActs, 1, w.intermediate + threads * 2 * gate_piece(chunk),
       PlannedBuffer::Rows::kPieces},
      {[](F& f) -> Buffer& { return f.ple_; }, kActs, chunk, ple, kTokens},
      {[](F& f) -> Buffer& { return f.ple_gate_; }, kActs, chunk, config.ple_width, kTokens},
      {[](F& f) -> Buffer& { return f.moe_; }, kActs, moe, d, kTokens},
      {[](F& f) -> Buffer& { return f.expert_in_; }, kActs, expert, d, kTokens},
      {[](F& f) -> Buffer& { return f.expert_gate_up_; }, kActs, expert, 2 * config.expert_width, kTokens},
      {[](F& f) -> Buffer& { return f.expert_hidden_; }, kActs, expert, config.expert_width, kTokens},
      {[](F& f) -> Buffer& { return f.expert_out_; }, kActs, expert, d, kTokens},
      {[](F& f) -> Buffer& { return f.weights_of_keys_; }, kScratch, threads, kernels::kAttentionScratch,
       kThreads},
      {[](F& f) -> Buffer& { return f.tile_state_; }, kScratch, threads, tile_states(config).floats,
       kThreads},
      {[](F& f) -> Buffer& { return f.span_state_; }, kScratch, most_spans(config, context),
       config.heads*(widest_head(config) + 2), PlannedBuffer::Rows::kPositions},
      {[](F& f) -> Buffer& { return f.table_rows_; }, kScratch, threads, ple, kThreads},
      {[](F& f) -> Buffer& { return f.cos_[0]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.sin_[0]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.cos_[1]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.sin_[1]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.logits_; }, MemoryPart::kLogits, kLogitRows, config.vocab_size,
       PlannedBuffer::Rows::kLogits},
      {[](F& f) -> Buffer& { return f.peaks_; }, MemoryPart::kLogits, kLogitRows,
       kernels::peak_count(config.vocab_size), PlannedBuffer::Rows::kLogits},
  };
}

std::array<LinearScratch::Plan, 2> Forward::linear_plans(const ModelConfig& config, size_t chunk,
                                                         size_t threads) {
  const Widths w = widest(config);
  const size_t rows = most_rows(config, chunk);
  return {LinearScratch::plan(rows, w.columns, threads), LinearScratch::plan(rows, w.made_columns, threads)};
}

uint64_t Forward::plan_bytes(const ModelConfig& config, size_t chunk, size_t context, size_t threads) {
  uint64_t bytes = 0;
  for (const LinearScratch::Plan& plan : linear_plans(config, chunk, threads)) bytes += plan.bytes();
  for (const PlannedBuffer& planned : plan(config, chunk, context, threads)) {
    bytes += uint64_t{planned.rows} * planned.row_floats * sizeof(float);
  }
  return bytes;
}

void Forward::list_memory(std::vector<MemoryRange>& ranges) const {
  linear_.list_memory(ranges);
  linear_ahead_.list_memory(ranges);
  // The table's accessors are for create(), which fills the buffers; here they are only looked at.
  Forward& self = const_cast<Forward&>(*this);
  for (const PlannedBuffer& planned : plan(*config_, 0, 0, 0)) {
    const Buffer& buffer = planned.of(self);
    ranges.push_back({.part = planned.part, .begin = buffer.data(), .bytes = buffer.bytes()});
  }
}

Result<Forward> Forward::create(const ModelConfig& config, const Weights& weights, const ThreadTeam& team,
                                const kernels::KernelTable& kernels, size_t chunk, size_t context) {
  Forward f;
  f.config_ = &config;
  f.weights_ = &weights;
  f.team_ = &team;
  f.kernels_ = &kernels;
  f.context_ = context;
  const Widths widths = widest(config);
  for (const auto& [linear, columns] :
       {std::pair(&f.linear_, widths.columns), std::pair(&f.linear_ahead_, widths.made_columns)}) {
    Result<LinearScratch> scratch = LinearScratch::create(most_rows(config, chunk), columns, team.size());
    if (!scratch) return fail(std::move(scratch.error()));
    *linear = std::move(*scratch);
  }

  for (const PlannedBuffer& planned : plan(config, chunk, context, team.size())) {
    Result<Buffer> memory =
        Buffer::allocate(planned.rows * planned.row_floats * sizeof(float), "activations");
    if (!memory) return fail(std::move(memory.error()));
    planned.of(f) = std::move(*memory);
  }
  for (const LayerConfig& layer : config.layers) {
    std::vector<double>& frequencies = f.frequencies_[layer.full_attention];
    if (frequencies.empty()) {
      frequencies =
          rope_frequencies(layer.full_attention ? config.full_rope : config.sliding_rope, layer.head_dim);
    }
  }
  f.routed_.resize(chunk * config.experts_per_token);
  f.expert_tokens_.resize(f.routed_.size());
  f.expert_begin_.resize(config.experts + 1);
  f.busy_experts_.reserve(config.experts);
  f.phases_ = PhaseTeam(team);
  f.reading_.resize(team.size());
  f.outcomes_.resize(team.size());
  f.failed_ = std::make_unique<std::atomic<bool>>(false);
  return f;
}

Result<void> Forward::run(const ChunkRequest& request, KvCache& cache) {
  observer_ = request.observer;
  const size_t layers = config_->layers.size();
  // Rows before the first whose logits (or hidden states) somebody waits for.
  const bool every_row = request.all_layers || request.on_hidden != nullptr;
  const size_t dropped = every_row ? 0 : std::min(request.logits_from, request.tokens.size());
  const Rows all{request.position, request.tokens.size(), 0};
  const auto wanted = [&](Rows rows) {
    rows.keep_from(request.position + request.logits_from - rows.first);
    return rows;
  };
  Rows left = all;  // when all is done

  if (request.on_hidden == nullptr) {
    phases_.run([&](Worker& me) {
      Rows rows = all;
      if (!begin(me, request, dropped)) return;
      for (size_t i = 0; i < layers && rows.count > 0; ++i) layer(me, i, rows, dropped, cache);
      if (request.on_logits != nullptr) {
        rows = wanted(rows);
        head(me, rows, 0);
      }
      if (me.thread() == 0) left = rows;
    });
    if (failed_->load()) return first_failure();
  } else {
    phases_.run([&](Worker& me) { begin(me, request, 0); });
    if (failed_->load()) return first_failure();
    const size_t d = config_->hidden_size;
    for (size_t i = 0; i < layers; ++i) {
      phases_.run([&](Worker& me) {
        Rows rows = all;
        layer(me, i, rows, 0, cache);
      });
      for (size_t r = 0; r < all.count; ++r) {
        (*request.on_hidden)(i, all.first + r, {x_.as<float>() + r * d, d});
      }
    }
    if (request.on_logits != nullptr) {
      left = wanted(all);
      phases_.run([&](Worker& me) { head(me, left, 0); });
    }
  }
  if (request.on_logits != nullptr) hand_out_logits(left, *request.on_logits);
  return {};
}

Result<void> Forward::first_failure() {
  failed_->store(false);
  Result<void> first;
  for (Result<void>& outcome : outcomes_) {
    if (!outcome && first) first = std::move(outcome);
    outcome = {};
  }
  return first;
}

bool Forward::begin(Worker& me, const ChunkRequest& request, size_t dropped) {
  embed(me, request);
  if (config_->ple_width > 0) per_layer_inputs(me, request, dropped);
  // Each row's angles, used as a whole after the next meeting.
  me.share(request.tokens.size(), [&](size_t r) {
    for (size_t kind : {0, 1}) {
      const size_t pairs = frequencies_[kind].size();
      if (pairs == 0) continue;
      rope_angles(frequencies_[kind], request.position + r, cos_[kind].as<float>() + r * pairs,
                  sin_[kind].as<float>() + r * pairs);
    }
  });
  me.meet();
  return !failed_->load(std::memory_order_relaxed);
}

void Forward::embed(Worker& me, const ChunkRequest& request) {
  const size_t d = config_->hidden_size;
  float* x = x_.as<float>();
  me.share(request.tokens.size(), [&](size_t t) {
    Result<void> read =
        weights_->embedding.row(static_cast<size_t>(request.tokens[t]), reading_[me.thread()], x + t * d);
    if (!read) {
      outcomes_[me.thread()] = std::move(read);
      failed_->store(true, std::memory_order_relaxed);
      return;
    }
    kernels_->scale(x + t * d, weights_->embedding_scale, d);
  });
}

// p[t, i, :] = (rmsnorm(raw[t, i, :] * d^-0.5) + table[id_t][i, :] * sqrt(width)) * 2^-0.5
// Dropped rows need it for the layers i before the last that owns a cache, the others for all.
void Forward::per_layer_inputs(Worker& me, const ChunkRequest& request, size_t dropped) {
  const size_t tokens = request.tokens.size();
  const size_t d = config_->hidden_size;
  const size_t width = config_->ple_width;
  const size_t total = config_->layers.size() * width;
  float* ple = ple_.as<float>();
  const size_t needed = std::min(config_->last_kv_owner() * width, total);
  const auto columns_of = [&](size_t t) { return t < dropped ? needed : total; };
  const std::span<float> table_row(table_rows_.as<float>() + me.thread() * total, total);
  const auto read_row = [&](size_t t) {
    Result<void> read = weights_->ple_table.row(static_cast<size_t>(request.tokens[t]), columns_of(t),
                                                reading_[me.thread()], table_row);
    if (!read) {
      outcomes_[me.thread()] = std::move(read);
      failed_->store(true, std::memory_order_relaxed);
    }
  };
  LinearInput input(linear_, x_.as<float>(), tokens, d);
  const Matrix& w = weights_->ple_model_projection;
  const kernels::Activations acts = input.prepare(*kernels_, me, w.input());
  // A worker's only row is read first: meanwhile the others take its part of the projection.
  const bool read_first = tokens <= me.threads();
  if (read_first) me.share(tokens, read_row);
  if (dropped == 0 || observer_ != nullptr) {  // an observer sees whole matrices
    multiply(me, w, input, ple, total);
  } else {
    const size_t for_all =
        std::min((needed + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows, total);
    me.take(for_all, linear_grain(for_all, d, tokens, me.threads()), [&](size_t begin, size_t end) {
      linear_rows(*kernels_, w, acts, linear_, me.thread(), begin, end, ple, total);
    });
    const size_t kept = tokens - dropped, left = total - for_all;
    const kernels::Activations rest = rows_of(acts, dropped, kept);
    me.take(left, linear_grain(left, d, std::max<size_t>(kept, 1), me.threads()),
            [&](size_t begin, size_t end) {
              linear_rows(*kernels_, w, rest, linear_, me.thread(), for_all + begin, for_all + end,
                          ple + dropped * total, total);
            });
    me.meet();
  }

  const float projection_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  me.share(tokens, [&](size_t t) {
    const size_t columns = columns_of(t);
    if (!read_first) read_row(t);
    float* row = ple + t * total;
    kernels_->scale(row, projection_scale, columns);
    for (size_t i = 0; i < columns; i += width) norm(row + i, weights_->ple_projection_norm, width, row + i);
    kernels_->scale(table_row.data(), weights_->ple_scale, columns);
    kernels_->add(row, table_row.data(), columns);
    kernels_->scale(row, 0.70710678118654752f, columns);
  });
}

void Forward::layer(Worker& me, size_t index, Rows& rows, size_t dropped, KvCache& cache) {
  const size_t d = config_->hidden_size;
  attention(me, index, rows, index == config_->last_kv_owner() ? dropped : 0, cache);
  if (rows.count == 0) return;
  mlp(me, index, rows);
  if (config_->ple_width > 0) per_layer_block(me, index, rows);
  float* x = row(x_, rows, d);
  me.share(rows.count,
           [&](size_t r) { kernels_->scale(x + r * d, weights_->layers[index].layer_scalar, d); });
}

void Forward::add_normed(Worker& me, float* branch, const std::vector<float>& weight, size_t rows,
                         float* stream) {
  const size_t d = config_->hidden_size;
  me.share(rows, [&](size_t r) {
    norm(branch + r * d, weight, d, branch + r * d);
    kernels_->add(stream + r * d, branch + r * d, d);
  });
}

void Forward::multiply_ahead(Worker& me, const Matrix& w, LinearInput& input, float* out, size_t out_stride) {
  linear(*kernels_, me, w, input, out, out_stride);
  if (observer_ == nullptr) return;
  me.meet();
  if (me.thread() == 0) observer_->observe(w, input.rows(), input.tokens(), out, out_stride);
  me.meet();
}

void Forward::multiply(Worker& me, const Matrix& w, LinearInput& input, float* out, size_t out_stride) {
  multiply_ahead(me, w, input, out, out_stride);
  me.meet();
}

void Forward::expect(Worker& me, const Matrix& w, size_t tokens) const {
  expect_rows(*kernels_, me, w, linear_grain(w.view().rows, w.view().cols, tokens, me.threads()), tokens);
}

void Forward::expect_layer_after(Worker& me, size_t layer, size_t tokens) const {
  if (layer + 1 == weights_->layers.size()) {
    return expect_rows(*kernels_, me, weights_->head.matrix(), head_grain(tokens), tokens);
  }
  const LayerWeights& w = weights_->layers[layer + 1];
  expect(me, config_->layers[layer + 1].owns_kv ? w.k : w.q, tokens);
}

// Whole blocks of peaks.
Grain Forward::head_grain(size_t tokens) const {
  Grain grain = linear_grain(config_->vocab_size, config_->hidden_size, tokens, team_->size());
  grain.items = kernels::peak_count(grain.items) * kernels::kPeakBlock;
  return grain;
}

// Logits of rows [row0, row0 + kLogitRows) of those in flight, as far as there are. A worker caps its part of
// the vocabulary and finds its peaks while it is in its cache.
void Forward::head(Worker& me, const Rows& rows, size_t row0) {
  const size_t d = config_->hidden_size;
  const size_t vocab = config_->vocab_size;
  const size_t n = std::min(kLogitRows, rows.count - row0);
  const float cap = static_cast<float>(config_->final_softcap);
  float* x = row(x_, rows, d) + row0 * d;
  float* normed = row(normed_, rows, d) + row0 * d;
  float* logits = logits_.as<float>();
  const Matrix& w = weights_->head.matrix();
  me.meet();
  norm_rows(me, x, weights_->final_norm, n, d, normed);
  LinearInput input(linear_, normed, n, d);
  const Grain grain = head_grain(n);
  const kernels::Activations acts = input.prepare(*kernels_, me, w.input());
  const auto capped = [&](size_t begin, size_t end) {
    for (size_t t = 0; t < n; ++t) {
      float* part = logits + t * vocab + begin;
      if (cap > 0) kernels_->softcap(part, cap, end - begin);
      kernels::find_peaks({part, end - begin},
                          {peaks_.as<float>() + t * kernels::peak_count(vocab) + begin / kernels::kPeakBlock,
                           kernels::peak_count(end - begin)});
    }
  };
  const bool observed = observer_ != nullptr;
  me.take(vocab, grain, [&](size_t begin, size_t end) {
    linear_rows(*kernels_, w, acts, linear_, me.thread(), begin, end, logits, vocab);
    if (!observed) capped(begin, end);
  });
  me.meet();
  if (observed && me.thread() == 0) {
    observer_->observe(w, normed, n, logits, vocab);
    capped(0, vocab);
  }
}

// The first rows are there; the others are computed as their turn comes.
void Forward::hand_out_logits(const Rows& rows, const LogitsSink& sink) {
  const size_t vocab = config_->vocab_size;
  for (size_t row0 = 0; row0 < rows.count; row0 += kLogitRows) {
    if (row0 > 0) phases_.run([&](Worker& me) { head(me, rows, row0); });
    const size_t n = std::min(kLogitRows, rows.count - row0);
    for (size_t i = 0; i < n; ++i) sink(rows.first + row0 + i, {logits_.as<float>() + i * vocab, vocab});
  }
}

}  // namespace gemma
