// Whole models through GGUF: what is exported loads again with the same numbers, and from one set of on-grid
// weights the file of another program, the bf16 checkpoint and our export compute the same logits bit for
// bit.
#include "engine/gguf_export.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/chat_detect.h"
#include "engine/model.h"
#include "engine/session.h"
#include "engine/stored_tensor.h"
#include "engine/synthetic.h"
#include "kernels/quantize.h"
#include "kernels/stored_blocks.h"
#include "tests/loader/safetensors_bytes.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

const char* const kGoldens[] = {"tiny-ple", "tiny-dense", "tiny-moe"};

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme, bool tokenizer = false) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 2;
  options.tokenizer = tokenizer;
  auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<float> logits_of(const Model& model, const std::vector<int32_t>& tokens) {
  auto session = Session::create(model, {});
  REQUIRE(session.has_value());
  std::vector<float> all;
  auto ran = session->evaluate(tokens, 0, [&](size_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  REQUIRE(ran.has_value());
  return all;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += (double{found[i]} - expected[i]) * (double{found[i]} - expected[i]);
    norm += double{expected[i]} * expected[i];
  }
  return std::sqrt(error / norm);
}

const std::vector<int32_t>& some_tokens() {
  static const std::vector<int32_t> tokens = [] {
    std::vector<int32_t> ids = {2};
    std::mt19937 engine(7);
    for (int i = 0; i < 40; ++i) ids.push_back(static_cast<int32_t>(engine() % 500));
    return ids;
  }();
  return tokens;
}

// The least tokenizer there is: five control tokens, three pieces and the bytes.
Tokenizer tokenizer_of(size_t vocabulary) {
  TokenizerParts parts;
  parts.pieces = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "a", "b", "ab"};
  for (int32_t id = 0; id < 5; ++id) parts.added.push_back({id, parts.pieces[static_cast<size_t>(id)], true});
  parts.merges = {{"a", "b"}};
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof(piece), "<0x%02X>", byte);
    parts.pieces.emplace_back(piece);
  }
  parts.pieces.resize(vocabulary);
  auto tokenizer = Tokenizer::build(parts, "test");
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message());
  return std::move(*tokenizer);
}

std::vector<GgufExportedTensor> write_gguf(const ModelConfig& config, const TensorSource& source,
                                           GgufTensorType type, const std::string& path) {
  const Tokenizer tokenizer = tokenizer_of(config.vocab_size);
  GenerationConfig generation;
  generation.eos_ids = {1, 4};
  const GgufContent content = {&config, &generation, &tokenizer, &source, "{{ bos_token }}", "test"};
  const ThreadTeam team(2);
  auto exported = export_gguf(content, type, path, kernels::default_kernel_table(), team, {});
  REQUIRE_MESSAGE(exported.has_value(), exported.error().message());
  return std::move(*exported);
}

