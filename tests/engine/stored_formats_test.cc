// One set of weights on a 4-bit grid in every format it is published in: the same levels, the same logits.
#include <filesystem>

#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/session.h"
#include "engine/stored_tensor.h"
#include "kernels/pack.h"
#include "tests/engine/on_grid_checkpoint.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path;
  explicit Folder(const char* name) : path(fs::temp_directory_path() / (name + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
};

std::string golden(const char* name) {
  return std::string(GEMMA_TEST_DATA) + "/goldens/" + name;
}

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme) {
  ModelOptions options;
  options.scheme = scheme;
  auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<float> logits(const Model& model) {
  auto session = Session::create(model, {});
  REQUIRE(session.has_value());
  std::vector<float> all;
  for (int32_t token : {2, 5, 9, 30, 7, 101}) {
    auto row = session->decode(token);
    REQUIRE(row.has_value());
    all.insert(all.end(), row->begin(), row->end());
  }
  return all;
}

TEST_CASE("int4 logits of the unquantized and the pack-quantized form are the same bits") {
  for (const char* name : {"tiny-ple", "tiny-dense", "tiny-moe"}) {
    CAPTURE(name);
    const tests::GridCheckpoint checkpoint = tests::make_grid_checkpoint(golden(name), 7);
    const Folder plain("gemma-formats-plain"), packed("gemma-formats-packed");
    tests::write_unquantized(checkpoint, plain.path);
    tests::write_pack_quantized(checkpoint, packed.path);
    const std::vector<float> expected = logits(*load(plain.path, "int4"));
    CHECK(logits(*load(packed.path, "int4")) == expected);
    // What nobody asked for: the unquantized form is found to be on its grid; of the other every packed
    // matrix stays as it is, and the embeddings are bf16 there.
    CHECK(to_string(load(plain.path, "")->scheme()) == "int4");
    CHECK(to_string(load(packed.path, "")->scheme()) == "stored");
  }
}

TEST_CASE("the levels and steps that were trained are those that are recovered, packed and read back") {
  const tests::GridCheckpoint checkpoint = tests::make_grid_checkpoint(golden("tiny-ple"), 8);
  const Folder plain("gemma-formats-plain"), packed("gemma-formats-packed");
  tests::write_unquantized(checkpoint, plain.path);
  tests::write_pack_quantized(checkpoint, packed.path);
  for (const fs::path& folder : {plain.path, packed.path}) {
    const std::unique_ptr<Model> model = load(folder, "int4");
    const Matrix& matrix = model->weights().layers[1].gate;
    const tests::GridMatrix& trained = checkpoint.matrices.at("layers.1.mlp.gate_proj.weight");
    std::vector<int8_t> levels(trained.columns());
    for (size_t row = 0; row < trained.rows(); ++row) {
      kernels::unpack_levels(matrix.view(), row, levels.data());
      for (size_t c = 0; c < trained.columns(); ++c) {
        REQUIRE(levels[c] == trained.levels[row * trained.columns() + c]);
        REQUIRE(kernels::weight_scale(matrix.view(), row, c) ==
                trained.steps[(row * trained.columns() + c) / 32]);
      }
    }
    for (const TensorReport& report : model->weights().reports) CHECK(report.off_grid_groups == 0);
  }
}

TEST_CASE("a duplicate of the tied head is recognised: there is one matrix") {
  const tests::GridCheckpoint checkpoint = tests::make_grid_checkpoint(golden("tiny-dense"), 9);
  const Folder packed("gemma-formats-packed");
  tests::write_pack_quantized(checkpoint, packed.path);
  const std::unique_ptr<Model> model = load(packed.path, "int4");
  REQUIRE(model->source().find("lm_head.weight") != nullptr);
  CHECK(model->weights().head_matrix == nullptr);
}

TEST_CASE("float schemes compute with scale times level of a packed matrix") {
  const tests::GridCheckpoint checkpoint = tests::make_grid_checkpoint(golden("tiny-ple"), 10);
  const Folder packed("gemma-formats-packed");
  tests::write_pack_quantized(checkpoint, packed.path);
  const std::unique_ptr<Model> model = load(packed.path, "f32");
  const tests::GridMatrix& trained = checkpoint.matrices.at("layers.0.self_attn.q_proj.weight");
  std::vector<float> row(trained.columns());
  kernels::dequantize_row(model->weights().layers[0].q.view(), 3, row.data());
  for (size_t c = 0; c < row.size(); ++c) {
    const size_t i = 3 * trained.columns() + c;
    CHECK(row[c] == trained.steps[i / 32] * static_cast<float>(trained.levels[i]));
  }
}

// A pack-quantized folder with one tensor changed by `spoil`.
Error refusal(void (*spoil)(tests::FolderWriter&, const std::string& stem, const tests::GridMatrix&)) {
  const tests::GridCheckpoint checkpoint = tests::make_grid_checkpoint(golden("tiny-dense"), 11);
  const Folder folder("gemma-formats-spoilt");
  tests::FolderWriter writer(folder.path);
  const std::string spoilt = "layers.2.mlp.up_proj.weight";
  for (const auto& [name, matrix] : checkpoint.matrices) {
    if (name == spoilt) {
      spoil(writer, "model.language_model.layers.2.mlp.up_proj", matrix);
    } else {
      writer.add_bf16("model.language_model." + name, matrix);
    }
  }
  writer.add_rest(checkpoint);
  writer.finish();
  ModelOptions options;
  options.scheme = "int4";
  auto model = Model::load(folder.path, options);
  REQUIRE_FALSE(model.has_value());
  CHECK(model.error().where.find("up_proj") != std::string::npos);
  return model.error();
}

std::vector<std::byte> words(size_t count) {
  return std::vector<std::byte>(count * 4, std::byte{0x88});
}

std::vector<std::byte> shape_bytes(int64_t rows, int64_t columns) {
  return tests::bytes_of(std::vector<int64_t>{rows, columns});
}

TEST_CASE("hostile pack-quantized tensors are refused, each with its reason") {
  SUBCASE("words that do not hold the columns") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8 - 1},
                 words(m.rows() * (m.columns() / 8 - 1)));
      writer.add(stem + ".weight_scale", Dtype::kBf16, {m.rows(), m.columns() / 32},
                 std::vector<std::byte>(m.steps.size() * 2));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2},
                 shape_bytes(static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.columns())));
    });
    CHECK(error.code == ErrorCode::kMismatch);
    CHECK(error.what.find("expected int32 words of 2, 4 or 8 bits") != std::string::npos);
  }
  SUBCASE("a shape whose product wraps around") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8},
                 words(m.rows() * m.columns() / 8));
      writer.add(stem + ".weight_scale", Dtype::kBf16, {m.rows(), m.columns() / 32},
                 std::vector<std::byte>(m.steps.size() * 2));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2}, shape_bytes(int64_t{1} << 62, -4));
    });
    CHECK(error.code == ErrorCode::kMismatch);
  }
  SUBCASE("a scale that is not a number") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8},
                 words(m.rows() * m.columns() / 8));
      std::vector<uint16_t> scales(m.steps.size(), kernels::to_bf16(0.5f));
      scales[5] = 0x7fc0;
      writer.add(stem + ".weight_scale", Dtype::kBf16, {m.rows(), m.columns() / 32}, tests::bytes_of(scales));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2},
                 shape_bytes(static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.columns())));
    });
    CHECK(error.code == ErrorCode::kInvalidFile);
    CHECK(error.what.find("expected a finite scale in row 1") != std::string::npos);
  }
  SUBCASE("a negative scale") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8},
                 words(m.rows() * m.columns() / 8));
      std::vector<uint16_t> scales(m.steps.size(), kernels::to_bf16(-0.5f));
      writer.add(stem + ".weight_scale", Dtype::kBf16, {m.rows(), m.columns() / 32}, tests::bytes_of(scales));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2},
                 shape_bytes(static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.columns())));
    });
    CHECK(error.code == ErrorCode::kInvalidFile);
  }
  SUBCASE("scales of another count") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8},
                 words(m.rows() * m.columns() / 8));
      writer.add(stem + ".weight_scale", Dtype::kBf16, {m.rows() + 1, m.columns() / 32},
                 std::vector<std::byte>((m.rows() + 1) * m.columns() / 32 * 2));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2},
                 shape_bytes(static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.columns())));
    });
    CHECK(error.code == ErrorCode::kMismatch);
  }
  SUBCASE("no scales at all") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_packed", Dtype::kI32, {m.rows(), m.columns() / 8},
                 words(m.rows() * m.columns() / 8));
      writer.add(stem + ".weight_shape", Dtype::kI64, {2},
                 shape_bytes(static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.columns())));
    });
    CHECK(error.code == ErrorCode::kMismatch);
    CHECK(error.what.find("no scale") != std::string::npos);
  }
  SUBCASE("zero points, which a symmetric format has none of") {
    const Error error = refusal([](auto& writer, const std::string& stem, const tests::GridMatrix& m) {
      writer.add(stem + ".weight_zero_point", Dtype::kI8, {m.rows(), 1}, std::vector<std::byte>(m.rows()));
    });
    CHECK(error.code == ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace gemma
