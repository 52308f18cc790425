#include "engine/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "engine/rope.h"

namespace gemma {
namespace {

// Rows of logits computed together: enough to reuse the head's weights, few enough that 262144 floats each do
// not matter (16 MB).
constexpr size_t kLogitRows = 16;

struct Widths {
  size_t heads = 0;         // heads * head_dim
  size_t kv = 0;            // kv_heads * head_dim
  size_t intermediate = 0;  // of an MLP, or both halves of an expert
  size_t columns = 0;       // inputs of any matrix
};

Widths widest(const ModelConfig& config) {
  Widths widths;
  for (const LayerConfig& layer : config.layers) {
    widths.heads = std::max(widths.heads, config.heads * layer.head_dim);
    widths.kv = std::max(widths.kv, layer.kv_heads * layer.head_dim);
    widths.intermediate = std::max(widths.intermediate, layer.intermediate_size);
  }
  widths.intermediate = std::max(widths.intermediate, 2 * config.expert_width);
  widths.columns = std::max({widths.heads, widths.intermediate, config.hidden_size, config.ple_width});
  return widths;
}

}  // namespace

// Positions still in flight, a suffix of the chunk: row r of every buffer is position first + r.
struct Forward::Rows {
  size_t first;  // position
  size_t count;
};

std::vector<Forward::PlannedBuffer> Forward::plan(const ModelConfig& config, size_t chunk, size_t context,
                                                  size_t threads) {
  using F = Forward;
  const Widths w = widest(config);
  const size_t d = config.hidden_size;
  const size_t moe = config.experts > 0 ? d : 0;
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
      {[](F& f) -> Buffer& { return f.gate_; }, kActs, chunk, w.intermediate, kTokens},
      {[](F& f) -> Buffer& { return f.up_; }, kActs, chunk, w.intermediate, kTokens},
      {[](F& f) -> Buffer& { return f.ple_; }, kActs, chunk, config.layers.size() * config.ple_width,
       kTokens},
      {[](F& f) -> Buffer& { return f.ple_gate_; }, kActs, chunk, config.ple_width, kTokens},
      {[](F& f) -> Buffer& { return f.moe_; }, kActs, chunk, moe, kTokens},
      {[](F& f) -> Buffer& { return f.expert_in_; }, kActs, chunk, moe, kTokens},
      {[](F& f) -> Buffer& { return f.expert_out_; }, kActs, chunk, moe, kTokens},
      {[](F& f) -> Buffer& { return f.scores_; }, kScratch, threads, context, PlannedBuffer::Rows::kThreads},
      {[](F& f) -> Buffer& { return f.cos_[0]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.sin_[0]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.cos_[1]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.sin_[1]; }, kScratch, chunk, half_head, kTokens},
      {[](F& f) -> Buffer& { return f.logits_; }, MemoryPart::kLogits, kLogitRows, config.vocab_size,
       PlannedBuffer::Rows::kLogits},
  };
}

LinearScratch::Plan Forward::linear_plan(const ModelConfig& config, size_t chunk, size_t threads) {
  return LinearScratch::plan(std::max(chunk, kLogitRows), widest(config).columns, threads);
}

uint64_t Forward::plan_bytes(const ModelConfig& config, size_t chunk, size_t context, size_t threads) {
  uint64_t bytes = LinearScratch::plan_bytes(std::max(chunk, kLogitRows), widest(config).columns, threads);
  for (const PlannedBuffer& planned : plan(config, chunk, context, threads)) {
    bytes += uint64_t{planned.rows} * planned.row_floats * sizeof(float);
  }
  return bytes;
}

void Forward::list_memory(std::vector<MemoryRange>& ranges) const {
  linear_.list_memory(ranges);
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
  Result<LinearScratch> scratch =
      LinearScratch::create(std::max(chunk, kLogitRows), widest(config).columns, team.size());
  if (!scratch) return fail(std::move(scratch.error()));
  f.linear_ = std::move(*scratch);

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
  f.routed_.resize(config.experts);
  return f;
}

Result<void> Forward::run(const ChunkRequest& request, KvCache& cache) {
  observer_ = request.observer;
  const size_t layers = config_->layers.size();
  const size_t last_owner = config_->last_kv_owner();
  Rows rows{request.position, request.tokens.size()};
  // Index, within the rows in flight, of the first whose logits (or hidden states) somebody waits for.
  const size_t first_wanted = request.on_hidden != nullptr ? 0 : request.logits_from;

  Result<void> read = embed(request);
  if (read && config_->ple_width > 0) read = per_layer_inputs(request);
  if (!read) return read;
  angles(rows);
  for (size_t layer = 0; layer < layers; ++layer) {
    attention(layer, rows, layer == last_owner ? first_wanted : 0, cache);
    if (rows.count == 0) return {};
    mlp(layer, rows);
    if (config_->ple_width > 0) per_layer_block(layer, rows);
    float* x = x_.as<float>();
    kernels_->scale(x, weights_->layers[layer].layer_scalar, rows.count * config_->hidden_size);
    if (request.on_hidden != nullptr) {
      for (size_t r = 0; r < rows.count; ++r) {
        (*request.on_hidden)(layer, rows.first + r, {x + r * config_->hidden_size, config_->hidden_size});
      }
    }
  }
  if (request.on_logits != nullptr) {
    keep_from(rows, request.position + request.logits_from - rows.first);
    head(rows, *request.on_logits);
  }
  return {};
}

