// Synthetic checkpoints: names, configurations, tensors, values and the tokenizer.
#include "engine/synthetic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <thread>
#include <unordered_set>

#include "engine/synthetic_tokenizer.h"

using namespace gemma;

namespace {

const std::vector<std::string> kAllSizes = {"tiny", "e2b", "e4b", "12b", "26b-a4b", "31b"};

ModelConfig config_of(const std::string& size) {
  Result<ModelConfig> config = synthetic_config(size);
  REQUIRE(config.has_value());
  return *config;
}

std::vector<uint16_t> rows_of(const SyntheticSource& source, std::string_view name, size_t row0,
                              size_t row1) {
  const TensorInfo* tensor = source.find(name);
  REQUIRE(tensor != nullptr);
  std::vector<uint16_t> values((row1 - row0) * tensor->columns());
  REQUIRE(source.read_rows(*tensor, row0, row1, std::as_writable_bytes(std::span(values))).has_value());
  return values;
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

struct Moments {
  double mean = 0, deviation = 0;
};

Moments moments(std::span<const uint16_t> values) {
  double sum = 0, squares = 0;
  for (uint16_t bits : values) {
    const double x = from_bf16(bits);
    sum += x;
    squares += x * x;
  }
  const double n = static_cast<double>(values.size()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean)};
}

// Millions of parameters of the tensors whose name contains one of `parts`.
double millions(const SyntheticSource& source, std::initializer_list<std::string_view> parts) {
  double sum = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    const bool counts = std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
      return tensor.name.find(part) != std::string::npos;
    });
    if (counts) sum += static_cast<double>(tensor.elements());
  }
  return sum / 1e6;
}

std::vector<size_t> shape_of(const SyntheticSource& source, std::string_view name) {
  const TensorInfo* tensor = source.find(name);
  return tensor == nullptr ? std::vector<size_t>{} : tensor->shape;
}

using Shape = std::vector<size_t>;

}  // namespace

TEST_CASE("synthetic:SIZE and synthetic:SIZE:SEED are read, and printed so that they read the same") {
  Result<SyntheticSpec> plain = parse_synthetic("synthetic:e2b");
  REQUIRE(plain.has_value());
  CHECK(plain->size == "e2b");
  CHECK(plain->seed == 0);
  Result<SyntheticSpec> seeded = parse_synthetic("synthetic:26b-a4b:18446744073709551615");
  REQUIRE(seeded.has_value());
  CHECK(seeded->size == "26b-a4b");
  CHECK(seeded->seed == UINT64_MAX);
  CHECK(to_string(*seeded) == "synthetic:26b-a4b:18446744073709551615");
  CHECK(is_synthetic("synthetic:"));
  CHECK_FALSE(is_synthetic("google/gemma-4-E2B-it"));
}

TEST_CASE("an unknown size is refused with the list of sizes") {
  for (const char* model : {"synthetic:7b", "synthetic:", "synthetic::3", "synthetic:E2B"}) {
    Result<SyntheticSpec> spec = parse_synthetic(model);
    REQUIRE_FALSE(spec.has_value());
    CHECK(spec.error().code == ErrorCode::kUsage);
    CHECK(spec.error().hint == "the sizes are tiny, e2b, e4b, 12b, 26b-a4b, 31b");
  }
  CHECK(parse_synthetic("synthetic:7b").error().message() ==
        "synthetic:7b: unknown size \"7b\" (the sizes are tiny, e2b, e4b, 12b, 26b-a4b, 31b)");
  CHECK(synthetic_config("7b").error().code == ErrorCode::kUsage);
}

TEST_CASE("a seed that is no number below 2^64 is refused") {
  for (const char* seed : {"", "-1", "x", "1x", "1:2", " 1", "18446744073709551616"}) {
    Result<SyntheticSpec> spec = parse_synthetic(std::string("synthetic:e2b:") + seed);
    REQUIRE_FALSE(spec.has_value());
    CHECK(spec.error().code == ErrorCode::kUsage);
    CHECK(spec.error().what == std::string("expected a seed from 0 to 2^64 - 1, found \"") + seed + "\"");
  }
}

TEST_CASE("a name without the prefix is refused") {
  CHECK(parse_synthetic("e2b").error().message() == "e2b: expected synthetic:SIZE or synthetic:SIZE:SEED");
}

