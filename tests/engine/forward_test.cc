// What a chunk costs: bytes read for tokens that nobody waits for, meetings of the threads.
#include <atomic>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "engine/forward.h"
#include "engine/model.h"
#include "engine/stored_tensor.h"
#include "engine/synthetic.h"
#include "engine/synthetic_mobile.h"

namespace gemma {
namespace {

// Another source, and how many bytes of one of its tensors were read; or it reads no more of that one.
class CountingSource final : public TensorSource {
 public:
  CountingSource(const TensorSource& base, std::string counted) : base_(base), counted_(std::move(counted)) {}
  std::span<const TensorInfo> tensors() const override { return base_.tensors(); }
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override { return base_.mapped(tensor); }
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override {
    count(tensor, out.size());
    if (broken && tensor.name == counted_) return failure();
    return base_.read_rows(tensor, row0, row1, out);
  }
  Result<void> read_row_start(const TensorInfo& tensor, size_t row, std::span<std::byte> out) const override {
    count(tensor, out.size());
    if (broken && tensor.name == counted_) return failure();
    return base_.read_row_start(tensor, row, out);
  }
  size_t take_bytes() const { return bytes_.exchange(0); }
  std::atomic<bool> broken{false};

 private:
  static Result<void> failure() { return fail({ErrorCode::kIo, "table", "the disk is gone", ""}); }
  void count(const TensorInfo& tensor, size_t bytes) const {
    if (tensor.name == counted_) bytes_ += bytes;
  }
  const TensorSource& base_;
  std::string counted_;
  mutable std::atomic<size_t> bytes_{0};
};

TEST_CASE("a token that nobody waits for reads per-layer embeddings of the layers before the last cache") {
  const ModelConfig config = *synthetic_config("tiny");
  const SyntheticSource synthetic(config, 0);
  const CountingSource source(synthetic, "embed_tokens_per_layer.weight");
  const ThreadTeam team(2);
  const auto weights = build_weights(config, *parse_scheme("int8"), source, Placement::kCopied,
                                     kernels::default_kernel_table(), team, {});
  REQUIRE(weights.has_value());
  auto cache = KvCache::create(config, {64, 16, 16, kernels::KvType::kF32});
  auto forward = Forward::create(config, **weights, team, kernels::default_kernel_table(), 16, 64);
  REQUIRE((cache.has_value() && forward.has_value()));
  const size_t before = config.last_kv_owner(), layers = config.layers.size();
  REQUIRE(before + 1 < layers);
  const size_t slice = config.ple_width * sizeof(uint16_t);
  const std::vector<int32_t> tokens = {2, 5, 9, 30, 7, 11, 100, 3, 2};
  std::vector<float> last;
  const LogitsSink keep = [&](size_t, std::span<const float> row) { last.assign(row.begin(), row.end()); };
  const auto bytes_of = [&](size_t logits_from, bool all_layers) {
    (void)source.take_bytes();
    ChunkRequest request;
    request.tokens = tokens;
    request.logits_from = logits_from;
    request.on_logits = logits_from < tokens.size() ? &keep : nullptr;
    request.all_layers = all_layers;
    REQUIRE(forward->run(request, *cache).has_value());
    return source.take_bytes();
  };
  CHECK(bytes_of(8, true) == 9 * layers * slice);
  const std::vector<float> expected = last;
  CHECK(bytes_of(9, false) == 9 * before * slice);
  CHECK(bytes_of(6, false) == (6 * before + 3 * layers) * slice);
  CHECK(last == expected);
  CHECK(bytes_of(8, false) == (8 * before + layers) * slice);
  CHECK(last == expected);
}

TEST_CASE("a row of the per-layer table that cannot be read fails its chunk and not the next one") {
  const ModelConfig config = *synthetic_config("tiny");
  const SyntheticSource synthetic(config, 0);
  CountingSource source(synthetic, "embed_tokens_per_layer.weight");
  const ThreadTeam team(2);
  const auto weights = build_weights(config, *parse_scheme("int4"), source, Placement::kCopied,
                                     kernels::default_kernel_table(), team, {});
  REQUIRE(weights.has_value());
  auto cache = KvCache::create(config, {64, 16, 16, kernels::KvType::kF32});
  auto forward = Forward::create(config, **weights, team, kernels::default_kernel_table(), 16, 64);
  REQUIRE((cache.has_value() && forward.has_value()));
  const std::vector<int32_t> tokens = {2, 5, 9, 30, 7};
  std::vector<float> last;
  const LogitsSink keep = [&](size_t, std::span<const float> row) { last.assign(row.begin(), row.end()); };
  // One token, one for each thread (read before the projection), more (after it).
  for (const size_t n : {1u, 2u, 5u}) {
    CAPTURE(n);
    ChunkRequest request;
    request.tokens = std::span(tokens).first(n);
    request.logits_from = n - 1;
    request.on_logits = &keep;
    REQUIRE(forward->run(request, *cache).has_value());
    const std::vector<float> expected = last;
    source.broken = true;
    last.clear();
    const Result<void> broken = forward->run(request, *cache);
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().code == ErrorCode::kIo);
    CHECK(last.empty());
    source.broken = false;
    REQUIRE(forward->run(request, *cache).has_value());
    CHECK(last == expected);
  }
}

TEST_CASE("the beginning of a row is what the whole row begins with, and reads no more than it needs") {
  const ModelConfig config = *synthetic_config("tiny");
  const SyntheticSource floats(config, 0);
  const SyntheticMobileSource levels(mobile_config(config), 0);  // with scales in a tensor of their own
  for (const TensorSource* base :
       {static_cast<const TensorSource*>(&floats), static_cast<const TensorSource*>(&levels)}) {
    for (const char* name : {"embed_tokens_per_layer.weight", "embed_tokens.weight"}) {
      CAPTURE(name);
      const CountingSource source(*base, name);
      const TensorInfo& tensor = *source.find(name);
      const StoredTensor stored = *StoredTensor::open(source, tensor, kernels::default_kernel_table());
      StoredTensor::Scratch scratch;
      std::vector<float> whole(tensor.columns()), start(tensor.columns());
      REQUIRE(stored.floats(3, 1, scratch, whole.data()).has_value());
      for (const size_t columns : {size_t{1}, size_t{32}, size_t{33}, tensor.columns()}) {
        (void)source.take_bytes();
        REQUIRE(stored.row_start(3, columns, scratch, start.data()).has_value());
        CHECK(std::memcmp(whole.data(), start.data(), columns * sizeof(float)) == 0);
        CHECK(source.take_bytes() == encoded_row_bytes(tensor.encoding, tensor.dtype, columns));
      }
    }
  }
}

// Meetings of a chunk: those of its beginning and its head, and those of each layer.
struct Meetings {
  size_t decode, prefill;  // of a layer
};

Meetings meetings_of(const std::string& name, const std::string& scheme) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 2;
  options.tokenizer = false;
  const auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  const ModelConfig& config = (*model)->config();
  auto cache = KvCache::create(config, {64, 16, 16, kernels::KvType::kF32});
  auto forward = Forward::create(config, (*model)->weights(), (*model)->team(), (*model)->kernels(), 16, 64);
  REQUIRE((cache.has_value() && forward.has_value()));
  const LogitsSink ignore = [](size_t, std::span<const float>) {};
  const auto of_a_layer = [&](std::vector<int32_t> tokens, size_t position) {
    const uint32_t before = forward->meetings();
    ChunkRequest request;
    request.tokens = tokens;
    request.position = position;
    request.logits_from = tokens.size() - 1;
    request.on_logits = &ignore;
    request.all_layers = true;
    REQUIRE(forward->run(request, *cache).has_value());
    const size_t begin = config.ple_width > 0 ? 3 : 1, head = 3, layers = config.layers.size();
    const size_t in_layers = forward->meetings() - before - begin - head;
    CHECK(in_layers % layers == 0);
    return in_layers / layers;
  };
  const size_t prefill = of_a_layer({2, 5, 9, 30, 7}, 0);
  return {of_a_layer({11}, 5), prefill};
}