// Drops the rows before `first`: their work is done. The chunk's other per-row inputs move along.
void Forward::keep_from(Rows& rows, size_t first) {
  if (first == 0) return;
  rows.first += first;
  rows.count -= first;
  const auto move = [&](Buffer& buffer, size_t width) {
    float* data = buffer.as<float>();
    std::memmove(data, data + first * width, rows.count * width * sizeof(float));
  };
  move(x_, config_->hidden_size);
  move(normed_, config_->hidden_size);
  if (config_->ple_width > 0) move(ple_, config_->layers.size() * config_->ple_width);
  for (size_t kind : {0, 1}) {
    move(cos_[kind], frequencies_[kind].size());
    move(sin_[kind], frequencies_[kind].size());
  }
}

void Forward::norm(const float* x, const std::vector<float>& weight, size_t rows, size_t width, float* y) {
  const float* w = weight.empty() ? nullptr : weight.data();
  const float eps = static_cast<float>(config_->rms_norm_eps);
  team_->parallel_for(rows, std::max<size_t>(1, 32'768 / width), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) kernels_->rms_norm(x + r * width, w, eps, width, y + r * width);
  });
}

Result<void> Forward::embed(const ChunkRequest& request) {
  const size_t d = config_->hidden_size;
  float* x = x_.as<float>();
  for (size_t t = 0; t < request.tokens.size(); ++t) {
    Result<void> read = weights_->embedding.row(static_cast<size_t>(request.tokens[t]), x + t * d);
    if (!read) return read;
    kernels_->scale(x + t * d, weights_->embedding_scale, d);
  }
  return {};
}

