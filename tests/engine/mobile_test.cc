// The mobile scheme: integers and their float32 twin agree to the bit, matrix by matrix and through a model;
// both are the function that float64 computes; files in the published layouts are read as they were written.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <doctest/doctest.h>

#include "engine/linear.h"
#include "engine/session.h"
#include "engine/static_matrix.h"
#include "kernels/pack.h"
#include "kernels/static_scales.h"
#include "tests/engine/mobile_checkpoint.h"

namespace gemma {
namespace {

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme, size_t threads = 2,
                            std::optional<kernels::Isa> isa = std::nullopt) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = threads;
  options.isa = isa;
  options.tokenizer = false;
  auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<int32_t> some_tokens(size_t n) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>((i * 7919 + 13) % 2048);
  return tokens;
}

// Logits of all positions, with keys and values in float32 whatever the scheme.
std::vector<float> logits_of(const Model& model, size_t tokens = 40, size_t chunk = 64) {
  SessionOptions options = {.context = 100, .chunk = chunk};
  options.kv_type = kernels::KvType::kF32;
  auto session = Session::create(model, options);
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  std::vector<float> all;
  auto ran = session->evaluate(some_tokens(tokens), 0, [&](size_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  REQUIRE_MESSAGE(ran.has_value(), ran.error().message());
  return all;
}

// All matrices with static scales, in one order for every model.
std::vector<const Matrix*> static_matrices(const Model& model) {
  std::vector<const Matrix*> found;
  for (const LayerWeights& layer : model.weights().layers) {
    for (const Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down,
                                 &layer.ple_gate, &layer.ple_projection}) {
      if (!matrix->empty()) found.push_back(matrix);
    }
  }
  found.push_back(&model.weights().head.matrix());
  return found;
}

std::vector<float> product(const Model& model, const Matrix& w, const std::vector<float>& x, size_t tokens) {
  const size_t cols = w.view().cols, rows = w.view().rows;
  auto scratch = LinearScratch::create(tokens, cols, model.team().size());
  REQUIRE(scratch.has_value());
  std::vector<float> out(tokens * rows);
  PhaseTeam(model.team()).run([&](Worker& me) {
    LinearInput input(*scratch, x.data(), tokens, cols);
    linear(model.kernels(), me, w, input, out.data(), rows);
  });
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool near_tie(double value) {
  return std::fabs(std::fabs(value - std::trunc(value)) - 0.5) < 1e-4;
}

TEST_CASE("every matrix: integers, their float32 twin and float64 choose the same levels") {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  const size_t tokens = 3;
  for (kernels::Isa isa : kernels::supported_isas()) {
    CAPTURE(kernels::to_string(isa));
    const auto real = load("synthetic:tiny", "mobile", 2, isa),
               fake = load("synthetic:tiny", "fake:mobile", 2, isa);
    const auto matrices = static_matrices(*real), twins = static_matrices(*fake);
    REQUIRE(matrices.size() == twins.size());
    CHECK(matrices.size() == 6 * 7 + 4 * 2 + 1);
    for (size_t m = 0; m < matrices.size(); ++m) {
      CAPTURE(m);
      const kernels::MatrixView& w = matrices[m]->view();
      const float s_in = matrices[m]->input().scale, s_out = w.statics.output;
      REQUIRE(matrices[m]->input().kind == kernels::ActivationKind::kInt8Static);
      CHECK(twins[m]->input().fake);
      std::vector<float> x(tokens * w.cols);
      for (float& value : x) value = normal(engine) * 60 * s_in;  // one in thirty is clamped
      const auto found = product(*real, *matrices[m], x, tokens);
      CHECK(same_bits(product(*fake, *twins[m], x, tokens), found));

      std::vector<int8_t> levels(w.cols);
      for (size_t r = 0; r < w.rows; r += 7) {
        kernels::unpack_levels(w, r, levels.data());
        for (size_t t = 0; t < tokens; ++t) {
          int64_t sum = 0;
          for (size_t c = 0; c < w.cols; ++c) {
            const double exact = static_cast<double>(x[t * w.cols + c]) / static_cast<double>(s_in);
            const auto level = static_cast<double>(kernels::activation_level(x[t * w.cols + c], s_in));
            if (level != std::clamp(std::nearbyint(exact), -128.0, 127.0)) REQUIRE(near_tie(exact));
            sum += levels[c] * static_cast<int64_t>(level);
          }
          const double value =
              static_cast<double>(sum) * static_cast<double>(s_in) * static_cast<double>(w.scales[r]);
          const float out = found[t * w.rows + r];
          if (s_out == 0) {
            REQUIRE(static_cast<double>(out) == doctest::Approx(value).epsilon(1e-6));
            continue;
          }
          const double exact = value / static_cast<double>(s_out);
          const double level = std::nearbyint(static_cast<double>(out) / static_cast<double>(s_out));
          const double expected = std::clamp(std::nearbyint(exact), -128.0, 127.0);
          if (level != expected) {
            REQUIRE(std::fabs(level - expected) == 1);
            REQUIRE(near_tie(exact));
          }
        }
      }
    }
  }
}

// A source of a few tensors in memory.
class TableSource final : public TensorSource {
 public:
  void add(const std::string& name, std::vector<size_t> shape, Dtype dtype, Encoding encoding,
           std::string bytes) {
    TensorInfo info;
    info.name = info.stored_name = name;
    info.shape = std::move(shape);
    info.dtype = dtype;
    info.encoding = encoding;
    tensors_.push_back(std::move(info));
    bytes_.push_back(std::move(bytes));
  }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t,
                         std::span<std::byte> out) const override {
    const size_t index = static_cast<size_t>(find(tensor.name) - tensors_.data());
    std::memcpy(out.data(), bytes_[index].data() + row0 * tensor.row_bytes(), out.size());
    return {};
  }
  std::span<const std::byte> mapped(const TensorInfo&) const override { return {}; }

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<std::string> bytes_;
};

std::string float_bytes_of(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

TEST_CASE("the twin's sums stay exact where they leave the integers of float32") {
  const auto model = load("synthetic:tiny", "mobile");
  const size_t rows = 20, cols = 2500, tokens = 2;
  std::mt19937 engine(2);
  for (bool extreme : {true, false}) {
    std::string levels(rows * cols, '\x80');
    if (!extreme) {
      for (char& level : levels) level = static_cast<char>(engine());
    }
    TableSource source;
    source.add("m.input_activation_scale", {}, Dtype::kF32, Encoding::kPlain, float_bytes_of({0.5f}));
    source.add("m.weight", {rows, cols}, Dtype::kI8, Encoding::kGemma8, levels);
    source.add("m.weight_scale", {rows, 1}, Dtype::kF32, Encoding::kPlain,
               float_bytes_of(std::vector<float>(rows, 0.25f)));
    std::vector<float> x(tokens * cols, -1e9f);  // level -128
    if (!extreme) {
      for (float& value : x) value = static_cast<float>(engine() % 256) * 0.5f - 64;
    }
    std::vector<float> results[2];
    for (bool fake : {false, true}) {
      auto scheme = parse_scheme(fake ? "fake:mobile" : "mobile");
      auto stored = StoredTensor::open(source, *source.find("m.weight"), model->kernels());
      REQUIRE(stored.has_value());
      const Progress silent;
      MatrixBuilder builder(*scheme, source, model->kernels(), model->team(), 0, silent);
      auto matrix = static_matrix(source, *stored, scheme->base, 0, rows, builder);
      REQUIRE_MESSAGE(matrix.has_value(), matrix.error().message());
      results[fake] = product(*model, *matrix, x, tokens);
    }
    CHECK(same_bits(results[0], results[1]));
    if (extreme) CHECK(results[0][0] == 128.0f * 128.0f * 2500.0f * 0.125f);
  }
}

TEST_CASE("a whole model gives the same logits in integers and in float32, bit for bit") {
  for (kernels::Isa isa : kernels::supported_isas()) {
    CAPTURE(kernels::to_string(isa));
    const auto real = load("synthetic:tiny", "mobile", 2, isa),
               fake = load("synthetic:tiny", "fake:mobile", 2, isa);
    const auto logits = logits_of(*real);
    CHECK(std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }));
    CHECK(same_bits(logits, logits_of(*fake)));
  }
}

