#include "benchmarks/model_shapes.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/synthetic_config.h"
#include "engine/tensor_plan.h"

namespace gemma {
namespace {

// "layers.3.self_attn.q_proj.weight" -> "q_proj".
std::string short_name(std::string name) {
  constexpr std::string_view kWeight = ".weight";
  if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
  return name.substr(name.rfind('.') + 1);
}

std::vector<ModelShape> list_shapes() {
  std::vector<ModelShape> shapes;
  std::set<std::pair<size_t, size_t>> seen;
  for (const std::string_view size : kModelSizes) {
    for (const PlannedTensor& tensor : plan_tensors(model_config(size))) {
      const bool table = tensor.tensor_class == TensorClass::kPle;
      if (tensor.tensor_class == TensorClass::kFloat || table || !tensor.required) continue;
      const size_t cols = tensor.shape.back(), rows = tensor.shape[tensor.shape.size() - 2];
      if (!seen.emplace(rows, cols).second) continue;
      const bool head = tensor.tensor_class == TensorClass::kEmbed;
      const std::string name = head ? "head" : short_name(tensor.name);
      shapes.push_back(
          {fmt::format("{}/{}/{}x{}", size, name, rows, cols), size, tensor.tensor_class, rows, cols});
    }
  }
  return shapes;
}

}  // namespace

ModelConfig model_config(std::string_view size) {
  return *synthetic_config(size);
}

const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes = list_shapes();
  return shapes;
}

}  // namespace gemma
