#include "loader/config_text.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

ModelConfig some_config() {
  const Result<ModelConfig> config = read_config(std::string(GEMMA_TEST_DATA) + "/config/e2b.json");
  REQUIRE(config.has_value());
  return *config;
}

TEST_CASE("equal configurations have one text, and every field changes it") {
  const ModelConfig config = some_config();
  CHECK(config_text(config) == config_text(some_config()));
  const auto differs = [&](auto change) {
    ModelConfig other = config;
    change(other);
    CHECK(config_text(other) != config_text(config));
  };
  differs([](ModelConfig& c) { c.full_rope.theta += 1; });
  differs([](ModelConfig& c) { c.full_rope.partial_rotary_factor = 0.5; });
  differs([](ModelConfig& c) { c.sliding_rope.theta = 10000.000000000002; });
  differs([](ModelConfig& c) { c.rms_norm_eps = 1e-5; });
  differs([](ModelConfig& c) { c.sliding_window += 1; });
  differs([](ModelConfig& c) { c.final_softcap = 0; });
  differs([](ModelConfig& c) { c.layers[3].kv_source = 2; });
  differs([](ModelConfig& c) { c.layers.pop_back(); });
  differs([](ModelConfig& c) { c.dtype = "float32"; });
  differs([](ModelConfig& c) { c.eos_ids.push_back(7); });
  differs([](ModelConfig& c) { c.quantization.format = "pack-quantized"; });
  differs([](ModelConfig& c) { c.tied = false; });
}

TEST_CASE("words that run into each other stay apart") {
  ModelConfig a = some_config(), b = a;
  a.quantization = {"ab", "c"};
  b.quantization = {"a", "bc"};
  CHECK(config_text(a) != config_text(b));
}

}  // namespace
}  // namespace gemma