TEST_CASE("threads meet in a layer as often as docs/decisions/005 says") {
  struct Case {
    const char* name;
    size_t decode_pieces, prefill_pieces;  // levels made where the numbers are
    size_t decode_rows, prefill_rows;      // one scale per token
  };
  const std::string goldens = std::string(GEMMA_TEST_DATA) + "/goldens/";
  for (const Case& expected : {Case{"synthetic:tiny", 12, 11, 15, 14}, Case{"tiny-dense", 9, 8, 11, 10},
                               Case{"tiny-moe", 16, 15, 19, 18}}) {
    CAPTURE(expected.name);
    const bool synthetic = std::string(expected.name).starts_with("synthetic");
    const std::string name = synthetic ? expected.name : goldens + expected.name;
    for (const char* scheme : {"int4", "bf16"}) {
      CAPTURE(scheme);
      const Meetings found = meetings_of(name, scheme);
      CHECK(found.decode == expected.decode_pieces);
      CHECK(found.prefill == expected.prefill_pieces);
    }
    const Meetings found = meetings_of(name, "int8");
    CHECK(found.decode == expected.decode_rows);
    CHECK(found.prefill == expected.prefill_rows);
  }
  CHECK(meetings_of("synthetic:tiny", "mobile").decode == 12);
}

}  // namespace
}  // namespace gemma