TEST_CASE("the parameter counts are those of the family") {
  struct Counts {
    const char* size;
    double attention, mlp, experts, router, ple_in_layers, ple_model, embed, ple_table, total;
  };
  // Millions.
  const Counts table[] = {
      {"e2b", 278.40, 1557.14, 0, 0, 27.53, 13.76, 402.65, 2348.81, 4629},
      {"e4b", 587.20, 3303.01, 0, 0, 55.05, 27.53, 671.09, 2818.57, 7463},
      {"12b", 2406.48, 8493.47, 0, 0, 0, 0, 1006.63, 0, 11907},
      {"26b-a4b", 1110.18, 535.27, 22837.99, 10.90, 0, 0, 738.20, 0, 25233},
      {"31b", 8477.74, 20808.99, 0, 0, 0, 0, 1409.29, 0, 30697},
  };
  for (const Counts& counts : table) {
    CAPTURE(counts.size);
    const SyntheticSource source(config_of(counts.size), 0);
    const double half = 0.00501;  // of the last digit printed
    CHECK(std::abs(millions(source, {"q_proj", "k_proj", "v_proj", "o_proj"}) - counts.attention) < half);
    CHECK(std::abs(millions(source, {".mlp."}) - counts.mlp) < half);
    CHECK(std::abs(millions(source, {".experts."}) - counts.experts) < half);
    CHECK(std::abs(millions(source, {".router."}) - counts.router) < half);
    CHECK(std::abs(millions(source, {"per_layer_input_gate", "per_layer_projection.weight"}) -
                   counts.ple_in_layers) < half);
    CHECK(std::abs(millions(source, {"per_layer_model_projection"}) - counts.ple_model) < half);
    CHECK(std::abs(millions(source, {"embed_tokens.weight"}) - counts.embed) < half);
    CHECK(std::abs(millions(source, {"embed_tokens_per_layer"}) - counts.ple_table) < half);
    CHECK(std::round(millions(source, {""})) == counts.total);
  }
}

TEST_CASE("tensors are sorted, distinct, bfloat16 and found by name") {
  for (const std::string& size : kAllSizes) {
    const SyntheticSource source(config_of(size), 0);
    const std::span<const TensorInfo> tensors = source.tensors();
    const auto not_before = [](const TensorInfo& a, const TensorInfo& b) { return a.name >= b.name; };
    CHECK(std::adjacent_find(tensors.begin(), tensors.end(), not_before) == tensors.end());
    for (const TensorInfo& tensor : tensors) {
      CHECK(tensor.dtype == Dtype::kBf16);
      CHECK(source.find(tensor.name) == &tensor);
      CHECK(source.mapped(tensor).empty());
    }
  }
}

TEST_CASE("e2b: two head dims, shared KV, double-wide MLP and per-layer embeddings show in the shapes") {
  const SyntheticSource source(config_of("e2b"), 0);
  CHECK(shape_of(source, "embed_tokens.weight") == Shape{262144, 1536});
  CHECK(shape_of(source, "embed_tokens_per_layer.weight") == Shape{262144, 8960});
  CHECK(shape_of(source, "per_layer_model_projection.weight") == Shape{8960, 1536});
  CHECK(shape_of(source, "per_layer_projection_norm.weight") == Shape{256});
  CHECK(shape_of(source, "norm.weight") == Shape{1536});
  CHECK(shape_of(source, "layers.0.self_attn.q_proj.weight") == Shape{2048, 1536});
  CHECK(shape_of(source, "layers.4.self_attn.q_proj.weight") == Shape{4096, 1536});
  CHECK(shape_of(source, "layers.4.self_attn.k_proj.weight") == Shape{512, 1536});
  CHECK(shape_of(source, "layers.4.self_attn.k_norm.weight") == Shape{512});
  CHECK(shape_of(source, "layers.14.self_attn.v_proj.weight") == Shape{512, 1536});
  CHECK(source.find("layers.15.self_attn.k_proj.weight") == nullptr);
  CHECK(source.find("layers.15.self_attn.v_proj.weight") == nullptr);
  CHECK(source.find("layers.15.self_attn.k_norm.weight") == nullptr);
  CHECK(shape_of(source, "layers.15.self_attn.q_norm.weight") == Shape{256});
  CHECK(shape_of(source, "layers.14.mlp.gate_proj.weight") == Shape{6144, 1536});
  CHECK(shape_of(source, "layers.15.mlp.down_proj.weight") == Shape{1536, 12288});
  CHECK(shape_of(source, "layers.34.layer_scalar") == Shape{1});
  CHECK(shape_of(source, "layers.34.per_layer_input_gate.weight") == Shape{256, 1536});
  CHECK(source.find("lm_head.weight") == nullptr);
  CHECK(source.find("layers.35.layer_scalar") == nullptr);
}