TEST_CASE("logits depend neither on chunks nor on threads") {
  for (const char* scheme : {"mobile", "fake:mobile"}) {
    CAPTURE(scheme);
    const auto one = load("synthetic:tiny", scheme, 1), two = load("synthetic:tiny", scheme, 2);
    const auto expected = logits_of(*one, 40, 64);
    for (size_t chunk : {1, 7, 16}) {
      CHECK(same_bits(logits_of(*one, 40, chunk), expected));
      CHECK(same_bits(logits_of(*two, 40, chunk), expected));
    }
  }
}

TEST_CASE("a checkpoint in either published layout is read level by level, and computed as mobile unasked") {
  const SyntheticMobileSource source = tiny_mobile_source();
  const auto expected = logits_of(*load("synthetic:tiny", "mobile"));
  for (Spelling spelling : {Spelling::kGemma, Spelling::kCompressedTensors}) {
    CAPTURE(static_cast<int>(spelling));
    const TemporaryFolder folder;
    write_mobile_folder(
        folder, spelling == Spelling::kGemma ? gemma_tensors(source) : compressed_tensors(source), spelling);
    const auto model = load(folder.path(), "");
    CHECK(to_string(model->scheme()) == "mobile");
    CHECK(model->scheme_reason() == "the checkpoint carries static activation scales");
    for (const TensorInfo& tensor : source.tensors()) {
      CAPTURE(tensor.name);
      const TensorInfo* read = model->source().find(tensor.name);
      const bool dropped =
          spelling == Spelling::kCompressedTensors &&
          (tensor.name.ends_with("cache_scale") || tensor.name == "lm_head.output_activation_scale");
      REQUIRE((read == nullptr) == dropped);
      if (dropped || tensor.name.ends_with("activation_scale")) continue;
      CHECK(read->shape == tensor.shape);
      auto values = read_floats(model->source(), *read, model->kernels()),
           wanted = read_floats(source, tensor, model->kernels());
      REQUIRE_MESSAGE(values.has_value(), values.error().message());
      CHECK(*values == *wanted);
    }
    const KvScales& kv = model->weights().layers[5].kv_scales;
    CHECK(kv.key == (spelling == Spelling::kGemma ? 6.0f / 127 : 0.0f));
    CHECK(same_bits(logits_of(*model), expected));
  }
}

