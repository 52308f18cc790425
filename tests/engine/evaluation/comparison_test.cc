// Two models side by side: against themselves, and against figures computed from whole logits by brute force.
#include "engine/evaluation/comparison.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "engine/evaluation/layer_comparison.h"
#include "engine/evaluation/perplexity.h"
#include "engine/evaluation/sensitivity_trials.h"
#include "engine/evaluation/window_scorer.h"
#include "tests/engine/evaluation/shipped_stories.h"

namespace gemma {
namespace {

using tests::kStory;
using tests::load_story;

EvaluationPlan story_plan(const Model& model) {
  PerplexityOptions options = default_options(PerplexityDefinition::kStrict);
  options.max_length = 32;
  options.stride = 16;
  auto plan = plan_evaluation(*model.tokenizer(), evaluation_text({kStory}), {}, options);
  REQUIRE_MESSAGE(plan.has_value(), plan.error().message());
  return std::move(*plan);
}

Session session_of(const Model& model, const EvaluationPlan& plan) {
  auto session = Session::create(model, window_session_options(plan, {}));
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  return std::move(*session);
}

Comparison compare(const std::vector<const Model*>& models, const EvaluationPlan& plan) {
  std::vector<Session> sessions;
  std::vector<Session*> all;
  sessions.reserve(models.size());
  for (const Model* model : models) sessions.push_back(session_of(*model, plan));
  for (Session& session : sessions) all.push_back(&session);
  Comparison comparison(models.size() - 1);
  auto done = compare_models(all, plan, comparison, [](const Comparison&) { return true; });
  REQUIRE_MESSAGE(done.has_value(), done.error().message());
  return comparison;
}

TEST_CASE(
    "a model against itself: no divergence, ratio 1, the same top token everywhere, not a bit of doubt") {
  for (const char* scheme : {"f32", "int4"}) {
    CAPTURE(scheme);
    const auto model = load_story(scheme), twin = load_story(scheme);
    const EvaluationPlan plan = story_plan(*model);
    const PairResult same = summarize(compare({model.get(), twin.get()}, plan), 0);
    CHECK(same.tokens == plan.fresh_targets);
    CHECK(same.divergence == 0.0);
    CHECK(same.divergence_max == 0.0);
    CHECK(same.log_ratio == 0.0);
    CHECK(same.ratio == 1.0);
    CHECK(same.ratio_error == 0.0);
    CHECK(same.change_rms == 0.0);
    CHECK(same.same_top == 1.0);
    CHECK(same.same_top_interval[1] == doctest::Approx(1.0));
    CHECK(same.right_to_wrong + same.wrong_to_right + same.wrong_to_wrong == 0);
    CHECK(same.correlation == doctest::Approx(1.0));
    CHECK(same.accuracy == same.base_accuracy);
  }
}

TEST_CASE("every figure is what whole logits give by brute force, for two candidates at once") {
  const auto base = load_story("f32", "stories-full"), first = load_story("int4", "stories-full"),
             second = load_story("int8", "stories-full");
  const EvaluationPlan plan = story_plan(*base);
  const Comparison comparison = compare({base.get(), first.get(), second.get()}, plan);
  const size_t vocab = base->config().vocab_size;
  const std::vector<const Model*> candidates = {first.get(), second.get()};
  for (size_t c = 0; c < candidates.size(); ++c) {
    CAPTURE(c);
    std::vector<long double> divergences, changes, differences;
    long double loss_p = 0, loss_q = 0;
    uint64_t same_top = 0, right_to_wrong = 0, wrong_to_right = 0, wrong_to_wrong = 0;
    for (const EvaluationWindow& window : plan.windows) {
      std::vector<int32_t> input;
      plan.input(window, input);
      const auto all_logits = [&](const Model& model) {
        Session session = session_of(model, plan);
        std::vector<float> all;
        REQUIRE(session
                    .evaluate(input, 0,
                              [&](size_t, std::span<const float> row) {
                                all.insert(all.end(), row.begin(), row.end());
                              })
                    .has_value());
        return all;
      };
      const std::vector<float> p = all_logits(*base), q = all_logits(*candidates[c]);
      for (size_t target = window.fresh_begin; target < window.target_end; ++target) {
        const size_t row = input.size() - (window.target_end - target);
        const auto log_softmax = [&](const std::vector<float>& logits) {
          std::vector<long double> out(logits.begin() + static_cast<ptrdiff_t>(row * vocab),
                                       logits.begin() + static_cast<ptrdiff_t>((row + 1) * vocab));
          long double sum = 0;
          for (const long double x : out) sum += std::exp(x);
          for (long double& x : out) x -= std::log(sum);
          return out;
        };
        const std::vector<long double> log_p = log_softmax(p), log_q = log_softmax(q);
        long double divergence = 0;
        for (size_t i = 0; i < vocab; ++i) divergence += std::exp(log_p[i]) * (log_p[i] - log_q[i]);
        const auto right = static_cast<size_t>(plan.tokens[target]);
        const auto top = [](const std::vector<long double>& x) {
          return static_cast<size_t>(std::max_element(x.begin(), x.end()) - x.begin());
        };
        divergences.push_back(divergence);
        changes.push_back(std::exp(log_q[right]) - std::exp(log_p[right]));
        differences.push_back(log_p[right] - log_q[right]);
        loss_p -= log_p[right];
        loss_q -= log_q[right];
        same_top += top(log_p) == top(log_q);
        right_to_wrong += top(log_p) == right && top(log_q) != right;
        wrong_to_right += top(log_p) != right && top(log_q) == right;
        wrong_to_wrong += top(log_p) != right && top(log_q) != right && top(log_p) != top(log_q);
      }
    }
    const auto mean = [](const std::vector<long double>& x) {
      long double sum = 0;
      for (const long double v : x) sum += v;
      return sum / static_cast<long double>(x.size());
    };
    const auto error = [&](const std::vector<long double>& x) {
      const long double m = mean(x), n = static_cast<long double>(x.size());
      long double sum = 0;
      for (const long double v : x) sum += (v - m) * (v - m);
      return static_cast<double>(std::sqrt(sum / (n - 1) / n));
    };
    const auto near = [](double found, long double expected, double relative) {
      return std::abs(found - static_cast<double>(expected)) <=
             relative * std::abs(static_cast<double>(expected));
    };
    const PairResult pair = summarize(comparison, c);
    const long double n = static_cast<long double>(divergences.size());
    CHECK(near(pair.base_perplexity, std::exp(loss_p / n), 1e-9));
    CHECK(near(pair.perplexity, std::exp(loss_q / n), 1e-9));
    CHECK(near(pair.log_ratio, mean(differences), 1e-8));
    CHECK(near(pair.log_ratio_error, error(differences), 1e-8));
    CHECK(near(pair.divergence, mean(divergences), 1e-8));
    CHECK(near(pair.divergence_error, error(divergences), 1e-8));
    CHECK(near(pair.divergence_max, *std::max_element(divergences.begin(), divergences.end()),
               1e-6));  // kept as float
    CHECK(near(pair.change, mean(changes), 1e-7));
    long double squares = 0;
    for (const long double change : changes) squares += change * change;
    CHECK(near(pair.change_rms, std::sqrt(squares / n), 1e-8));
    CHECK(pair.same_top == static_cast<double>(same_top) / static_cast<double>(n));
    CHECK(pair.right_to_wrong == right_to_wrong);
    CHECK(pair.wrong_to_right == wrong_to_right);
    CHECK(pair.wrong_to_wrong == wrong_to_wrong);
    CHECK(pair.divergence > 0);
  }
  // int8 is closer to float32 than int4 is.
  CHECK(summarize(comparison, 1).divergence < summarize(comparison, 0).divergence / 4);
}

TEST_CASE("the perplexities of a comparison are those of perplexity, and the ratio is theirs") {
  const auto base = load_story("f32"), candidate = load_story("int4");
  const EvaluationPlan plan = story_plan(*base);
  const PairResult pair = summarize(compare({base.get(), candidate.get()}, plan), 0);
  const auto alone = [&](const Model& model) {
    Session session = session_of(model, plan);
    PerplexityState state;
    REQUIRE(run_perplexity(session, plan, state, [](const PerplexityState&) { return true; }).has_value());
    return summarize(plan, state);
  };
  CHECK(pair.base_perplexity == alone(*base).perplexity);
  CHECK(pair.perplexity == alone(*candidate).perplexity);
  CHECK(pair.ratio == doctest::Approx(pair.perplexity / pair.base_perplexity).epsilon(1e-12));
  CHECK(pair.difference_error < pair.error);  // the covariance helps
}

TEST_CASE("models of another vocabulary are refused") {
  const auto model = load_story("f32");
  ModelOptions options;
  options.scheme = "f32";
  options.threads = 1;
  auto other = Model::load("synthetic:tiny", options);
  REQUIRE(other.has_value());
  const EvaluationPlan plan = story_plan(*model);
  Session a = session_of(*model, plan), b = session_of(**other, plan);
  const std::vector<Session*> sessions = {&a, &b};
  Comparison comparison(1);
  auto done = compare_models(sessions, plan, comparison, [](const Comparison&) { return true; });
  REQUIRE(!done.has_value());
  CHECK(done.error().code == ErrorCode::kMismatch);
  LayerComparison layers;
  CHECK(compare_layers(a, b, plan, layers, [](const LayerComparison&) { return true; }).error().code ==
        ErrorCode::kMismatch);
}

TEST_CASE("layers of a model and itself are equal; those of two schemes part as their sums say") {
  const auto base = load_story("f32"), candidate = load_story("int4");
  const EvaluationPlan plan = story_plan(*base);
  Session a = session_of(*base, plan), b = session_of(*base, plan), c = session_of(*candidate, plan);
  LayerComparison same, parted;
  const auto on = [](const LayerComparison&) { return true; };
  REQUIRE(compare_layers(a, b, plan, same, on).has_value());
  REQUIRE(same.layers.size() == base->config().layers.size());
  CHECK(same.layers.back().count == plan.input_tokens * base->config().hidden_size);
  CHECK(same.layers.back().relative_l2() == 0.0);
  CHECK(same.layers.back().cosine() == 1.0);
  CHECK(same.divergence.average() == 0.0);
  CHECK(same.divergence.count == plan.fresh_targets);
  CHECK(!first_beyond(same, 0.0).has_value());

  REQUIRE(compare_layers(a, c, plan, parted, on).has_value());
  CHECK(first_beyond(parted, 1e-6) == 0u);
  CHECK(!first_beyond(parted, 10.0).has_value());
  const VectorDifference& last = parted.layers.back();
  CHECK(last.snr_db() == doctest::Approx(-20 * std::log10(last.relative_l2())));
  const Comparison comparison = compare({base.get(), candidate.get()}, plan);
  CHECK(parted.divergence.average() == doctest::Approx(summarize(comparison, 0).divergence).epsilon(1e-9));
}

TEST_CASE("the difference of two vectors is its definition's") {
  const std::vector<float> a = {3, 0, 4}, b = {3, 1, 4};
  VectorDifference d;
  d.add(a, b);
  CHECK(d.max_abs == 1.0);
  CHECK(d.relative_l2() == doctest::Approx(0.2));
  CHECK(d.snr_db() == doctest::Approx(20 * std::log10(5.0)));
  CHECK(d.cosine() == doctest::Approx(25 / (5 * std::sqrt(26.0))));
}

TEST_CASE("sensitivity tries each class that the model has, alone, and then all") {
  const auto model = load_story("f32");
  auto trials = class_trials(model->config(), "f32", "int4");
  REQUIRE(trials.has_value());
  std::vector<std::string> names;
  for (const SensitivityTrial& trial : *trials) {
    names.push_back(trial.name);
    CHECK(trial.elements > 0);
    CHECK(parse_scheme(trial.scheme).has_value());
  }
  CHECK(names ==
        std::vector<std::string>{"embed", "ple", "ple_model", "attn", "mlp", "ple_gate", "head", "all"});
  CHECK(trials->front().scheme == "f32,embed=int4");
  CHECK(trials->back().scheme == "int4");
  CHECK(class_trials(model->config(), "f32", "int4,head=int8").error().code == ErrorCode::kUsage);
  CHECK(class_trials(model->config(), "f33", "int4").error().code == ErrorCode::kUsage);
}

TEST_CASE("sensitivity tries each layer alone, then what belongs to none, then all, and no weight twice") {
  const auto model = load_story("f32");
  auto trials = layer_trials(model->config(), "f32", "int4");
  REQUIRE(trials.has_value());
  const size_t layers = model->config().layers.size();
  REQUIRE(trials->size() == layers + 2);
  uint64_t sum = 0;
  for (size_t i = 0; i + 1 < trials->size(); ++i) {
    sum += (*trials)[i].elements;
    CHECK((*trials)[i].layer.has_value() == (i < layers));
    CHECK(parse_scheme((*trials)[i].scheme).has_value());
  }
  CHECK((*trials)[2].name == "layers.2");
  CHECK((*trials)[2].scheme == "f32,layers.2=int4");
  CHECK((*trials)[layers].scheme == "f32,embed=int4,ple=int4,ple_model=int4,head=int4");
  CHECK(trials->back().scheme == "int4");
  CHECK(trials->back().elements == sum);
  CHECK(trials->back().elements == class_trials(model->config(), "f32", "int4")->back().elements);
  CHECK(layer_trials(model->config(), "f32", "int4,layers.0=int8").error().code == ErrorCode::kUsage);
}

TEST_CASE("the rows kept for a comparison stay within 64 MB whatever the vocabulary") {
  CHECK(comparison_rows(262144) == 64);
  CHECK(comparison_rows(4096) == 4096);
  CHECK(comparison_rows(1) == 4096);
  CHECK(comparison_rows(size_t{1} << 40) == 1);
  CHECK(comparison_bytes(262144, 512) == size_t{64} << 20);
  CHECK(comparison_bytes(262144, 3) == size_t{3} << 20);
}

}  // namespace
}  // namespace gemma