// Weights on a 4-bit grid that is exact in bf16 and fp16, made from nothing but the tensor's name: as the
// bf16 matrix that a QAT checkpoint holds, or as the Q4_0 blocks that a converter which knows the grid would
// write.
class GridSource final : public TensorSource {
 public:
  GridSource(const ModelConfig& config, bool as_q4_0) : as_q4_0_(as_q4_0) {
    const SyntheticSource synthetic(config, 1);
    for (TensorInfo info : synthetic.tensors()) {
      floats_.emplace(info.name, Values{});
      Values& values = floats_[info.name];
      StoredTensor::Scratch scratch;
      const StoredTensor stored = *StoredTensor::open(synthetic, info, kernels::default_kernel_table());
      values.floats.resize(info.elements());
      REQUIRE(stored.floats(0, info.rows(), scratch, values.floats.data()));
      if (info.columns() % 32 == 0 && info.shape.size() > 1) put_on_grid(values);
      if (as_q4_0 && !values.levels.empty()) {
        info.encoding = Encoding::kQ4_0;
        info.dtype = Dtype::kU8;
      }
      tensors_.push_back(std::move(info));
    }
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  std::span<const std::byte> mapped(const TensorInfo&) const override { return {}; }
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override {
    const Values& values = floats_.at(tensor.name);
    const size_t columns = tensor.columns();
    for (size_t row = row0; row < row1; ++row) {
      std::byte* to = out.data() + (row - row0) * tensor.row_bytes();
      if (as_q4_0_ && !values.levels.empty()) {
        kernels::encode_q4_0(values.levels.data() + row * columns, values.steps.data() + row * columns / 32,
                             columns, to);
        continue;
      }
      for (size_t c = 0; c < columns; ++c) {
        const uint16_t half = kernels::to_bf16(values.floats[row * columns + c]);
        std::memcpy(to + 2 * c, &half, sizeof(half));
      }
    }
    return {};
  }

 private:
  struct Values {
    std::vector<float> floats;
    std::vector<int8_t> levels;
    std::vector<uint16_t> steps;  // fp16
  };

  // Steps of 8 significant bits; every group has a level 1, so that no coarser grid fits, and peaks of either
  // sign; some groups are zero.
  static void put_on_grid(Values& values) {
    std::mt19937 engine(static_cast<unsigned>(values.floats.size()));
    for (size_t g = 0; g < values.floats.size() / 32; ++g) {
      float* group = values.floats.data() + g * 32;
      const float step = std::ldexp(static_cast<float>(128 + engine() % 128), -13);
      values.steps.push_back(kernels::to_f16(engine() % 50 == 0 ? 0.0f : step));
      for (size_t i = 0; i < 32; ++i) {
        int level = static_cast<int>(engine() % 16) - 8;
        if (i == 3) level = 1;
        if (i == 5) level = g % 2 == 0 ? -8 : 7;
        if (values.steps.back() == 0) level = 0;
        values.levels.push_back(static_cast<int8_t>(level));
        group[i] = kernels::from_f16(values.steps.back()) * static_cast<float>(level);
      }
    }
  }

  bool as_q4_0_;
  std::map<std::string, Values> floats_;
  std::vector<TensorInfo> tensors_;
};

// The folder of a checkpoint as it is published: config.json and bf16 safetensors.
void write_folder(const TemporaryFolder& folder, const TensorSource& source) {
  std::string header = "{", data;
  for (const TensorInfo& tensor : source.tensors()) {
    std::string shape;
    for (const size_t extent : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    const size_t begin = data.size();
    data.resize(begin + tensor.bytes());
    REQUIRE(
        source.read_rows(tensor, 0, tensor.rows(), std::as_writable_bytes(std::span(data)).subspan(begin)));
    if (header.size() > 1) header += ",";
    header += entry("model." + tensor.name, "BF16", "[" + shape + "]",
                    "[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]");
  }
  folder.write("model.safetensors", safetensors_bytes(header + "}", data));
  folder.write("config.json", *synthetic_config_json("tiny"));
}

TEST_CASE(
    "one set of on-grid weights: bf16 safetensors and Q4_0 of a GGUF give the same int4 logits, bit for "
    "bit") {
  const ModelConfig config = *synthetic_config("tiny");
  const GridSource as_bf16(config, false), as_q4_0(config, true);
  TemporaryFolder folder;
  write_folder(folder, as_bf16);
  const auto expected = logits_of(*load(folder.path(), "int4"), some_tokens());

  // Levels and steps as a converter that knows the grid has them, and as we recover them.
  const auto passed = write_gguf(config, as_q4_0, GgufTensorType::kQ4_0, folder.path("true.gguf"));
  const auto recovered = write_gguf(config, as_bf16, GgufTensorType::kQ4_0, folder.path("recovered.gguf"));
  for (size_t i = 0; i < recovered.size(); ++i) {
    CAPTURE(recovered[i].name);
    if (recovered[i].groups == 0) continue;
    CHECK(recovered[i].on_grid);
    CHECK(recovered[i].off_grid_groups == 0);
    CHECK(recovered[i].squared_error <=
          0x1p-16 * recovered[i].squared_norm);  // the products' rounding to bf16
    CHECK(passed[i].squared_error == 0);
  }
  CHECK(same_bits(logits_of(*load(folder.path("true.gguf"), "int4"), some_tokens()), expected));
  CHECK(same_bits(logits_of(*load(folder.path("recovered.gguf"), "int4"), some_tokens()), expected));
}

TEST_CASE("on-grid weights keep their levels and steps in a Q8_0 file too") {
  const ModelConfig config = *synthetic_config("tiny");
  const GridSource as_bf16(config, false), as_q4_0(config, true);
  TemporaryFolder folder;
  write_gguf(config, as_bf16, GgufTensorType::kQ8_0, folder.path("a.gguf"));
  write_gguf(config, as_q4_0, GgufTensorType::kQ8_0, folder.path("b.gguf"));
  CHECK(to_string(load(folder.path("a.gguf"), "")->scheme()) == "stored");
  const auto a = GgufFile::open(folder.path("a.gguf")), b = GgufFile::open(folder.path("b.gguf"));
  REQUIRE(a);
  REQUIRE(b);
  size_t compared = 0;
  for (size_t i = 0; i < a->tensors().size(); ++i) {
    if (a->tensors()[i].type != GgufTensorType::kQ8_0) continue;
    CAPTURE(a->tensors()[i].name);
    CHECK(std::ranges::equal(a->mapped(a->tensors()[i]), b->mapped(b->tensors()[i])));
    ++compared;
  }
  CHECK(compared > 40);
}

TEST_CASE("an F16 GGUF of a checkpoint computes what the checkpoint does, and says the same of the model") {
  for (const char* name : kGoldens) {
    CAPTURE(name);
    TemporaryFolder folder;
    const auto original = load(std::string(GEMMA_TEST_DATA) + "/goldens/" + name, "f32");
    const std::string path = folder.path("m.gguf");
    write_gguf(original->config(), original->source(), GgufTensorType::kF16, path);
    const auto copy = load(path, "f32", /*tokenizer=*/true);
    // bf16 values fit F16 but for a few that are smaller than its least.
    CHECK(relative_error(logits_of(*copy, some_tokens()), logits_of(*original, some_tokens())) < 1e-6);

    const ModelConfig &a = copy->config(), &b = original->config();
    REQUIRE(a.layers.size() == b.layers.size());
    for (size_t i = 0; i < a.layers.size(); ++i) {
      CAPTURE(i);
      CHECK(a.layers[i].full_attention == b.layers[i].full_attention);
      CHECK(a.layers[i].head_dim == b.layers[i].head_dim);
      CHECK(a.layers[i].kv_heads == b.layers[i].kv_heads);
      CHECK(a.layers[i].intermediate_size == b.layers[i].intermediate_size);
      CHECK(a.layers[i].owns_kv == b.layers[i].owns_kv);
      CHECK(a.layers[i].kv_source == b.layers[i].kv_source);
      CHECK(a.layers[i].k_eq_v == b.layers[i].k_eq_v);
    }
    CHECK(a.vocab_size == b.vocab_size);
    CHECK(a.hidden_size == b.hidden_size);
    CHECK(a.heads == b.heads);
    CHECK(a.sliding_window == b.sliding_window);
    CHECK(a.max_positions == b.max_positions);
    CHECK(static_cast<float>(a.rms_norm_eps) == static_cast<float>(b.rms_norm_eps));
    CHECK(a.final_softcap == b.final_softcap);
    CHECK(a.tied == b.tied);
    CHECK(a.full_rope.partial_rotary_factor == b.full_rope.partial_rotary_factor);
    CHECK(a.full_rope.theta == b.full_rope.theta);
    CHECK(a.sliding_rope.theta == b.sliding_rope.theta);
    CHECK(a.ple_width == b.ple_width);
    CHECK(a.ple_vocab_size == b.ple_vocab_size);
    CHECK(a.experts == b.experts);
    CHECK(a.experts_per_token == b.experts_per_token);
    CHECK(a.expert_width == b.expert_width);
    CHECK(a.dtype == "bfloat16");
    CHECK(copy->eos_ids() == std::vector<int32_t>{1, 4});
    CHECK(copy->chat_template()->text == "{{ bos_token }}");
    REQUIRE(copy->tokenizer() != nullptr);
    CHECK(copy->tokenizer()->encode("aab", SpecialTokens::kAsText) == std::vector<int32_t>{5, 7});
    CHECK(copy->tokenizer()->encode("<bos>a", SpecialTokens::kParse) == std::vector<int32_t>{2, 5});
  }
}

TEST_CASE("quantized GGUF files run in integers and stay as near to the float model as their bits allow") {
  for (const char* name : kGoldens) {
    CAPTURE(name);
    TemporaryFolder folder;
    const auto original = load(std::string(GEMMA_TEST_DATA) + "/goldens/" + name, "f32");
    write_gguf(original->config(), original->source(), GgufTensorType::kQ8_0, folder.path("m.gguf"));
    // The model's own answer with these weights, and with its activations in 8 bits as well.
    const auto in_float = load(folder.path("m.gguf"), "f32"), stored = load(folder.path("m.gguf"), "");
    const auto expected = logits_of(*in_float, some_tokens());
    // A router that ties takes another expert for the least difference.
    const double bound = original->config().experts > 0 ? 0.2 : 0.04;
    CHECK(relative_error(expected, logits_of(*original, some_tokens())) < bound);
    CHECK(relative_error(logits_of(*stored, some_tokens()), expected) < bound);
    const auto again = load(folder.path("m.gguf"), "w8g32a8g32");
    CHECK(to_string(again->scheme()) == "w8g32a8g32");
  }
}

TEST_CASE("a folder that holds one GGUF file is a model, vision files beside it or not") {
  const ModelConfig config = *synthetic_config("tiny");
  TemporaryFolder folder;
  write_gguf(config, GridSource(config, true), GgufTensorType::kQ4_0, folder.path("model-q4_0.gguf"));
  folder.write("mmproj-model.gguf", "no text model");
  const auto model = load(folder.path(), "");
  CHECK(model->folder() == folder.path("model-q4_0.gguf"));
  folder.write("other.gguf", "another");
  auto several = Model::load(folder.path(), {});
  REQUIRE_FALSE(several);
  CHECK(several.error().code == ErrorCode::kUsage);
  CHECK(several.error().what.find("\"other.gguf\"") != std::string::npos);
}

TEST_CASE("a model without a tokenizer is not exported") {
  const ModelConfig config = *synthetic_config("tiny");
  const GridSource source(config, false);
  const GenerationConfig generation;
  const GgufContent content = {&config, &generation, nullptr, &source, "", ""};
  TemporaryFolder folder;
  auto exported = export_gguf(content, GgufTensorType::kF16, folder.path("m.gguf"),
                              kernels::default_kernel_table(), ThreadTeam(1), {});
  REQUIRE_FALSE(exported);
  CHECK(exported.error().code == ErrorCode::kUsage);
}

}  // namespace
}  // namespace gemma