TEST_CASE("scales of 0 quantize nothing: levels times floats, as f32 computes them") {
  std::vector<FileTensor> tensors = gemma_tensors(tiny_mobile_source());
  for (FileTensor& tensor : tensors) {
    if (tensor.name.ends_with("_activation_scale")) tensor.set_float(0, 0);
  }
  const TemporaryFolder folder;
  write_mobile_folder(folder, tensors);
  const auto expected = logits_of(*load(folder.path(), "f32"));
  CHECK(same_bits(logits_of(*load(folder.path(), "mobile")), expected));
  CHECK(same_bits(logits_of(*load(folder.path(), "fake:mobile")), expected));
}

TEST_CASE("a row of scale 0 is a row of zeros, whatever its levels") {
  const std::string q = "model.language_model.layers.0.self_attn.q_proj";
  const std::vector<FileTensor> whole = gemma_tensors(tiny_mobile_source());
  const TemporaryFolder no_scale, no_levels;
  std::vector<FileTensor> tensors = whole;
  find_tensor(tensors, q + ".weight_scale").set_float(17, 0);
  write_mobile_folder(no_scale, tensors);
  tensors = whole;
  FileTensor& levels = find_tensor(tensors, q + ".weight");
  const size_t row_bytes = levels.bytes.size() / levels.shape[0];
  levels.bytes.replace(17 * row_bytes, row_bytes, row_bytes, '\x88');  // level 0 of 4 bits, twice
  write_mobile_folder(no_levels, tensors);

  const auto logits = logits_of(*load(no_scale.path(), "mobile"));
  CHECK(logits == logits_of(*load(no_levels.path(), "mobile")));
  CHECK(same_bits(logits, logits_of(*load(no_scale.path(), "fake:mobile"))));
}

