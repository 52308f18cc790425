// Memory by part: what is listed is what was allocated, and what was planned is what was built.
#include "engine/memory_report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory_forecast.h"
#include "engine/memory_inventory.h"
#include "engine/resident_pages.h"
#include "engine/synthetic_config.h"
#include "engine/weight_plan.h"

using namespace gemma;

namespace {

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme,
                            std::optional<Placement> placement = {}) {
  ModelOptions options;
  options.scheme = scheme;
  options.placement = placement;
  options.threads = 1;
  options.tokenizer = false;
  Result<std::unique_ptr<Model>> model = Model::load(name, options);
  REQUIRE_MESSAGE(model, model.error().message());
  return std::move(*model);
}

uint64_t listed(const std::vector<MemoryRange>& ranges, MemoryPart part) {
  uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += range.part == part ? range.bytes : 0;
  return bytes;
}

const std::string kGoldens = std::string(GEMMA_TEST_DATA) + "/goldens/";

}  // namespace

TEST_CASE("the weights planned are the weights built, mapped or copied or packed, in every scheme") {
  for (const Placement placement : {Placement::kCopied, Placement::kMapped}) {
    for (const char* name : {"synthetic:tiny", "tiny-moe", "tiny-ple", "tiny-dense"}) {
      for (const char* scheme :
           {"f32", "bf16", "int8", "int4-channel", "fake:int8", "w3c", "w4t", "w8g16", "int8,head=bf16"}) {
        CAPTURE(static_cast<int>(placement));
        CAPTURE(name);
        CAPTURE(scheme);
        const bool synthetic = std::string(name).starts_with("synthetic");
        const std::unique_ptr<Model> model = load(synthetic ? name : kGoldens + name, scheme, placement);
        const Result<std::vector<PlannedWeight>> plan = plan_weights(
            model->config(), model->scheme(), model->source(), model->placement(), model->kernels());
        REQUIRE(plan);
        uint64_t owned = 0, mapped = 0;
        for (const PlannedWeight& weight : *plan) {
          owned += weight.owned_bytes;
          mapped += weight.mapped_bytes;
        }
        uint64_t owned_listed = 0, mapped_listed = 0;
        for (const MemoryRange& range : list_memory(*model, nullptr)) {
          REQUIRE(range.part == MemoryPart::kWeights);
          (range.mapped ? mapped_listed : owned_listed) += range.bytes;
        }
        // layer_scalar, a number per layer, lies inside the layer's object.
        CHECK(owned_listed + model->config().layers.size() * sizeof(float) == owned);
        CHECK(mapped_listed == mapped);
        if (placement == Placement::kCopied) CHECK(mapped == 0);
      }
    }
  }
}

TEST_CASE("a session lists exactly what its plans said it would allocate") {
  const std::unique_ptr<Model> model = load("synthetic:tiny", "int8");
  for (const kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    const Result<Session> session = Session::create(*model, {.context = 300, .chunk = 32, .kv_type = type});
    REQUIRE(session);
    std::vector<MemoryRange> ranges;
    session->list_memory(ranges);
    CHECK(listed(ranges, MemoryPart::kKvSliding) + listed(ranges, MemoryPart::kKvFull) ==
          session->kv_reserved_bytes());
    CHECK(listed(ranges, MemoryPart::kActivations) + listed(ranges, MemoryPart::kScratch) +
              listed(ranges, MemoryPart::kLogits) ==
          session->scratch_bytes());
  }
}

