// Static scales found on a text: the same for any threads and chunks, in the folder and out of it, and what
// the integer kernels make of them is what their fake does.
#include "engine/calibration.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/activation_scales.h"
#include "engine/model_export.h"
#include "engine/session.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

std::string golden(const char* name) {
  return std::string(GEMMA_TEST_DATA) + "/goldens/" + name;
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("gemma-calibration-test" + std::to_string(::getpid()));
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

// One thread unless threads are what is tested: small teams on a busy machine mostly wait for each other.
std::unique_ptr<Model> load(const std::string& name, const std::string& scheme, size_t threads = 1,
                            std::optional<Placement> placement = {}) {
  ModelOptions options;
  options.scheme = scheme;
  options.placement = placement;
  options.threads = threads;
  auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<int32_t> some_ids(size_t n) {
  std::vector<int32_t> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>(3 + (i * 37 + i * i * 11) % 60);
  return ids;
}

Calibration calibrated(const Model& model, const CalibrationOptions& options = {}) {
  auto found = calibrate(model, some_ids(90), options);
  REQUIRE_MESSAGE(found.has_value(), found.error().message());
  return std::move(*found);
}

std::vector<float> logits(const Model& model) {
  auto session = Session::create(model, {.context = 32, .chunk = 3, .kv_type = kernels::KvType::kF32});
  REQUIRE(session.has_value());
  std::vector<float> all;
  for (const std::vector<int32_t>& part : {std::vector<int32_t>{2, 5, 9, 30, 7}, {11}, {4, 8}}) {
    auto row = session->extend(part);
    REQUIRE(row.has_value());
    all.insert(all.end(), row->begin(), row->end());
  }
  return all;
}

double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double{found[i]} - expected[i], 2);
    size += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(error / size);
}

// "w8ca8s,head=w4ca8s" -> "fake:w8ca8s,head=fake:w4ca8s".
std::string fake_of(std::string scheme) {
  const size_t equals = scheme.find('=');
  if (equals != scheme.npos) scheme.insert(equals + 1, "fake:");
  return "fake:" + scheme;
}

// The model packed or written out with scales found on a text.
void export_calibrated(const fs::path& folder, const char* name, const std::string& scheme,
                       ExportFormat format, const CalibrationOptions& options = {}) {
  const std::unique_ptr<Model> model = load(name, "f32");
  const ExtendedSource source(model->source(), calibrated(*model, options).tensors);
  PackOptions pack;
  pack.source = &source;
  fs::remove_all(folder);
  auto report = export_model(*model, *parse_scheme(scheme), format, folder, pack);
  REQUIRE_MESSAGE(report.has_value(), report.error().message());
}

TEST_CASE("every matrix but the router gets scales, and the experts of a layer share theirs") {
  const std::unique_ptr<Model> model = load(golden("tiny-moe"), "f32");
  const Calibration found = calibrated(*model);
  CHECK(found.tokens == 90);
  size_t experts = 0;
  for (const CalibratedMatrix& matrix : found.matrices) {
    CAPTURE(matrix.module);
    CHECK(matrix.input_scale > 0);
    CHECK(matrix.output_scale == 0);
    CHECK(matrix.clipped == 0);
    CHECK(matrix.module.find("router") == matrix.module.npos);
    experts += matrix.module == "layers.0.experts.down_proj";
  }
  CHECK(experts == 1);
  const ExtendedSource source(model->source(), found.tensors);
  CHECK(read_activation_scales(source, "layers.0.mlp.up_proj.weight")->input > 0);
  CHECK(read_activation_scales(source, "layers.0.experts.down_proj")->input > 0);
  CHECK(read_activation_scales(source, "lm_head.weight")->input > 0);
}

TEST_CASE("a tied head that the scheme stores apart still finds its scales under the embedding's name") {
  const std::unique_ptr<Model> model = load(golden("tiny-ple"), "w4c,head=w8c");
  for (const CalibratedMatrix& matrix : calibrated(*model).matrices) CHECK(matrix.module != "lm_head");
}

TEST_CASE("threads have no say in the scales, nor has where the windows' chunks end") {
  for (const CalibrationMethod method :
       {CalibrationMethod::kAbsmax, CalibrationMethod::kPercentile, CalibrationMethod::kMse}) {
    CalibrationOptions options;
    options.rule.method = method;
    options.outputs = true;
    options.window = 40;
    const Calibration one = calibrated(*load(golden("tiny-ple"), "f32", 1), options);
    const Calibration three = calibrated(*load(golden("tiny-ple"), "f32", 3), options);
    REQUIRE(one.tensors.size() == three.tensors.size());
    for (size_t i = 0; i < one.tensors.size(); ++i) {
      CHECK(one.tensors[i].name == three.tensors[i].name);
      CHECK(one.tensors[i].values == three.tensors[i].values);
    }
  }
}