TEST_CASE("an output scale alone quantizes the output of a float product") {
  std::vector<FileTensor> tensors = gemma_tensors(tiny_mobile_source());
  for (FileTensor& tensor : tensors) {
    if (tensor.name.ends_with(".input_activation_scale")) tensor.set_float(0, 0);
  }
  const TemporaryFolder folder;
  write_mobile_folder(folder, tensors);
  const auto model = load(folder.path(), "mobile");
  const Matrix& up = model->weights().layers[0].up;
  const float scale = up.view().statics.output;
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(up.view().cols);
  for (float& value : x) value = normal(engine) * 4;
  size_t lowest = 0, highest = 0;
  for (float value : product(*model, up, x, 1)) {
    const float level = std::nearbyint(value / scale);
    CHECK(value == level * scale);
    CHECK(level >= -128);
    CHECK(level <= 127);
    lowest += level == -128;
    highest += level == 127;
  }
  CHECK(lowest > 0);
  CHECK(highest > 0);
}

TEST_CASE("other schemes compute a mobile checkpoint without its clamps, and say so") {
  for (const char* scheme : {"f32", "int8", "stored", "int4"}) {
    CAPTURE(scheme);
    const TemporaryFolder folder;
    write_mobile_folder(folder, gemma_tensors(tiny_mobile_source()));
    const auto model = load(folder.path(), scheme);
    CHECK(
        model->scheme_reason().starts_with("warning: the checkpoint was trained with the static activation"));
    const auto logits = logits_of(*model, 5);
    CHECK(std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }));
  }
}

TEST_CASE("static scales are refused where there are none, or none for the levels asked for") {
  ModelOptions options;
  options.tokenizer = false;
  options.scheme = "mobile";
  auto none = Model::load(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple", options);
  REQUIRE(!none.has_value());
  CHECK(none.error().code == ErrorCode::kUsage);
  // The trained scales fit activations of 8 bits; those of 4 and zero points come from calibration only.
  options.scheme = "fake:w8ca8s";
  CHECK(Model::load("synthetic:tiny", options));
  for (const char* scheme : {"fake:w8ca4s", "fake:w8ca8sz"}) {
    options.scheme = scheme;
    auto other = Model::load("synthetic:tiny", options);
    REQUIRE(!other.has_value());
    CHECK(other.error().code == ErrorCode::kUsage);
    CHECK(other.error().hint == "find it on a text with gemma-quantize --calibrate FILE");
  }
}

TEST_CASE("a damaged mobile checkpoint is refused with what is wrong") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  const std::string layer = "model.language_model.layers.0.";
  using Tensors = std::vector<FileTensor>;
  const auto number = [](std::string name, float value, size_t index = 0) {
    return [=](Tensors& t) { find_tensor(t, name).set_float(index, value); };
  };
  const auto remove = [](std::string name) {
    return
        [=](Tensors& t) { std::erase_if(t, [&](const FileTensor& tensor) { return tensor.name == name; }); };
  };
  const auto reshape = [](std::string name, std::vector<size_t> shape) {
    return [=](Tensors& t) {
      FileTensor& tensor = find_tensor(t, name);
      size_t n = tensor.dtype == "F32" ? 4 : 1;
      for (size_t extent : shape) n *= extent;
      tensor.shape = shape;
      tensor.bytes.resize(n, '\x3d');
    };
  };
  const std::string q = layer + "self_attn.q_proj", embed = "model.language_model.embed_tokens";
  struct Damage {
    std::function<void(Tensors&)> apply;
    ErrorCode code;
    const char* told;
  };
  const Damage damages[] = {
      {reshape(q + ".weight", {128, 63}), ErrorCode::kMismatch,
       "expected rows of 32 bytes (2 bits a weight) or 64 bytes (4 bits) for 128 columns, found 63 bytes"},
      {reshape(embed + ".embedding_quantized", {2048, 33}), ErrorCode::kMismatch, "found 33 bytes"},
      {reshape(layer + "per_layer_input_gate.weight", {32, 64}), ErrorCode::kMismatch, "expected [32, 128]"},
      {remove(q + ".weight_scale"), ErrorCode::kMismatch, "scales are missing"},
      {remove(embed + ".embedding_scale"), ErrorCode::kMismatch, "scales are missing"},
      {remove(layer + "per_layer_input_gate.weight_scale"), ErrorCode::kMismatch, "per_layer_input_gate"},
      {reshape(q + ".weight_scale", {128, 3}), ErrorCode::kMismatch, "q_proj.weight_scale"},
      {number(q + ".weight_scale", kNan, 17), ErrorCode::kInvalidFile, "row 17"},
      {number(q + ".weight_scale", -0.5f, 17), ErrorCode::kInvalidFile, "row 17"},
      {number(q + ".weight_scale", kInf, 17), ErrorCode::kInvalidFile, "row 17"},
      {number(q + ".input_activation_scale", kNan), ErrorCode::kInvalidFile, "expected a finite scale >= 0"},
      {number(q + ".input_activation_scale", -1), ErrorCode::kInvalidFile, "expected a finite scale >= 0"},
      {number(q + ".output_activation_scale", kInf), ErrorCode::kInvalidFile, "expected a finite scale >= 0"},
      {number(q + ".output_activation_scale", 1e-45f), ErrorCode::kInvalidFile, "whose product is a number"},
      {reshape(q + ".output_activation_scale", {2}), ErrorCode::kMismatch, "expected one number"},
      {number(layer + "self_attn.k_cache_scale", 0), ErrorCode::kInvalidFile, "expected a finite scale > 0"},
      {number(layer + "self_attn.v_cache_scale", kNan), ErrorCode::kInvalidFile,
       "expected a finite scale > 0"},
      {remove("lm_head.weight"), ErrorCode::kMismatch, "lm_head.weight: expected [2048, 128]"},
  };
  const Tensors whole = gemma_tensors(tiny_mobile_source());
  ModelOptions options;
  options.tokenizer = false;
  for (const Damage& damage : damages) {
    CAPTURE(damage.told);
    Tensors tensors = whole;
    damage.apply(tensors);
    const TemporaryFolder folder;
    write_mobile_folder(folder, tensors);
    auto model = Model::load(folder.path(), options);
    REQUIRE(!model.has_value());
    CHECK(model.error().code == damage.code);
    CHECK_MESSAGE(model.error().message().find(damage.told) != std::string::npos, model.error().message());
  }
}

