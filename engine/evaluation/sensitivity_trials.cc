#include "engine/evaluation/sensitivity_trials.h"

#include <fmt/format.h>

#include "engine/tensor_plan.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

Result<void> check_words(const std::string& base, const std::string& scheme) {
  for (const std::string& word : {base, scheme}) {
    Result<Scheme> parsed = parse_scheme(word);
    if (!parsed) return fail(std::move(parsed.error()));
    if (word.find(',') != word.npos) {
      return fail(ErrorCode::kUsage, "--sensitivity",
                  fmt::format("expected one scheme for all tensors, found {}", in_quotes(word)),
                  "leave the overrides out: each class or layer is overridden in turn");
    }
  }
  return {};
}

// Weights of the matrices that `wanted` says yes to.
template <typename Wanted>
uint64_t elements_of(const std::vector<PlannedTensor>& planned, const Wanted& wanted) {
  uint64_t elements = 0;
  for (const PlannedTensor& tensor : planned) {
    if (tensor.tensor_class == TensorClass::kFloat || !tensor.required || !wanted(tensor)) continue;
    uint64_t product = 1;
    for (const size_t extent : tensor.shape) product *= extent;
    elements += product;
  }
  return elements;
}

uint64_t elements_of_class(const std::vector<PlannedTensor>& planned, TensorClass wanted) {
  return elements_of(planned, [&](const PlannedTensor& tensor) { return tensor.tensor_class == wanted; });
}

SensitivityTrial all_of(const std::vector<PlannedTensor>& planned, const std::string& scheme) {
  return {"all", std::nullopt, scheme, elements_of(planned, [](const PlannedTensor&) { return true; })};
}

}  // namespace

Result<std::vector<SensitivityTrial>> class_trials(const ModelConfig& config, const std::string& base,
                                                   const std::string& scheme) {
  if (Result<void> good = check_words(base, scheme); !good) return fail(std::move(good.error()));
  constexpr TensorClass kOrder[] = {TensorClass::kEmbed,     TensorClass::kPle, TensorClass::kPleModel,
                                    TensorClass::kAttention, TensorClass::kMlp, TensorClass::kExperts,
                                    TensorClass::kPleGate,   TensorClass::kHead};
  const std::vector<PlannedTensor> planned = plan_tensors(config);
  std::vector<SensitivityTrial> trials;
  for (const TensorClass tensor_class : kOrder) {
    uint64_t elements = elements_of_class(planned, tensor_class);
    // A tied head is no tensor of its own, and a class all the same.
    if (tensor_class == TensorClass::kHead && elements == 0) {
      elements = elements_of_class(planned, TensorClass::kEmbed);
    }
    if (elements == 0) continue;
    const std::string name(to_string(tensor_class));
    trials.push_back({name, std::nullopt, fmt::format("{},{}={}", base, name, scheme), elements});
  }
  trials.push_back(all_of(planned, scheme));
  return trials;
}

Result<std::vector<SensitivityTrial>> layer_trials(const ModelConfig& config, const std::string& base,
                                                   const std::string& scheme) {
  if (Result<void> good = check_words(base, scheme); !good) return fail(std::move(good.error()));
  const std::vector<PlannedTensor> planned = plan_tensors(config);
  std::vector<SensitivityTrial> trials;
  for (size_t layer = 0; layer < config.layers.size(); ++layer) {
    const std::string name = fmt::format("layers.{}", layer);
    trials.push_back(
        {name, layer, fmt::format("{},{}={}", base, name, scheme),
         elements_of(planned, [&](const PlannedTensor& tensor) { return layer_of(tensor.name) == layer; })});
  }
  std::string rest = base;
  for (const TensorClass tensor_class :
       {TensorClass::kEmbed, TensorClass::kPle, TensorClass::kPleModel, TensorClass::kHead}) {
    const bool tied_head = tensor_class == TensorClass::kHead && config.tied;
    if (!tied_head && elements_of_class(planned, tensor_class) == 0) continue;
    rest += fmt::format(",{}={}", to_string(tensor_class), scheme);
  }
  trials.push_back({"rest", std::nullopt, rest, elements_of(planned, [](const PlannedTensor& tensor) {
                      return !layer_of(tensor.name).has_value();
                    })});
  trials.push_back(all_of(planned, scheme));
  return trials;
}

}  // namespace gemma