TEST_CASE("26b-a4b and 31b: experts and layers whose V is K show in the shapes") {
  const SyntheticSource moe(config_of("26b-a4b"), 0);
  CHECK(shape_of(moe, "layers.0.experts.gate_up_proj") == Shape{128, 1408, 2816});
  CHECK(shape_of(moe, "layers.0.experts.down_proj") == Shape{128, 2816, 704});
  CHECK(shape_of(moe, "layers.29.router.proj.weight") == Shape{128, 2816});
  CHECK(shape_of(moe, "layers.29.router.scale") == Shape{2816});
  CHECK(shape_of(moe, "layers.29.router.per_expert_scale") == Shape{128});
  CHECK(shape_of(moe, "layers.29.post_feedforward_layernorm_2.weight") == Shape{2816});
  CHECK(shape_of(moe, "layers.5.self_attn.k_proj.weight") == Shape{1024, 2816});
  CHECK(moe.find("layers.5.self_attn.v_proj.weight") == nullptr);
  CHECK(shape_of(moe, "layers.4.self_attn.v_proj.weight") == Shape{2048, 2816});
  CHECK(moe.find("layers.0.per_layer_input_gate.weight") == nullptr);
  const SyntheticSource dense(config_of("31b"), 0);
  CHECK(shape_of(dense, "layers.59.self_attn.q_proj.weight") == Shape{16384, 5376});
  CHECK(shape_of(dense, "layers.59.self_attn.k_proj.weight") == Shape{2048, 5376});
  CHECK(dense.find("layers.59.self_attn.v_proj.weight") == nullptr);
  CHECK(dense.find("layers.0.router.scale") == nullptr);
}

TEST_CASE("an untied configuration has a head of its own") {
  ModelConfig config = config_of("tiny");
  config.tied = false;
  const SyntheticSource source(config, 0);
  CHECK(shape_of(source, "lm_head.weight") == Shape{2048, 128});
  CHECK(rows_of(source, "lm_head.weight", 0, 1) != rows_of(source, "embed_tokens.weight", 0, 1));
}

TEST_CASE("values are the same on every platform: pinned bits of far-apart rows") {
  const SyntheticSource e2b(config_of("e2b"), 0);
  const auto first = [](const std::vector<uint16_t>& values) {
    return std::vector<uint16_t>(values.begin(), values.begin() + 4);
  };
  using Bits = std::vector<uint16_t>;
  CHECK(first(rows_of(e2b, "embed_tokens.weight", 0, 1)) == Bits{0x3bf0, 0x3b50, 0xbb40, 0x3a40});
  CHECK(first(rows_of(e2b, "embed_tokens_per_layer.weight", 262143, 262144)) ==
        Bits{0xbe07, 0x3dc5, 0xbb44, 0xbd58});
  CHECK(rows_of(e2b, "layers.0.layer_scalar", 0, 1) == Bits{0x3f7a});
  CHECK(first(rows_of(e2b, "layers.4.self_attn.q_norm.weight", 0, 1)) ==
        Bits{0x3d7f, 0x3d56, 0x3d8c, 0x3d71});
  const SyntheticSource moe(config_of("26b-a4b"), 7);
  CHECK(first(rows_of(moe, "layers.29.experts.down_proj", 360447, 360448)) ==
        Bits{0x3d8f, 0x3b6c, 0xbd1e, 0x3d4a});
  const SyntheticSource dense(config_of("31b"), UINT64_MAX);
  CHECK(first(rows_of(dense, "layers.59.mlp.down_proj.weight", 5375, 5376)) ==
        Bits{0x3bef, 0xba6f, 0xbc6b, 0xbb1e});
}

