// The MLP of a layer, its experts if it has any, and its per-layer embedding block.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "engine/forward.h"
#include "engine/forward_plan.h"

namespace gemma {

// gate = gelu(W_gate x) * W_up x, the input `hidden` of the matrix down. A worker multiplies some rows of
// both matrices, joins them and makes levels of them at once. If levels are all that down reads, the numbers of
// many tokens stay in a place of the worker's own, and so in its cache: gate and up take 9 % less time (1536 x
// 6144, 256 tokens, AVX-512) than by way of memory.
void Forward::gate_and_up(Worker& me, const LayerWeights& w, LinearInput& input, LinearInput& hidden,
                          size_t width) {
  float* gate = gate_.as<float>();
  float* up = up_.as<float>();
  const size_t tokens = input.tokens();
  const Grain grain = gate_grain(width, config_->hidden_size, tokens, me.threads());
  const bool in_pieces = hidden.in_pieces(w.down.input(), grain.items);
  // Of columns [begin, end): from `gate` and `up` on, `stride` from one token to the next.
  const auto join = [&](size_t begin, size_t end, float* gates, float* ups, size_t stride) {
    for (size_t t = 0; t < tokens; ++t) {
      float* numbers = gates + t * stride + begin;
      kernels_->gelu_mul(numbers, ups + t * stride + begin, end - begin);
      if (in_pieces) hidden.make_piece(*kernels_, t, begin, end, numbers);
    }
  };
  if (observer_ != nullptr || !(w.gate.input() == w.up.input())) {
    multiply_ahead(me, w.gate, input, gate, width);
    multiply(me, w.up, input, up, width);
    me.take(width, grain, [&](size_t begin, size_t end) { join(begin, end, gate, up, width); });
  } else {
    const kernels::Activations acts = input.prepare(*kernels_, me, w.gate.input());
    expect(me, w.down, tokens);
    const bool passing = passes_gate(w.down.input(), tokens, grain);
    const size_t piece = gate_piece(tokens);
    float* own = pieces_.as<float>() + width + me.thread() * 2 * piece;
    me.take(width, grain, [&](size_t begin, size_t end) {
      float* gates = passing ? own - begin : gate;
      float* ups = passing ? own + piece - begin : up;
      const size_t stride = passing ? end - begin : width;
      linear_rows(*kernels_, w.gate, acts, linear_, me.thread(), begin, end, gates, stride);
      linear_rows(*kernels_, w.up, acts, linear_, me.thread(), begin, end, ups, stride);
      join(begin, end, gates, ups, stride);
    });
  }
  if (!in_pieces) me.meet();
}

void Forward::mlp(Worker& me, size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t width = config_->layers[index].intermediate_size;
  float* x = row(x_, rows, d);
  float* normed = row(normed_, rows, d);
  float* branch = branch_.as<float>();
  norm_rows(me, x, w.pre_feedforward_norm, rows.count, d, normed);
  LinearInput input(linear_, normed, rows.count, d);
  LinearInput hidden(linear_ahead_, gate_.as<float>(), rows.count, width);
  gate_and_up(me, w, input, hidden, width);
  hidden.prepare(*kernels_, me, w.down.input());
  if (config_->experts > 0) {
    expect(me, w.router, rows.count);
  } else if (config_->ple_width > 0) {
    expect(me, w.ple_gate, rows.count);
  } else {
    expect_layer_after(me, index, rows.count);
  }
  multiply_ahead(me, w.down, hidden, branch, d);
  me.meet();
  if (config_->experts > 0) {
    experts(me, index, rows);
    const float* moe = moe_.as<float>();
    me.share(rows.count, [&](size_t r) {
      norm(branch + r * d, w.post_feedforward_norm_1, d, branch + r * d);
      norm(moe + r * d, w.post_feedforward_norm_2, d, normed + r * d);
      kernels_->add(branch + r * d, normed + r * d, d);
    });
  }
  add_normed(me, branch, w.post_feedforward_norm, rows.count, x);
}

// Each token's experts and their weights, the tokens of each expert, and what they read and add up to.
void Forward::route(Worker& me, const LayerWeights& w, const Rows& rows) {
  const size_t d = config_->hidden_size;
  const size_t n = config_->experts;
  const size_t chosen = config_->experts_per_token;
  const float* x = row(x_, rows, d);
  float* normed = row(normed_, rows, d);
  float* scores = gate_.as<float>();

  // The router sees the residual itself: scale-free norm, its own scale, d^-0.5.
  const float root = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  me.share(rows.count, [&](size_t r) {
    float* z = normed + r * d;
    norm(x + r * d, {}, d, z);
    for (size_t i = 0; i < d; ++i) z[i] = z[i] * w.router_scale[i] * root;
  });
  LinearInput input(linear_, normed, rows.count, d);
  multiply(me, w.router, input, scores, n);
  me.share(rows.count, [&](size_t r) {
    const float* g = scores + r * n;
    Routed* experts = routed_.data() + r * chosen;
    const auto better = [&](uint32_t a, uint32_t b) { return g[a] != g[b] ? g[a] > g[b] : a < b; };
    size_t found = 0;  // best first
    for (uint32_t e = 0; e < n; ++e) {
      if (found == chosen && !better(e, experts[found - 1].expert)) continue;
      size_t at = found < chosen ? found++ : found - 1;
      for (; at > 0 && better(e, experts[at - 1].expert); --at) experts[at] = experts[at - 1];
      experts[at].expert = e;
    }
    // Softmax over all, the best renormalised: the softmax over the best alone.
    const float best = g[experts[0].expert];
    float sum = 0;
    for (size_t i = 0; i < chosen; ++i) sum += std::exp(g[experts[i].expert] - best);
    for (size_t i = 0; i < chosen; ++i) {
      const uint32_t e = experts[i].expert;
      experts[i].weight = std::exp(g[e] - best) / sum * w.per_expert_scale[e];
    }
    std::sort(experts, experts + chosen,
              [](const Routed& a, const Routed& b) { return a.expert < b.expert; });
    norm(x + r * d, w.pre_feedforward_norm_2, d, normed + r * d);
    std::fill_n(moe_.as<float>() + r * d, d, 0.0f);
  });
  me.meet();
  if (me.thread() == 0) {
    std::fill(expert_begin_.begin(), expert_begin_.end(), 0);
    for (size_t i = 0; i < rows.count * chosen; ++i) ++expert_begin_[routed_[i].expert + 1];
    for (size_t e = 0; e < n; ++e) expert_begin_[e + 1] += expert_begin_[e];
    for (size_t i = 0; i < rows.count * chosen; ++i) {
      // The row's place, counting an expert's begin up and afterwards back.
      routed_[i].place = expert_begin_[routed_[i].expert]++;
      expert_tokens_[routed_[i].place] = static_cast<uint32_t>(i / chosen);
    }
    std::copy_backward(expert_begin_.begin(), expert_begin_.end() - 1, expert_begin_.end());
    expert_begin_[0] = 0;
    busy_experts_.clear();
    for (uint32_t e = 0; e < n; ++e) {
      if (expert_begin_[e] < expert_begin_[e + 1]) busy_experts_.push_back(e);
    }
  }
  me.meet();
}

// moe = sum over a token's experts, ascending, of weight * down(gelu(gate z) * up z), z = rmsnorm(residual).
// Tokens are grouped by expert, so only chosen experts are touched and each one's weights are read once per
// chunk. Several experts are computed together, as many as their rows find room.
void Forward::experts(Worker& me, size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t n = config_->experts;
  const size_t chosen = config_->experts_per_token;
  const size_t width = config_->expert_width;
  const size_t room = expert_out_.bytes() / sizeof(float) / d;
  const float* normed = row(normed_, rows, d);
  float* in = expert_in_.as<float>();
  float* out = expert_out_.as<float>();
  float* moe = moe_.as<float>();
  float* gate_up = expert_gate_up_.as<float>();
  float* hidden_rows = expert_hidden_.as<float>();

  route(me, w, rows);

  const auto same_input = [&](size_t a, size_t b) {
    return w.expert_gate_up[a].input() == w.expert_gate_up[b].input() &&
           w.expert_down[a].input() == w.expert_down[b].input();
  };
  const auto busy = [&](size_t first, size_t last) {  // of the experts [first, last)
    const auto begin = std::lower_bound(busy_experts_.begin(), busy_experts_.end(), first);
    return std::span(begin, std::lower_bound(begin, busy_experts_.end(), last));
  };
  const auto grain_of = [&](size_t first, size_t last, size_t matrix_rows, size_t cols) {
    const size_t count = std::max<size_t>(busy(first, last).size(), 1);
    const size_t tokens = (expert_begin_[last] - expert_begin_[first] + count - 1) / count;
    return linear_grain(matrix_rows, cols, tokens, me.threads());
  };
  // Rows of some experts' matrices, one after the other: calls body(expert, first row, end row).
  const auto take_rows = [&](size_t first, size_t last, size_t matrix_rows, size_t cols, const auto& body) {
    const std::span<const uint32_t> experts = busy(first, last);
    const Grain grain = grain_of(first, last, matrix_rows, cols);
    const size_t parts = (matrix_rows + grain.items - 1) / grain.items;
    me.take(experts.size() * parts, {1, grain.halves}, [&](size_t begin, size_t end) {
      for (size_t part = begin, next; part < end; part = next) {
        const size_t before = part - part % parts;
        next = std::min(end, before + parts);
        body(size_t{experts[part / parts]}, (part - before) * grain.items,
             std::min((next - before) * grain.items, matrix_rows));
      }
    });
  };
  me.expect(nullptr, 0);  // what comes next was not known before

  for (size_t first = 0, last = 0; first < n; first = last) {
    for (last = first + 1; last < n && same_input(first, last); ++last) {
      if (expert_begin_[last + 1] - expert_begin_[first] > room) break;
    }
    const size_t place0 = expert_begin_[first], count = expert_begin_[last] - place0;
    if (count == 0) continue;
    me.share(count, [&](size_t i) {
      std::memcpy(in + i * d, normed + expert_tokens_[place0 + i] * d, d * sizeof(float));
    });
    LinearInput input(linear_, in, count, d);
    LinearInput hidden(linear_ahead_, hidden_rows, count, width);
    const kernels::Activations acts = input.prepare(*kernels_, me, w.expert_gate_up[first].input());
    const auto multiply_rows = [&](size_t e, size_t begin, size_t end) {
      const size_t at = expert_begin_[e] - place0;
      linear_rows(*kernels_, w.expert_gate_up[e], rows_of(acts, at, expert_begin_[e + 1] - place0 - at),
                  linear_, me.thread(), begin, end, gate_up + at * 2 * width, 2 * width);
    };
    const auto join = [&](size_t i, size_t begin, size_t end) {
      float* to = hidden_rows + i * width;
      std::memcpy(to + begin, gate_up + i * 2 * width + begin, (end - begin) * sizeof(float));
      kernels_->gelu_mul(to + begin, gate_up + i * 2 * width + width + begin, end - begin);
    };
    if (width % kernels::kPanelRows == 0) {  // both halves of a matrix begin with a panel
      const bool in_pieces =
          hidden.in_pieces(w.expert_down[first].input(), grain_of(first, last, width, d).items);
      take_rows(first, last, width, d, [&](size_t e, size_t begin, size_t end) {
        multiply_rows(e, begin, end);
        multiply_rows(e, width + begin, width + end);
        for (size_t i = expert_begin_[e] - place0; i < expert_begin_[e + 1] - place0; ++i) {
          join(i, begin, end);
          if (in_pieces) {
            hidden.make_piece(*kernels_, i, begin, end, hidden_rows + i * width + begin);
          }
        }
      });
      if (!in_pieces) me.meet();
    } else {
      take_rows(first, last, 2 * width, d, multiply_rows);
      me.meet();
      me.share(count, [&](size_t i) { join(i, 0, width); });
    }
    const kernels::Activations levels = hidden.prepare(*kernels_, me, w.expert_down[first].input());
    take_rows(first, last, d, width, [&](size_t e, size_t begin, size_t end) {
      const size_t at = expert_begin_[e] - place0;
      linear_rows(*kernels_, w.expert_down[e], rows_of(levels, at, expert_begin_[e + 1] - place0 - at),
                  linear_ahead_, me.thread(), begin, end, out + at * d, d);
    });
    me.meet();
    observe_experts(me, w, first, last);
    me.share(rows.count, [&](size_t r) {
      for (size_t i = r * chosen; i < (r + 1) * chosen; ++i) {
        const size_t e = routed_[i].expert;
        if (e < first || e >= last) continue;
        float* result = out + (routed_[i].place - place0) * d;
        kernels_->scale(result, routed_[i].weight, d);
        kernels_->add(moe + r * d, result, d);
      }
    });
    if (last < n) me.meet();  // the next experts write where these rows are read
  }
}

// What the observer is to see of the experts [first, last), before their results are weighted.
void Forward::observe_experts(Worker& me, const LayerWeights& w, size_t first, size_t last) {
  if (observer_ == nullptr) return;
  const size_t d = config_->hidden_size, width = config_->expert_width;
  for (size_t e = first; e < last && me.thread() == 0; ++e) {
    const size_t at = expert_begin_[e] - expert_begin_[first],
                 count = expert_begin_[e + 1] - expert_begin_[e];
    if (count == 0) continue;
    observer_->observe(w.expert_gate_up[e], expert_in_.as<float>() + at * d, count,
                       expert_gate_up_.as<float>() + at * 2 * width, 2 * width);
    observer_->observe(w.expert_down[e], expert_hidden_.as<float>() + at * width, count,
                       expert_out_.as<float>() + at * d, d);
  }
  me.meet();
}

// x += rmsnorm(W_up (gelu(W_gate x) * p[:, layer, :]))
void Forward::per_layer_block(Worker& me, size_t index, const Rows& rows) {
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t width = config_->ple_width;
  const size_t total = config_->layers.size() * width;
  float* x = row(x_, rows, d);
  float* gate = ple_gate_.as<float>();
  float* branch = branch_.as<float>();
  const float* ple = row(ple_, rows, total) + index * width;
  LinearInput input(linear_, x, rows.count, d);
  LinearInput hidden(linear_ahead_, gate, rows.count, width);
  const Grain grain = linear_grain(width, d, rows.count, me.threads());
  const bool in_pieces = hidden.in_pieces(w.ple_projection.input(), grain.items);
  const auto join = [&](size_t begin, size_t end) {
    for (size_t r = 0; r < rows.count; ++r) {
      float* numbers = gate + r * width + begin;
      kernels_->gelu_mul(numbers, ple + r * total + begin, end - begin);
      if (in_pieces) hidden.make_piece(*kernels_, r, begin, end, numbers);
    }
  };
  if (observer_ != nullptr) {
    multiply(me, w.ple_gate, input, gate, width);
    me.take(width, grain, join);
  } else {
    const kernels::Activations acts = input.prepare(*kernels_, me, w.ple_gate.input());
    expect(me, w.ple_projection, rows.count);
    me.take(width, grain, [&](size_t begin, size_t end) {
      linear_rows(*kernels_, w.ple_gate, acts, linear_, me.thread(), begin, end, gate, width);
      join(begin, end);
    });
  }
  if (!in_pieces) me.meet();
  hidden.prepare(*kernels_, me, w.ple_projection.input());
  expect_layer_after(me, index, rows.count);
  multiply_ahead(me, w.ple_projection, hidden, branch, d);
  me.meet();
  add_normed(me, branch, w.post_ple_norm, rows.count, x);
}

}  // namespace gemma