// What each chunk lets the observer see, added up.
struct Sums final : ActivationObserver {
  std::map<const Matrix*, ActivationHistogram> seen;
  void observe(const Matrix& matrix, const float* x, size_t tokens, const float*, size_t) override {
    seen[&matrix].add({x, tokens * matrix.view().cols});
  }
};

TEST_CASE("an observer sees every position of every matrix once, however the text is cut") {
  const std::unique_ptr<Model> model = load(golden("tiny-moe"), "f32");
  Sums whole, parts;
  for (const auto& [sums, chunk] : {std::pair<Sums*, size_t>(&whole, 40), {&parts, 7}}) {
    auto session = Session::create(*model, {.context = 40, .chunk = chunk, .observer = sums});
    REQUIRE(session.has_value());
    REQUIRE(session->evaluate(some_ids(40), 0, [](size_t, std::span<const float>) {}).has_value());
  }
  REQUIRE(whole.seen.size() == parts.seen.size());
  for (const auto& [matrix, histogram] : whole.seen) {
    const ActivationHistogram& other = parts.seen.at(matrix);
    CHECK(histogram.count() == other.count());
    CHECK(histogram.lowest() == other.lowest());
    CHECK(histogram.highest() == other.highest());
    CHECK(histogram.bins().size() == other.bins().size());
  }
}

TEST_CASE("a calibrated folder runs in integers, as fake, and from its panels, copied or mapped") {
  const Folder folder;
  for (const char* name : {"tiny-ple", "tiny-moe"}) {
    const std::vector<float> exact = logits(*load(golden(name), "f32"));
    for (const std::string scheme : {"w8ca8s", "w4ca8s", "w2ca8s", "w8ca8s,head=w4ca8s"}) {
      if (scheme != "w8ca8s" && name == std::string("tiny-moe")) continue;
      CAPTURE(name);
      CAPTURE(scheme);
      CalibrationOptions options;
      options.outputs = scheme == "w4ca8s";
      export_calibrated(folder.path, golden(name).c_str(), scheme, ExportFormat::kPacked, options);
      const std::unique_ptr<Model> packed = load(folder.path, "", 1, Placement::kCopied);
      CHECK(to_string(packed->scheme()) == to_string(*parse_scheme(scheme)));
      CHECK(packed->mapped_weight_bytes() == 0);
      // The same keys and values in the cache: then every bit is the same.
      const std::vector<float> real = logits(*packed);
      CHECK(real == logits(*load(folder.path, fake_of(scheme))));
      const std::unique_ptr<Model> mapped = load(folder.path, "", 1, Placement::kMapped);
      CHECK(mapped->mapped_weight_bytes() > 0);
      CHECK(real == logits(*mapped));
      if (scheme == "w8ca8s") CHECK(relative_error(real, exact) < 0.2);
    }
  }
}

TEST_CASE("fed the same floats, static scales in integers and their fake give the same bits") {
  const std::unique_ptr<Model> model = load(golden("tiny-dense"), "f32");
  CalibrationOptions options;
  options.outputs = true;
  const ExtendedSource source(model->source(), calibrated(*model, options).tensors);
  const ThreadTeam team(2);
  const Progress silent;
  for (const std::string word : {"w2ca8s", "w4ca8s", "w8ca8s"}) {
    CAPTURE(word);
    for (const char* name : {"layers.0.mlp.up_proj.weight", "layers.0.self_attn.o_proj.weight"}) {
      const TensorInfo& tensor = *source.find(name);
      const size_t tokens = 5, cols = tensor.columns(), rows = tensor.rows();
      std::vector<float> x(tokens * cols);
      for (size_t i = 0; i < x.size(); ++i) x[i] = 3 * std::sin(static_cast<float>(i * i % 977));
      std::vector<std::vector<float>> y;
      for (const std::string& scheme_word : {word, "fake:" + word}) {
        const Scheme scheme = *parse_scheme(scheme_word);
        MatrixBuilder builder(scheme, source, team, 0, silent);
        const Result<Matrix> matrix = builder.matrix(tensor, TensorClass::kMlp, 0, rows);
        REQUIRE_MESSAGE(matrix.has_value(), matrix.error().message());
        auto scratch = LinearScratch::create(tokens, cols, team.size());
        REQUIRE(scratch.has_value());
        y.emplace_back(tokens * rows);
        PhaseTeam(team).run([&](Worker& me) {
          LinearInput input(*scratch, x.data(), tokens, cols);
          linear(kernels::default_kernel_table(), me, *matrix, input, y.back().data(), rows);
        });
      }
      CHECK(y[0] == y[1]);
    }
  }
}

