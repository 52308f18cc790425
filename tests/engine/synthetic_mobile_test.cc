// The synthetic mobile checkpoint: bits as published, rows the same in whatever portions they are read.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "engine/stored_tensor.h"
#include "engine/synthetic_mobile.h"

namespace gemma {
namespace {

SyntheticMobileSource source_of(const char* size) {
  auto config = synthetic_config(size);
  REQUIRE(config.has_value());
  return SyntheticMobileSource(mobile_config(*config), 0);
}

int bits_of(const TensorSource& source, const char* name) {
  const TensorInfo* tensor = source.find(name);
  return tensor == nullptr ? -1 : encoding_bits(tensor->encoding);
}

TEST_CASE("bits are those of the published E2B and E4B, and 4 elsewhere but for head and embedding") {
  struct Expected {
    const char* size;
    int table, gate, attention, first_mlp, last_mlp;
    const char* last;
  };
  for (const Expected& e : {Expected{"e2b", 4, 8, 4, 4, 2, "layers.34.mlp.down_proj.weight"},
                            Expected{"e4b", 2, 8, 4, 4, 4, "layers.41.mlp.down_proj.weight"},
                            Expected{"12b", -1, -1, 4, 4, 4, "layers.47.mlp.down_proj.weight"}}) {
    CAPTURE(e.size);
    const SyntheticMobileSource source = source_of(e.size);
    CHECK(bits_of(source, "embed_tokens.weight") == 2);
    CHECK(bits_of(source, "lm_head.weight") == 2);
    CHECK(bits_of(source, "embed_tokens_per_layer.weight") == e.table);
    CHECK(bits_of(source, "layers.0.per_layer_input_gate.weight") == e.gate);
    CHECK(bits_of(source, "layers.0.per_layer_projection.weight") == e.gate);
    CHECK(bits_of(source, "layers.0.self_attn.q_proj.weight") == e.attention);
    CHECK(bits_of(source, "layers.0.mlp.up_proj.weight") == e.first_mlp);
    CHECK(bits_of(source, e.last) == e.last_mlp);
    CHECK(bits_of(source, "layers.0.input_layernorm.weight") == 0);
    CHECK(source.find("layers.0.self_attn.q_proj.input_activation_scale") != nullptr);
    CHECK(source.find("embed_tokens.input_activation_scale") == nullptr);
  }
  const SyntheticMobileSource e2b = source_of("e2b");
  CHECK(bits_of(e2b, "layers.14.mlp.gate_proj.weight") == 4);
  CHECK(bits_of(e2b, "layers.15.mlp.gate_proj.weight") == 2);
  CHECK(bits_of(e2b, "per_layer_model_projection.weight") == 0);
  CHECK(e2b.find("embed_tokens_per_layer.weight_scale")->shape == std::vector<size_t>{262144, 35});
}

TEST_CASE("rows are the same in any portion, and levels reach from lowest to highest") {
  const SyntheticMobileSource source = source_of("tiny");
  for (const char* name : {"embed_tokens.weight", "layers.0.self_attn.q_proj.weight",
                           "layers.0.per_layer_input_gate.weight", "embed_tokens_per_layer.weight"}) {
    CAPTURE(name);
    const TensorInfo& tensor = *source.find(name);
    auto stored = StoredTensor::open(source, tensor, kernels::default_kernel_table());
    REQUIRE_MESSAGE(stored.has_value(), stored.error().message());
    const size_t columns = tensor.columns(), groups = columns / stored->group();
    std::vector<int8_t> all(tensor.rows() * columns), one(columns);
    std::vector<float> scales(tensor.rows() * groups), row_scales(groups);
    StoredTensor::Scratch scratch;
    REQUIRE(stored->levels(0, tensor.rows(), scratch, all.data(), scales.data()).has_value());
    for (size_t row : {size_t{0}, size_t{3}, tensor.rows() - 1}) {
      REQUIRE(stored->levels(row, 1, scratch, one.data(), row_scales.data()).has_value());
      CHECK(std::equal(one.begin(), one.end(), all.begin() + static_cast<ptrdiff_t>(row * columns)));
      CHECK(std::equal(row_scales.begin(), row_scales.end(),
                       scales.begin() + static_cast<ptrdiff_t>(row * groups)));
    }
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    const int top = (1 << (stored->bits() - 1)) - 1;
    CHECK(*low <= (stored->bits() == 8 ? -top : -top - 1));
    CHECK(*high == top);
    CHECK(std::set<float>(scales.begin(), scales.end()).size() == 5);
  }
}

}  // namespace
}  // namespace gemma
