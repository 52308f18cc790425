#include "engine/calibration.h"

#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "engine/activation_histogram.h"
#include "engine/activation_observer.h"
#include "engine/activation_scales.h"
#include "engine/session.h"
#include "kernels/affine.h"

namespace gemma {
namespace {

struct Seen {
  std::string module;
  ActivationHistogram input, output;
};

// Which matrix belongs to which module, and what both saw.
class Histograms final : public ActivationObserver {
 public:
  Histograms(const Weights& weights, bool head_apart, bool outputs) : outputs_(outputs) {
    add(head_apart ? "lm_head" : "embed_tokens", weights.head.matrix());
    add("per_layer_model_projection", weights.ple_model_projection);
    for (size_t i = 0; i < weights.layers.size(); ++i) {
      const LayerWeights& layer = weights.layers[i];
      const std::pair<const char*, const Matrix*> matrices[] = {
          {"self_attn.q_proj", &layer.q},
          {"self_attn.k_proj", &layer.k},
          {"self_attn.v_proj", &layer.v},
          {"self_attn.o_proj", &layer.o},
          {"mlp.gate_proj", &layer.gate},
          {"mlp.up_proj", &layer.up},
          {"mlp.down_proj", &layer.down},
          {"per_layer_input_gate", &layer.ple_gate},
          {"per_layer_projection", &layer.ple_projection},
      };
      const std::string prefix = fmt::format("layers.{}.", i);
      for (const auto& [name, matrix] : matrices) add(prefix + name, *matrix);
      for (const Matrix& expert : layer.expert_gate_up) add(prefix + "experts.gate_up_proj", expert);
      for (const Matrix& expert : layer.expert_down) add(prefix + "experts.down_proj", expert);
    }
  }

  void observe(const Matrix& matrix, const float* x, size_t tokens, const float* y,
               size_t y_stride) override {
    const auto found = of_.find(&matrix);
    if (found == of_.end()) return;  // the router: it stays float
    found->second->input.add({x, tokens * matrix.view().cols});
    for (size_t t = 0; t < tokens && outputs_; ++t) {
      found->second->output.add({y + t * y_stride, matrix.view().rows});
    }
  }

  std::span<const std::unique_ptr<Seen>> all() const { return seen_; }

 private:
  // Matrices of one module follow each other.
  void add(const std::string& module, const Matrix& matrix) {
    if (matrix.empty()) return;
    if (seen_.empty() || seen_.back()->module != module) {
      seen_.push_back(std::make_unique<Seen>());
      seen_.back()->module = module;
    }
    of_[&matrix] = seen_.back().get();
  }

