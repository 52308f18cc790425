#include "engine/evaluation/class_sensitivity.h"

#include <fmt/format.h>

#include "engine/tensor_plan.h"
#include "loader/in_quotes.h"

namespace gemma {

Result<std::vector<ClassTrial>> class_trials(const ModelConfig& config, const std::string& base,
                                             const std::string& scheme) {
  for (const std::string& word : {base, scheme}) {
    Result<Scheme> parsed = parse_scheme(word);
    if (!parsed) return fail(std::move(parsed.error()));
    if (word.find(',') != word.npos) {
      return fail(ErrorCode::kUsage, "--sensitivity",
                  fmt::format("expected one scheme for all classes, found {}", in_quotes(word)),
                  "leave the overrides out: each class is overridden in turn");
    }
  }
  constexpr TensorClass kOrder[] = {TensorClass::kEmbed,     TensorClass::kPle, TensorClass::kPleModel,
                                    TensorClass::kAttention, TensorClass::kMlp, TensorClass::kExperts,
                                    TensorClass::kPleGate,   TensorClass::kHead};
  const std::vector<PlannedTensor> planned = plan_tensors(config);
  const auto elements_of = [&](TensorClass wanted) {
    uint64_t elements = 0;
    for (const PlannedTensor& tensor : planned) {
      if (tensor.tensor_class != wanted || !tensor.required) continue;
      uint64_t product = 1;
      for (const size_t extent : tensor.shape) product *= extent;
      elements += product;
    }
    return elements;
  };
  std::vector<ClassTrial> trials;
  uint64_t total = 0;
  for (const TensorClass tensor_class : kOrder) {
    uint64_t elements = elements_of(tensor_class);
    total += elements;
    // A tied head is no tensor of its own, and a class all the same.
    if (tensor_class == TensorClass::kHead && elements == 0) elements = elements_of(TensorClass::kEmbed);
    if (elements == 0) continue;
    const std::string name(to_string(tensor_class));
    trials.push_back({name, fmt::format("{},{}={}", base, name, scheme), elements});
  }
  trials.push_back({"all", scheme, total});
  return trials;
}

}  // namespace gemma