TEST_CASE("a stream crosses its 2^33rd value without a seam") {
  const RandomStream stream{42, 0, 1};
  const uint64_t border = uint64_t{1} << 33;
  std::vector<uint16_t> whole(64), single(1);
  fill_random_bf16(stream, border - 31, std::as_writable_bytes(std::span(whole)));
  for (size_t i = 0; i < whole.size(); ++i) {
    fill_random_bf16(stream, border - 31 + i, std::as_writable_bytes(std::span(single)));
    CHECK(single[0] == whole[i]);
  }
  std::vector<uint16_t> start(32);
  fill_random_bf16(stream, 0, std::as_writable_bytes(std::span(start)));
  CHECK_FALSE(std::equal(start.begin(), start.end(), whole.begin() + 31));
}

TEST_CASE("values are bfloat16 of mean + scale * t, rounded to nearest even") {
  const RandomStream unit{42, 0, 1}, other{42, 0.75f, 0.013f};
  std::vector<uint16_t> t(1000), values(1000);
  fill_random_bf16(unit, 5, std::as_writable_bytes(std::span(t)));
  fill_random_bf16(other, 5, std::as_writable_bytes(std::span(values)));
  for (size_t i = 0; i < t.size(); ++i) {
    const float level = from_bf16(t[i]);  // |t| <= 255 is exact
    CHECK(level == std::round(level));
    CHECK(std::abs(level) <= 255);
    const float value = 0.75f + 0.013f * level;
    const float error = std::abs(from_bf16(values[i]) - value);
    const float below = std::abs(from_bf16(static_cast<uint16_t>(values[i] - 1)) - value);
    const float above = std::abs(from_bf16(static_cast<uint16_t>(values[i] + 1)) - value);
    CHECK(error <= std::min(below, above));
  }
}

TEST_CASE("any way of reading gives the same bytes: single rows, ranges, odd addresses, several threads") {
  const SyntheticSource source(config_of("tiny"), 3);
  for (const TensorInfo& tensor : source.tensors()) {
    std::vector<std::byte> whole(tensor.bytes());
    REQUIRE(source.read_rows(tensor, 0, tensor.rows(), whole).has_value());
    std::vector<std::byte> parts(tensor.bytes() + 1);
    std::span<std::byte> odd = std::span(parts).subspan(1);
    // Two threads, one from each end, in steps of 7 rows.
    const auto read = [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; row += 7) {
        const size_t last = std::min(row + 7, end), bytes = tensor.row_bytes();
        (void)source.read_rows(tensor, row, last, odd.subspan(row * bytes, (last - row) * bytes));
      }
    };
    const size_t middle = tensor.rows() / 2;
    std::thread other(read, middle, tensor.rows());
    read(0, middle);
    other.join();
    CHECK(std::memcmp(whole.data(), odd.data(), whole.size()) == 0);
  }
}

TEST_CASE("rows of an odd width agree with the whole") {
  ModelConfig config = config_of("tiny");
  config.hidden_size = 33;
  const SyntheticSource source(config, 0);
  const std::vector<uint16_t> whole = rows_of(source, "embed_tokens.weight", 0, 5);
  for (size_t row = 0; row < 5; ++row) {
    const std::vector<uint16_t> one = rows_of(source, "embed_tokens.weight", row, row + 1);
    CHECK(std::equal(one.begin(), one.end(), whole.begin() + static_cast<ptrdiff_t>(row * 33)));
  }
}

TEST_CASE("another seed and another tensor give other values; rows do not repeat") {
  const ModelConfig config = config_of("tiny");
  const SyntheticSource zero(config, 0), one(config, 1);
  const auto values = rows_of(zero, "layers.0.mlp.gate_proj.weight", 0, 256);
  CHECK(values != rows_of(one, "layers.0.mlp.gate_proj.weight", 0, 256));
  CHECK(values != rows_of(zero, "layers.0.mlp.up_proj.weight", 0, 256));
  CHECK(values != rows_of(zero, "layers.1.mlp.gate_proj.weight", 0, 256));
  std::unordered_set<std::string> rows;
  for (size_t row = 0; row < 256; ++row) {
    rows.emplace(reinterpret_cast<const char*>(values.data() + row * 128), 256);
  }
  CHECK(rows.size() == 256);
}