  bool outputs_;
  std::vector<std::unique_ptr<Seen>> seen_;
  std::map<const Matrix*, Seen*> of_;
};

double clipped_share(const ActivationHistogram& seen, float scale) {
  if (scale == 0 || seen.count() == 0) return 0;
  uint64_t beyond = 0;
  for (const ActivationHistogram::Bin& bin : seen.bins()) {
    if (bin.value / scale > 127.5 || bin.value / scale < -128.5) beyond += bin.count;
  }
  return static_cast<double>(beyond) / static_cast<double>(seen.count());
}

struct Chosen {
  CalibratedMatrix told;
  std::vector<AddedTensor> tensors;
};

Chosen choose(const Seen& seen, const CalibrationOptions& options) {
  const ActivationHistogram& input = seen.input;
  Chosen chosen;
  CalibratedMatrix& told = chosen.told;
  told.module = seen.module;
  told.values = input.count();
  told.input_lowest = input.lowest();
  told.input_highest = input.highest();
  told.input_scale = static_scale(input, options.rule, 8);
  told.clipped = clipped_share(input, told.input_scale);
  const auto [low4, high4] = static_range(input, options.rule, 4);
  const auto [low8, high8] = static_range(input, options.rule, 8);
  const std::string name = seen.module;
  chosen.tensors = {
      {name + std::string(kInputScale), {1}, {told.input_scale}},
      {name + std::string(kInputScale4), {1}, {static_scale(input, options.rule, 4)}},
      {name + std::string(kInputRange), {2, 2}, {low4, high4, low8, high8}},
  };
  if (!options.outputs) return chosen;
  told.output_scale = static_scale(seen.output, options.rule, 8);
  chosen.tensors.push_back({name + std::string(kOutputScale), {1}, {told.output_scale}});
  return chosen;
}

Result<void> check(const Model& model, std::span<const int32_t> ids, const CalibrationOptions& options) {
  if (ids.empty()) return fail(ErrorCode::kUsage, "calibration", "expected a text, found no tokens");
  const double percentile = options.rule.percentile;
  if (!(percentile > 0 && percentile <= 100)) {
    return fail(ErrorCode::kUsage, "calibration",
                fmt::format("expected a percentile above 0 and up to 100, found {}", percentile));
  }
  if (options.window < 2) {
    return fail(ErrorCode::kUsage, "calibration",
                fmt::format("expected a window of at least 2 tokens, found {}", options.window));
  }
  // A window holds <bos> and a token of the text.
  if (model.config().max_positions < 2) {
    return fail(ErrorCode::kUsage, "calibration", "expected a model of 2 positions or more, found 1");
  }
  const std::vector<ClassScheme> classes = model.scheme().all();
  if (std::any_of(classes.begin(), classes.end(), [](const ClassScheme& c) {
        return c.activation != ActivationLevels::kNone || c.weight == WeightKind::kAsStored;
      })) {
    return fail(ErrorCode::kUsage, "calibration with scheme " + to_string(model.scheme()),
                "its activations are rounded, and their floats are what scales are chosen from",
                "calibrate with f32, bf16 or a scheme without a");
  }
  return {};
}

}  // namespace

Scheme with_float_activations(const Scheme& scheme) {
  Scheme floats = scheme;
  const auto strip = [](ClassScheme& c) {
    // The levels of a file as floats: resolved, they would bring activations of their own.
    if (c.weight == WeightKind::kAsStored) c = ClassScheme();
    c.integer = false;
    c.activation = ActivationLevels::kNone;
    c.activation_bits = 0;
    c.activation_group = 0;
    c.activation_zero_point = false;
  };
  strip(floats.base);
  for (ClassScheme& c : floats.classes) strip(c);
  for (auto& [layer, own] : floats.layers) strip(own);
  return floats;
}

Result<Calibration> calibrate(const Model& model, std::span<const int32_t> ids,
                              const CalibrationOptions& options) {
  if (Result<void> checked = check(model, ids, options); !checked) return fail(std::move(checked.error()));
  Result<bool> head_apart = head_is_apart(model.config(), model.source(), model.team());
  if (!head_apart) return fail(std::move(head_apart.error()));
  Histograms histograms(model.weights(), *head_apart, options.outputs);
  SessionOptions session_options;
  session_options.context = std::min(options.window, model.config().max_positions);
  session_options.observer = &histograms;
  Result<Session> session = Session::create(model, session_options);
  if (!session) return fail(std::move(session.error()));

  const LogitsSink unused = [](size_t, std::span<const float>) {};
  const bool bos = model.tokenizer() == nullptr || model.tokenizer()->add_bos();
  const size_t lead = bos ? 1 : 0;
  const size_t step = session->context() - lead;
  std::vector<int32_t> window;
  for (size_t begin = 0; begin < ids.size(); begin += step) {
    const std::span<const int32_t> part = ids.subspan(begin, std::min(step, ids.size() - begin));
    window.assign(lead, model.config().bos_id);
    window.insert(window.end(), part.begin(), part.end());
    session->reset();
    Result<void> ran = session->evaluate(window, 0, unused);
    if (!ran) return fail(std::move(ran.error()));
    if (options.progress) options.progress(begin + part.size(), ids.size());
    if (options.interrupted && options.interrupted()) {
      return fail(ErrorCode::kUsage, "calibration", "interrupted");
    }
  }

  const std::span<const std::unique_ptr<Seen>> seen = histograms.all();
  for (const std::unique_ptr<Seen>& one : seen) {
    if (one->input.not_finite() + one->output.not_finite() == 0) continue;
    return fail(ErrorCode::kInternal, one->module,
                fmt::format("{} activations are not finite: no scale fits them",
                            one->input.not_finite() + one->output.not_finite()),
                "calibrate with f32 weights; if that fails too, the checkpoint is damaged");
  }
  std::vector<Chosen> chosen(seen.size());
  model.team().for_each(seen.size(), [&](size_t i, size_t) { chosen[i] = choose(*seen[i], options); });
  Calibration calibration;
  calibration.tokens = ids.size();
  for (Chosen& one : chosen) {
    calibration.matrices.push_back(std::move(one.told));
    for (AddedTensor& tensor : one.tensors) calibration.tensors.push_back(std::move(tensor));
  }
  return calibration;
}

}  // namespace gemma