TEST_CASE("sums of rows, which folders packed by earlier versions hold, are passed over") {
  std::vector<FileTensor> tensors = gemma_tensors(tiny_mobile_source());
  const std::string q = "model.language_model.layers.0.self_attn.q_proj.weight";
  const FileTensor sums{q + "_zero_sum", "I32", {128}, std::string(128 * sizeof(int32_t), '\x5a')};
  tensors.push_back(sums);
  const TemporaryFolder folder;
  write_mobile_folder(folder, tensors);
  CHECK(logits_of(*load(folder.path(), "")) == logits_of(*load("synthetic:tiny", "mobile")));

  tensors.back().name = "model.language_model.norm.weight_zero_sum";  // no matrix of that name
  const TemporaryFolder other;
  write_mobile_folder(other, tensors);
  ModelOptions options;
  options.tokenizer = false;
  CHECK(!Model::load(other.path(), options).has_value());
}

TEST_CASE("a row of an embedding with a damaged scale is an error when it is read, not a wrong number") {
  std::vector<FileTensor> tensors = gemma_tensors(tiny_mobile_source());
  find_tensor(tensors, "model.language_model.embed_tokens.embedding_scale").set_float(13, NAN);
  const TemporaryFolder folder;
  write_mobile_folder(folder, tensors);
  const auto model = load(folder.path(), "");
  auto session = Session::create(*model, {});
  REQUIRE(session.has_value());
  CHECK(session->decode(12).has_value());
  auto failed = session->decode(13);
  REQUIRE(!failed.has_value());
  CHECK(failed.error().code == ErrorCode::kInvalidFile);
}

}  // namespace
}  // namespace gemma