TEST_CASE("static scales of 4 bits, in groups and with zero points run as fake on a calibrated bf16 folder") {
  const Folder folder;
  export_calibrated(folder.path, golden("tiny-ple").c_str(), "bf16", ExportFormat::kBf16);
  const std::vector<float> exact = logits(*load(folder.path, "bf16"));
  for (const char* scheme : {"fake:w8g16a8s", "fake:w8ca8sz", "fake:w8cza8s", "fake:w8ta8s", "w8ca8s"}) {
    CAPTURE(scheme);
    CHECK(relative_error(logits(*load(folder.path, scheme)), exact) < 0.2);
  }
  for (const char* scheme : {"fake:w8ca4s", "fake:w8ca4sz"}) {
    CAPTURE(scheme);
    const double error = relative_error(logits(*load(folder.path, scheme)), exact);
    CHECK(error > 0);
    CHECK(error < 1);
  }
  ModelOptions options;
  auto plain = Model::load(folder.path, options);
  REQUIRE(plain.has_value());
  CHECK(to_string((*plain)->scheme()) == "bf16");  // calibrated scales do not choose the scheme
}

TEST_CASE("a folder without scales is refused, with the way to find them") {
  ModelOptions options;
  for (const char* scheme : {"w8ca8s", "fake:w4g32a8s", "fake:w4ca4s"}) {
    options.scheme = scheme;
    auto model = Model::load(golden("tiny-ple"), options);
    REQUIRE(!model.has_value());
    CHECK(model.error().what == "needs static activation scales, and this checkpoint carries none");
    CHECK(model.error().hint.find("gemma-quantize --calibrate FILE") != std::string::npos);
  }
  const Folder folder;
  const std::unique_ptr<Model> model = load(golden("tiny-ple"), "f32");
  auto report = export_model(*model, *parse_scheme("w8ca8s"), ExportFormat::kPacked, folder.path, {});
  REQUIRE(!report.has_value());
  CHECK(report.error().code == ErrorCode::kUsage);
}

TEST_CASE("what cannot be calibrated is refused") {
  const std::unique_ptr<Model> floats = load(golden("tiny-dense"), "f32");
  CHECK(calibrate(*floats, {}, {}).error().what == "expected a text, found no tokens");
  CalibrationOptions options;
  options.rule.percentile = 101;
  CHECK(calibrate(*floats, some_ids(4), options).error().code == ErrorCode::kUsage);
  options.rule.percentile = std::nan("");
  CHECK(calibrate(*floats, some_ids(4), options).error().code == ErrorCode::kUsage);
  const Folder folder;
  fs::remove_all(folder.path);
  fs::copy(golden("tiny-dense"), folder.path, fs::copy_options::recursive);
  std::ifstream file(golden("tiny-dense") + "/config.json");
  nlohmann::json config = nlohmann::json::parse(file);
  config["text_config"]["max_position_embeddings"] = 1;
  std::ofstream(folder.path / "config.json") << config.dump();
  CHECK(calibrate(*load(folder.path, "f32"), some_ids(4), {}).error().what ==
        "expected a model of 2 positions or more, found 1");
  const std::unique_ptr<Model> levels = load(golden("tiny-dense"), "int8");
  CHECK(calibrate(*levels, some_ids(4), {}).error().hint == "calibrate with f32, bf16 or a scheme without a");
}

TEST_CASE("damaged scales are refused with their name: not finite, negative, too many, a range without 0") {
  const std::unique_ptr<Model> model = load(golden("tiny-dense"), "f32");
  const std::string module = "layers.0.mlp.up_proj";
  const auto code = [&](std::string_view suffix, const std::vector<size_t>& shape,
                        const std::vector<float>& values, int bits, bool zero_point) {
    const ExtendedSource source(model->source(), {{module + std::string(suffix), shape, values}});
    const auto read = read_input_rounding(source, module + ".weight", bits, zero_point);
    REQUIRE(!read.has_value());
    CHECK(read.error().where.find(module) != std::string::npos);
    return read.error().code;
  };
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  for (float bad : {nan, inf, -1.0f}) {
    CHECK(code(kInputScale, {1}, {bad}, 8, false) == ErrorCode::kInvalidFile);
    CHECK(code(kInputScale4, {1}, {bad}, 4, false) == ErrorCode::kInvalidFile);
    CHECK(code(kInputRange, {2, 2}, {-1, 1, -1, bad}, 8, true) == ErrorCode::kInvalidFile);
  }
  CHECK(code(kInputScale, {2}, {1, 1}, 8, false) == ErrorCode::kMismatch);
  CHECK(code(kInputRange, {2}, {-1, 1}, 4, true) == ErrorCode::kMismatch);
  CHECK(code(kInputRange, {2, 2}, {1, 2, -1, 1}, 4, true) == ErrorCode::kInvalidFile);
}

TEST_CASE("the scheme to calibrate with has the weights and float activations") {
  CHECK(to_string(with_float_activations(*parse_scheme("w4ca8s,head=int8"))) == "w4c,head=w8c");
  CHECK(to_string(with_float_activations(*parse_scheme("fake:w4g32za4sz"))) == "fake:w4g32z");
  CHECK(to_string(with_float_activations(*parse_scheme("bf16"))) == "bf16");
  CHECK(to_string(with_float_activations(*parse_scheme("stored"))) == "f32");
}

}  // namespace
}  // namespace gemma