TEST_CASE("reserved keys and values are not resident before their positions are written") {
  const Result<ModelConfig> config = synthetic_config("e2b");
  REQUIRE(config);
  Result<KvCache> cache = KvCache::create(*config, {131'072, 256, 256, kernels::KvType::kF16});
  REQUIRE(cache);
  std::vector<MemoryRange> ranges;
  cache->list_memory(*config, ranges);
  const auto resident = [&]() -> uint64_t {
    const Result<ResidentPages> pages = ResidentPages::read();
    REQUIRE(pages);
    uint64_t bytes = 0;
    for (const MemoryRange& range : ranges) {
      if (range.part == MemoryPart::kKvFull) bytes += pages->bytes(range.begin, range.bytes);
    }
    return bytes;
  };
  CHECK(listed(ranges, MemoryPart::kKvFull) > 500'000'000);
  CHECK(resident() == 0);

  size_t full = 0;  // the first layer that sees the whole context
  while (!config->layers[full].full_attention) ++full;
  const std::vector<float> row(config->layers[full].kv_heads * config->layers[full].head_dim, 1.0f);
  cache->write(kernels::default_kernel_table(), full, 0, row.data(), row.data());
  CHECK(resident() > 0);
  CHECK(resident() <=
        2 * config->layers[full].kv_heads * (size_t{2} << 20));  // huge pages of keys and values
}

TEST_CASE("lines add up to the accounted sum, and the rest is told") {
  const std::unique_ptr<Model> model = load(kGoldens + "tiny-ple", "bf16");
  const Result<MemoryReport> report = memory_report(*model, nullptr);
  REQUIRE(report);
  uint64_t sum = 0;
  for (const MemoryLine& line : report->lines) sum += line.resident_bytes;
  CHECK(report->accounted_bytes == sum);
  CHECK(static_cast<int64_t>(report->process.resident_bytes) ==
        static_cast<int64_t>(sum) + report->unaccounted_bytes);
  const uint64_t code = report->resident(MemoryPart::kCode);
  CHECK(code > 100'000);
  CHECK(report->resident(MemoryPart::kStacks) > 0);
}

TEST_CASE("half of a long context takes half of the keys and values, and no less of the weights") {
  ModelOptions without;
  without.weights = false;
  without.tokenizer = false;
  without.threads = 1;
  Result<std::unique_ptr<Model>> planned = Model::load("synthetic:e2b", without);
  REQUIRE(planned);
  REQUIRE((*planned)->choose_scheme("int4"));
  ForecastOptions options;
  options.session.context = 131'072;
  const Result<MemoryForecast> whole = forecast_memory(**planned, options);
  options.tokens = 131'072 / 2;
  const Result<MemoryForecast> half = forecast_memory(**planned, options);
  REQUIRE(whole);
  REQUIRE(half);
  CHECK(half->session.context == 131'072);
  CHECK(2 * half->resident(MemoryPart::kKvFull) == whole->resident(MemoryPart::kKvFull));
  CHECK(half->resident(MemoryPart::kKvSliding) == whole->resident(MemoryPart::kKvSliding));
  CHECK(half->resident(MemoryPart::kWeights) == whole->resident(MemoryPart::kWeights));
  CHECK(whole->resident(MemoryPart::kWeights) > 1'200'000'000);
}

TEST_CASE("a forecast reserves what loading reserves") {
  ModelOptions without;
  without.weights = false;
  without.tokenizer = false;
  without.threads = 1;
  Result<std::unique_ptr<Model>> planned = Model::load("synthetic:tiny", without);
  REQUIRE(planned);
  REQUIRE((*planned)->choose_scheme("int8"));
  const std::unique_ptr<Model> model = load("synthetic:tiny", "int8");
  for (const kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    ForecastOptions options;
    options.session.context = 4000;
    options.session.kv_type = type;
    const Result<MemoryForecast> whole = forecast_memory(**planned, options);
    REQUIRE(whole);
    const Result<Session> session = Session::create(*model, options.session);
    REQUIRE(session);
    std::vector<MemoryRange> ranges;
    session->list_memory(ranges);
    for (const MemoryPart part : {MemoryPart::kKvSliding, MemoryPart::kKvFull, MemoryPart::kActivations,
                                  MemoryPart::kScratch, MemoryPart::kLogits}) {
      uint64_t reserved = 0;
      for (const MemoryLine& line : whole->lines) reserved += line.part == part ? line.reserved_bytes : 0;
      CHECK(reserved == listed(ranges, part));
    }
  }
}

TEST_CASE("a forecast refuses a context beyond the model's and says so") {
  ModelOptions without;
  without.weights = false;
  without.tokenizer = false;
  Result<std::unique_ptr<Model>> planned = Model::load("synthetic:tiny", without);
  REQUIRE(planned);
  REQUIRE((*planned)->choose_scheme("f32"));
  ForecastOptions options;
  options.session.context = (*planned)->config().max_positions + 1;
  const Result<MemoryForecast> refused = forecast_memory(**planned, options);
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::kUsage);
  CHECK(refused.error().where == "context");
}