TEST_CASE("neighbours along a row and along a column are uncorrelated") {
  const SyntheticSource source(config_of("e2b"), 0);
  const size_t rows = 256, columns = 1536;
  const std::vector<uint16_t> values = rows_of(source, "layers.7.mlp.up_proj.weight", 0, rows);
  const double variance = std::pow(moments(values).deviation, 2);
  for (size_t distance : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{16}, columns, 2 * columns}) {
    double sum = 0;
    const size_t n = values.size() - distance;
    for (size_t i = 0; i < n; ++i) sum += double{from_bf16(values[i])} * from_bf16(values[i + distance]);
    CAPTURE(distance);
    // The correlation of independent values has deviation 1/sqrt(n).
    CHECK(std::abs(sum / static_cast<double>(n) / variance) < 4 / std::sqrt(static_cast<double>(n)));
  }
}

TEST_CASE("weights have the mean and deviation that keep activations at unit scale") {
  const SyntheticSource source(config_of("26b-a4b"), 0);
  const auto check = [&](std::string_view name, size_t rows, double mean, double deviation) {
    CAPTURE(name);
    const std::vector<uint16_t> values = rows_of(source, name, 0, rows);
    const Moments found = moments(values);
    const double n = static_cast<double>(values.size());
    CHECK(std::abs(found.mean - mean) < 4.5 * deviation / std::sqrt(n));
    CHECK(std::abs(found.deviation / deviation - 1) < 4 / std::sqrt(n));
  };
  check("embed_tokens.weight", 500, 0, 1 / std::sqrt(2816.0));
  check("layers.3.self_attn.o_proj.weight", 200, 0, 1 / std::sqrt(4096.0));
  check("layers.5.self_attn.o_proj.weight", 200, 0, 1 / std::sqrt(8192.0));
  check("layers.3.experts.down_proj", 500, 0, 1 / std::sqrt(704.0));
  check("layers.3.router.proj.weight", 128, 0, 1.5);
  check("layers.3.input_layernorm.weight", 1, 1, 0.1);
  check("layers.3.post_attention_layernorm.weight", 1, 0.5, 0.05);
  check("layers.3.self_attn.q_norm.weight", 1, 1.5 / 16, 0.15 / 16);
  check("norm.weight", 1, 0, 4);
  for (size_t layer = 0; layer < 30; ++layer) {
    const float scalar =
        from_bf16(rows_of(source, "layers." + std::to_string(layer) + ".layer_scalar", 0, 1)[0]);
    CHECK(scalar >= 0.9375f);
    CHECK(scalar <= 1.0f);
  }
}

TEST_CASE("a read of rows that are not there, of another tensor or into another size is refused") {
  const SyntheticSource source(config_of("tiny"), 0);
  const TensorInfo& norm = *source.find("norm.weight");
  std::vector<std::byte> out(256);
  Result<void> rows = source.read_rows(norm, 1, 2, out);
  REQUIRE_FALSE(rows.has_value());
  CHECK(rows.error().message() == "norm.weight: expected rows within 0 and 1, found 1 to 2");
  CHECK(source.read_rows(norm, 1, 0, out).error().message() ==
        "norm.weight: expected rows within 0 and 1, found 1 to 0");
  CHECK(source.read_rows(norm, 0, 1, std::span(out).first(255)).error().message() ==
        "norm.weight: expected room for 256 bytes, found 255");
  TensorInfo stranger = norm;
  stranger.name = "norm.bias";
  CHECK(source.read_rows(stranger, 0, 1, out).error().message() ==
        "norm.bias: no tensor of this synthetic checkpoint");
}

TEST_CASE("sampling defaults are those of the -it checkpoints") {
  const GenerationConfig config = synthetic_generation_config("e2b");
  CHECK(config.eos_ids == std::vector<int32_t>{1, 106, 50});
  CHECK(config.suppress_ids.empty());
  CHECK(config.do_sample == true);
  CHECK(config.temperature == 1.0);
  CHECK(config.top_k == 64);
  CHECK(config.top_p == 0.95);
  CHECK(synthetic_generation_config("12b").suppress_ids == std::vector<int32_t>{258883, 258882});
}

