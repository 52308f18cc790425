#include "engine/evaluation/layer_comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/evaluation/comparison.h"
#include "engine/evaluation/vocabulary_reductions.h"
#include "engine/evaluation/window_scorer.h"

namespace gemma {
namespace {

constexpr size_t kMostRows = 64;  // 60 layers of 5376 floats: 83 MB

Result<void> check_same_shape(const Model& base, const Model& candidate) {
  const ModelConfig& a = base.config();
  const ModelConfig& b = candidate.config();
  if (a.layers.size() != b.layers.size() || a.hidden_size != b.hidden_size) {
    return fail(ErrorCode::kMismatch, candidate.name(),
                fmt::format("it has {} layers of width {}, {} has {} of {}", b.layers.size(), b.hidden_size,
                            base.name(), a.layers.size(), a.hidden_size),
                "layers can be compared of one shape only");
  }
  const std::array<const Model*, 2> models = {&base, &candidate};
  return check_same_vocabulary(models);
}

}  // namespace

void VectorDifference::add(std::span<const float> base, std::span<const float> candidate) {
  for (size_t i = 0; i < base.size(); ++i) {
    const double a = static_cast<double>(base[i]);
    const double b = static_cast<double>(candidate[i]);
    const double difference = b - a;
    max_abs = std::max(max_abs, std::abs(difference));
    difference2 += difference * difference;
    base2 += a * a;
    candidate2 += b * b;
    product += a * b;
  }
  count += base.size();
}

double VectorDifference::relative_l2() const {
  if (difference2 == 0) return 0;
  return std::sqrt(difference2 / base2);
}

double VectorDifference::cosine() const {
  if (difference2 == 0) return 1;
  return product / std::sqrt(base2 * candidate2);
}

double VectorDifference::snr_db() const {
  if (difference2 == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(base2 / difference2);
}

std::optional<size_t> first_beyond(const LayerComparison& comparison, double tolerance) {
  for (size_t i = 0; i < comparison.layers.size(); ++i) {
    if (!(comparison.layers[i].relative_l2() <= tolerance)) return i;
  }
  return std::nullopt;
}

Result<void> compare_layers(Session& base, Session& candidate, const EvaluationPlan& plan,
                            LayerComparison& comparison,
                            const std::function<bool(const LayerComparison&)>& step) {
  const Model& model = base.model();
  if (Result<void> same = check_same_shape(model, candidate.model()); !same) return same;
  if (Result<void> fits = check_plan(plan, model); !fits) return fits;
  const size_t layers = model.config().layers.size();
  const size_t width = model.config().hidden_size;
  const size_t vocab = model.config().vocab_size;
  const size_t rows = std::min({kMostRows, comparison_rows(vocab), std::max<size_t>(1, plan.longest_input)});
  const size_t bytes = rows * (layers * width + vocab) * sizeof(float);
  if (Result<void> room = check_memory(bytes, "activations of the base model"); !room) return room;
  Result<Buffer> kept = Buffer::allocate(bytes, "activations of the base model");
  if (!kept) return fail(std::move(kept.error()));
  float* hidden = kept->as<float>();               // (layers, rows, width)
  float* logits = hidden + layers * rows * width;  // (rows, vocab)
  comparison.layers.resize(layers);

  const ThreadTeam& team = model.team();
  std::vector<int32_t> input;
  for (const EvaluationWindow& window : plan.windows) {
    if (window.fresh_begin == window.target_end) continue;
    plan.input(window, input);
    base.reset();
    candidate.reset();
    const size_t silent = input.size() - (window.target_end - window.fresh_begin);
    for (size_t done = 0; done < input.size(); done += rows) {
      const std::span<const int32_t> piece =
          std::span(input).subspan(done, std::min(rows, input.size() - done));
      const size_t logits_from = std::min(piece.size(), silent > done ? silent - done : 0);
      const auto row_of = [&](size_t position) { return position - done; };
      Result<void> ran = base.evaluate(
          piece, logits_from,
          [&](size_t position, std::span<const float> row) {
            std::copy(row.begin(), row.end(), logits + row_of(position) * vocab);
          },
          [&](size_t layer, size_t position, std::span<const float> row) {
            std::copy(row.begin(), row.end(), hidden + (layer * rows + row_of(position)) * width);
          });
      if (!ran) return ran;
      ran = candidate.evaluate(
          piece, logits_from,
          [&](size_t position, std::span<const float> row) {
            const std::span<const float> first(logits + row_of(position) * vocab, vocab);
            comparison.logits.add(first, row);
            comparison.divergence.add(
                kl_divergence(team, first, log_sum_exp(team, first), row, log_sum_exp(team, row)));
          },
          [&](size_t layer, size_t position, std::span<const float> row) {
            comparison.layers[layer].add({hidden + (layer * rows + row_of(position)) * width, width}, row);
          });
      if (!ran) return ran;
      comparison.positions += piece.size();
    }
    ++comparison.windows;
    if (!step(comparison)) break;
  }
  return {};
}

}  // namespace gemma
