// Written configurations read back as what they were.
#include <doctest/doctest.h>

#include "loader/config_writer.h"

namespace gemma {
namespace {

TEST_CASE("a config.json that was written reads back as the same model, for every size of the family") {
  for (const char* file : {"e2b.json", "e4b.json", "12b.json", "26b-a4b.json", "31b-per-layer.json"}) {
    CAPTURE(file);
    auto config = read_config(std::string(GEMMA_TEST_DATA) + "/config/" + file);
    REQUIRE(config.has_value());
    config->quantization = {};
    const auto text = config_json(*config);
    REQUIRE_MESSAGE(text.has_value(), text.error().message());
    const auto again = parse_config(*text, "again");
    REQUIRE_MESSAGE(again.has_value(), again.error().message());
    CHECK(*again == *config);
  }
}

TEST_CASE("a model that config.json has no words for is refused instead of written wrongly") {
  auto config = read_config(std::string(GEMMA_TEST_DATA) + "/config/12b.json");
  REQUIRE(config.has_value());
  config->layers[3].intermediate_size += 32;
  const auto text = config_json(*config);
  REQUIRE_FALSE(text.has_value());
  CHECK(text.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a generation_config.json that was written reads back as the same defaults") {
  GenerationConfig generation;
  generation.eos_ids = {1, 106, 50};
  generation.suppress_ids = {258883};
  generation.do_sample = true;
  generation.temperature = 1.0;
  generation.top_k = 64;
  generation.top_p = 0.95;
  for (const GenerationConfig& config : {generation, GenerationConfig{}}) {
    const auto again = parse_generation_config(generation_config_json(config), "again");
    REQUIRE_MESSAGE(again.has_value(), again.error().message());
    CHECK(*again == config);
  }
}

}  // namespace
}  // namespace gemma
