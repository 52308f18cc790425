#include "engine/group_fit.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/tensor_plan.h"

namespace gemma {

Result<void> check_groups(const ModelConfig& config, const Scheme& scheme) {
  std::vector<std::string> misfits;
  for (const PlannedTensor& planned : plan_tensors(config)) {
    const bool head = planned.tensor_class == TensorClass::kHead;
    if ((!planned.required && !head) || planned.tensor_class == TensorClass::kFloat) continue;
    const ClassScheme& how = scheme.of(planned.tensor_class, planned.name);
    // A tied head of the embedding's scheme is the embedding, which is on the list.
    if (!planned.required && how == scheme.of(TensorClass::kEmbed)) continue;
    const bool table = planned.tensor_class == TensorClass::kPle;
    const size_t cols = table ? config.ple_width : planned.shape.back();
    const bool weights = how.weight == WeightKind::kLevels && how.granularity == Granularity::kGroup;
    const bool inputs = how.activation == ActivationLevels::kGroup && !table;
    if (weights && cols % how.weight_group != 0) {
      misfits.push_back(fmt::format("{}: {} columns, groups of {}", planned.name, cols, how.weight_group));
    } else if (inputs && cols % how.activation_group != 0) {
      misfits.push_back(
          fmt::format("{}: {} columns, activation groups of {}", planned.name, cols, how.activation_group));
    }
  }
  if (misfits.empty()) return {};
  return fail(ErrorCode::kUsage, "scheme " + to_string(scheme),
              fmt::format("the group does not divide the columns of {} tensors:\n    {}", misfits.size(),
                          fmt::join(misfits, "\n    ")),
              "take a group size that divides them, or per channel (c)");
}

}  // namespace gemma