// p[t, i, :] = (rmsnorm(raw[t, i, :] * d^-0.5) + table[id_t][i, :] * sqrt(width)) * 2^-0.5
Result<void> Forward::per_layer_inputs(const ChunkRequest& request) {
  const size_t tokens = request.tokens.size();
  const size_t d = config_->hidden_size;
  const size_t width = config_->ple_width;
  const size_t total = config_->layers.size() * width;
  float* ple = ple_.as<float>();
  LinearInput input(linear_, x_.as<float>(), tokens, d);
  multiply(weights_->ple_model_projection, input, ple, total);

  std::vector<Result<void>> outcomes(team_->size());
  const float eps = static_cast<float>(config_->rms_norm_eps);
  const float projection_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  team_->parallel_for(tokens, 1, [&](size_t begin, size_t end, size_t thread) {
    std::vector<float> table_row(total);
    for (size_t t = begin; t < end; ++t) {
      Result<void> read = weights_->ple_table.row(static_cast<size_t>(request.tokens[t]), table_row);
      if (!read) {
        outcomes[thread] = std::move(read);
        return;
      }
      float* row = ple + t * total;
      kernels_->scale(row, projection_scale, total);
      for (size_t i = 0; i < total; i += width) {
        kernels_->rms_norm(row + i, weights_->ple_projection_norm.data(), eps, width, row + i);
      }
      kernels_->scale(table_row.data(), weights_->ple_scale, total);
      kernels_->add(row, table_row.data(), total);
      kernels_->scale(row, 0.70710678118654752f, total);
    }
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

void Forward::angles(const Rows& rows) {
  for (size_t kind : {0, 1}) {
    const size_t pairs = frequencies_[kind].size();
    for (size_t r = 0; r < rows.count && pairs > 0; ++r) {
      rope_angles(frequencies_[kind], rows.first + r, cos_[kind].as<float>() + r * pairs,
                  sin_[kind].as<float>() + r * pairs);
    }
  }
}

void Forward::attention(size_t index, Rows& rows, size_t first_wanted, KvCache& cache) {
  const LayerConfig& layer = config_->layers[index];
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t hd = layer.head_dim;
  const size_t kv_width = layer.kv_heads * hd;
  const size_t pairs = hd / 2;
  const float eps = static_cast<float>(config_->rms_norm_eps);
  const Buffer& cos = cos_[layer.full_attention];
  const Buffer& sin = sin_[layer.full_attention];
  float* x = x_.as<float>();
  float* normed = normed_.as<float>();
  float* k = k_.as<float>();
  float* v = v_.as<float>();
  norm(x, w.input_norm, rows.count, d, normed);

  if (layer.owns_kv) {
    LinearInput input(linear_, normed, rows.count, d);
    multiply(w.k, input, k, kv_width);
    if (layer.k_eq_v) {
      std::memcpy(v, k, rows.count * kv_width * sizeof(float));  // the raw projection, before norm and rope
    } else {
      multiply(w.v, input, v, kv_width);
    }
    team_->parallel_for(rows.count, 8, [&](size_t begin, size_t end, size_t) {
      for (size_t r = begin; r < end; ++r) {
        for (size_t head = 0; head < kv_width; head += hd) {
          float* key = k + r * kv_width + head;
          float* value = v + r * kv_width + head;
          kernels_->rms_norm(key, w.k_norm.data(), eps, hd, key);
          kernels_->rope(key, cos.as<float>() + r * pairs, sin.as<float>() + r * pairs, hd);
          kernels_->rms_norm(value, nullptr, eps, hd, value);
        }
        cache.write(*kernels_, index, rows.first + r, k + r * kv_width, v + r * kv_width);
      }
    });
    keep_from(rows, std::min(first_wanted, rows.count));
    if (rows.count == 0) return;
  }

  const size_t q_width = config_->heads * hd;
  float* q = q_.as<float>();
  float* mixed = mixed_.as<float>();
  {
    LinearInput input(linear_, normed, rows.count, d);
    multiply(w.q, input, q, q_width);
  }
  const KvLayer& source = cache.layer(layer.kv_source);
  const size_t group = config_->heads / layer.kv_heads;
  const size_t window = layer.full_attention ? rows.first + rows.count : config_->sliding_window;
  team_->parallel_for(rows.count * config_->heads, 1, [&](size_t begin, size_t end, size_t thread) {
    for (size_t item = begin; item < end; ++item) {
      const size_t r = item / config_->heads;
      const size_t h = item % config_->heads;
      const size_t position = rows.first + r;
      float* query = q + r * q_width + h * hd;
      kernels_->rms_norm(query, w.q_norm.data(), eps, hd, query);
      kernels_->rope(query, cos.as<float>() + r * pairs, sin.as<float>() + r * pairs, hd);
      kernels::AttentionHead head;
      head.q = query;
      head.k = cache.keys(layer.kv_source, h / group);
      head.v = cache.values(layer.kv_source, h / group);
      head.type = cache.options().type;
      head.slot_stride = hd;
      head.slots = source.slots;
      head.head_dim = hd;
      head.first = position + 1 > window ? position + 1 - window : 0;
      head.last = position;
      head.scratch = scores_.as<float>() + thread * context_;
      head.out = mixed + r * q_width + h * hd;
      kernels_->attention_head(head);
    }
  });
  float* branch = branch_.as<float>();
  LinearInput input(linear_, mixed, rows.count, q_width);
  multiply(w.o, input, branch, d);
  norm(branch, w.post_attention_norm, rows.count, d, branch);
  kernels_->add(x, branch, rows.count * d);
}

void Forward::mlp(size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t width = config_->layers[index].intermediate_size;
  float* x = x_.as<float>();
  float* normed = normed_.as<float>();
  float* gate = gate_.as<float>();
  float* up = up_.as<float>();
  float* branch = branch_.as<float>();
  norm(x, w.pre_feedforward_norm, rows.count, d, normed);
  LinearInput input(linear_, normed, rows.count, d);
  multiply(w.gate, input, gate, width);
  multiply(w.up, input, up, width);
  team_->parallel_for(rows.count * width, 4096, [&](size_t begin, size_t end, size_t) {
    kernels_->gelu_mul(gate + begin, up + begin, end - begin);
  });
  LinearInput hidden(linear_, gate, rows.count, width);
  multiply(w.down, hidden, branch, d);
  if (config_->experts > 0) {
    norm(branch, w.post_feedforward_norm_1, rows.count, d, branch);
    experts(index, rows);
    norm(moe_.as<float>(), w.post_feedforward_norm_2, rows.count, d, moe_.as<float>());
    kernels_->add(branch, moe_.as<float>(), rows.count * d);
  }
  norm(branch, w.post_feedforward_norm, rows.count, d, branch);
  kernels_->add(x, branch, rows.count * d);
}

// moe = sum over the chosen experts, ascending, of weight * down(gelu(gate z) * up z), z = rmsnorm(residual).
// Tokens are grouped by expert, so each expert's weights are read once per chunk.
void Forward::experts(size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t n = config_->experts;
  const size_t width = config_->expert_width;
  const float* x = x_.as<float>();
  float* normed = normed_.as<float>();
  float* gate_up = gate_.as<float>();
  float* moe = moe_.as<float>();

  // The router sees the residual itself: scale-free norm, its own scale, d^-0.5.
  norm(x, {}, rows.count, d, normed);
  const float root = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  for (size_t r = 0; r < rows.count; ++r) {
    for (size_t i = 0; i < d; ++i) normed[r * d + i] = normed[r * d + i] * w.router_scale[i] * root;
  }
  {
    LinearInput input(linear_, normed, rows.count, d);
    multiply(w.router, input, gate_up, n);
  }
  for (std::vector<Routed>& list : routed_) list.clear();
  std::vector<size_t> order(n);
  for (size_t r = 0; r < rows.count; ++r) {
    const float* g = gate_up + r * n;
    for (size_t e = 0; e < n; ++e) order[e] = e;
    const auto better = [&](size_t a, size_t b) { return g[a] != g[b] ? g[a] > g[b] : a < b; };
    const size_t chosen = config_->experts_per_token;
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(chosen), order.end(), better);
    // Softmax over all, the best renormalised: the softmax over the best alone.
    float sum = 0;
    for (size_t i = 0; i < chosen; ++i) sum += std::exp(g[order[i]] - g[order[0]]);
    for (size_t i = 0; i < chosen; ++i) {
      const size_t e = order[i];
      const float weight = std::exp(g[e] - g[order[0]]) / sum * w.per_expert_scale[e];
      routed_[e].push_back({static_cast<uint32_t>(r), weight});
    }
  }

  norm(x, w.pre_feedforward_norm_2, rows.count, d, normed);
  std::fill_n(moe, rows.count * d, 0.0f);
  float* in = expert_in_.as<float>();
  float* out = expert_out_.as<float>();
  float* up = up_.as<float>();
  for (size_t e = 0; e < n; ++e) {
    const std::vector<Routed>& list = routed_[e];
    if (list.empty()) continue;
    for (size_t i = 0; i < list.size(); ++i)
      std::memcpy(in + i * d, normed + list[i].token * d, d * sizeof(float));
    LinearInput input(linear_, in, list.size(), d);
    multiply(w.expert_gate_up[e], input, gate_up, 2 * width);
    for (size_t i = 0; i < list.size(); ++i) {
      std::memcpy(up + i * width, gate_up + i * 2 * width, width * sizeof(float));
      kernels_->gelu_mul(up + i * width, gate_up + i * 2 * width + width, width);
    }
    LinearInput hidden(linear_, up, list.size(), width);
    multiply(w.expert_down[e], hidden, out, d);
    for (size_t i = 0; i < list.size(); ++i) {
      kernels_->scale(out + i * d, list[i].weight, d);
      kernels_->add(moe + list[i].token * d, out + i * d, d);
    }
  }
}

// x += rmsnorm(W_up (gelu(W_gate x) * p[:, layer, :]))
void Forward::per_layer_block(size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t width = config_->ple_width;
  const size_t total = config_->layers.size() * width;
  float* x = x_.as<float>();
  float* gate = ple_gate_.as<float>();
  float* branch = branch_.as<float>();
  LinearInput input(linear_, x, rows.count, d);
  multiply(w.ple_gate, input, gate, width);
  for (size_t r = 0; r < rows.count; ++r) {
    kernels_->gelu_mul(gate + r * width, ple_.as<float>() + r * total + index * width, width);
  }
  LinearInput hidden(linear_, gate, rows.count, width);
  multiply(w.ple_projection, hidden, branch, d);
  norm(branch, w.post_ple_norm, rows.count, d, branch);
  kernels_->add(x, branch, rows.count * d);
}

void Forward::head(const Rows& rows, const LogitsSink& sink) {
  const size_t d = config_->hidden_size;
  const size_t vocab = config_->vocab_size;
  float* normed = normed_.as<float>();
  float* logits = logits_.as<float>();
  norm(x_.as<float>(), weights_->final_norm, rows.count, d, normed);
  for (size_t r = 0; r < rows.count; r += kLogitRows) {
    const size_t n = std::min(kLogitRows, rows.count - r);
    LinearInput input(linear_, normed + r * d, n, d);
    multiply(weights_->head.matrix(), input, logits, vocab);
    if (config_->final_softcap > 0) {
      const float cap = static_cast<float>(config_->final_softcap);
      team_->parallel_for(n * vocab, 8192, [&](size_t begin, size_t end, size_t) {
        kernels_->softcap(logits + begin, cap, end - begin);
      });
    }
    for (size_t i = 0; i < n; ++i) sink(rows.first + r + i, {logits + i * vocab, vocab});
  }
}

}  // namespace gemma