TEST_CASE("the vocabulary has Gemma 4's fixed pieces at their ids, no hole and no piece twice") {
  Result<TokenizerParts> parts = synthetic_tokenizer_parts(262144);
  REQUIRE(parts.has_value());
  const auto& pieces = parts->pieces;
  CHECK(std::unordered_set<std::string>(pieces.begin(), pieces.end()).size() == 262144);
  CHECK(std::none_of(pieces.begin(), pieces.end(), [](const std::string& piece) { return piece.empty(); }));
  const auto unused = [](const std::string& piece) { return piece.starts_with("<unused"); };
  CHECK(std::count_if(pieces.begin(), pieces.end(), unused) == 6227);
  CHECK(parts->added.size() == 24);
  const std::pair<size_t, const char*> fixed[] = {{0, "<pad>"},
                                                  {1, "<eos>"},
                                                  {2, "<bos>"},
                                                  {3, "<unk>"},
                                                  {5, "[multimodal]"},
                                                  {6, "<unused0>"},
                                                  {50, "<|tool_response>"},
                                                  {52, "<|\"|>"},
                                                  {98, "<|think|>"},
                                                  {105, "<|turn>"},
                                                  {106, "<turn|>"},
                                                  {107, "\n"},
                                                  {168, "<table>"},
                                                  {184, "<h1>"},
                                                  {203, "<s>"},
                                                  {206, "<code>"},
                                                  {212, "</s>"},
                                                  {237, "</footer>"},
                                                  {238, "<0x00>"},
                                                  {493, "<0xFF>"},
                                                  {255968, "\t"},
                                                  {255999, "<|image>"},
                                                  {258882, "<image|>"},
                                                  {262143, "<unused6241>"}};
  for (const auto& [id, piece] : fixed) CHECK(pieces[id] == piece);
}

TEST_CASE("encoding runs and turns gives Gemma 4's ids") {
  Result<Tokenizer> tokenizer = synthetic_tokenizer(262144);
  REQUIRE(tokenizer.has_value());
  CHECK(tokenizer->vocab_size() == 262144);
  using Ids = std::vector<int32_t>;
  const auto ids = [&](std::string_view text) { return tokenizer->encode(text, SpecialTokens::kParse); };
  CHECK(ids(std::string(32, '\n')) == Ids{137, 107});
  CHECK(ids(std::string(64, '\n')) == Ids{137, 137, 108});
  CHECK(ids("\t\n") == Ids{255968, 107});
  CHECK(ids("\r\n") == Ids{251, 107});
  CHECK(ids(std::string(33, ' ')) == Ids{167, 138});
  CHECK(ids("<bos><|turn><turn|>\n") == Ids{2, 105, 106, 107});
  CHECK(ids(std::string(1, '\0')) == Ids{238});
}

TEST_CASE("English encodes to about three characters per token and decodes to itself") {
  const std::string text =
      "Once upon a time, there was a big red van. The van was very hot because the sun was shining on it all "
      "day. "
      "Inside the van, there were many toys and games for kids to play with.\nOne day, the van went to a "
      "park to "
      "display all the toys and games for the kids to see. \"Don't you know?\" said the driver: 1234567 of "
      "them, "
      "\tna\xC3\xAFve \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x99\x82!";
  for (size_t vocab_size : {size_t{262144}, size_t{2048}, size_t{1024}}) {
    Result<Tokenizer> tokenizer = synthetic_tokenizer(vocab_size);
    REQUIRE(tokenizer.has_value());
    const std::vector<int32_t> ids = tokenizer->encode(text, SpecialTokens::kAsText);
    CHECK(tokenizer->decode(ids, false) == text);
    const double ratio = static_cast<double>(text.size()) / static_cast<double>(ids.size());
    CAPTURE(vocab_size);
    CHECK(ratio > (vocab_size == 262144 ? 2.8 : 1.3));
  }
}

TEST_CASE("a vocabulary too small for the fixed pieces or larger than Gemma's is refused") {
  for (size_t vocab_size : {size_t{0}, size_t{1023}, size_t{262145}}) {
    Result<Tokenizer> tokenizer = synthetic_tokenizer(vocab_size);
    REQUIRE_FALSE(tokenizer.has_value());
    CHECK(tokenizer.error().message() ==
          "synthetic tokenizer: expected a vocabulary of 1024 to 262144 tokens, found " +
              std::to_string(vocab_size));
  }
}
