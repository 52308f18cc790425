// A packed folder computes what its source computes, bit for bit, with nothing left to do at load.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/model_export.h"
#include "engine/packed_export.h"
#include "engine/session.h"

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

std::unique_ptr<Model> load(const std::string& name, const std::string& scheme,
                            std::optional<Placement> placement = {}) {
  ModelOptions options;
  options.scheme = scheme;
  options.placement = placement;
  auto model = Model::load(name, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

std::vector<float> logits(const Model& model) {
  auto session = Session::create(model, {});
  REQUIRE(session.has_value());
  std::vector<float> all;
  for (int32_t token : {2, 5, 9, 30, 7}) {
    auto row = session->decode(token);
    REQUIRE(row.has_value());
    all.insert(all.end(), row->begin(), row->end());
  }
  return all;
}

Result<PackedReport> pack(const Model& model, const std::string& scheme, const fs::path& folder,
                          const PackOptions& options = {}) {
  for (const char* file : {"config.json", "generation_config.json"}) {
    fs::copy_file(fs::path(model.folder()) / file, folder / file, fs::copy_options::overwrite_existing);
  }
  auto parsed = parse_scheme(scheme);
  REQUIRE(parsed.has_value());
  return export_packed(model.config(), model.source(), *parsed, model.kernels(), model.team(),
                       (folder / "model.safetensors").string(), options);
}

TEST_CASE("a packed folder gives the logits of its source, bit for bit, under every scheme that packs") {
  for (const char* name : {"tiny-ple", "tiny-moe", "tiny-dense"}) {
    for (const char* scheme : {"int4", "int8", "int4-channel", "w8a4", "w2c", "w3g16", "w8t", "bf16", "f32",
                               "int4,head=int8", "int8,ple=bf16", "int4,embed=bf16,ple=w4c"}) {
      CAPTURE(name);
      CAPTURE(scheme);
      const Folder folder("gemma-packed-test");
      const std::unique_ptr<Model> source = load(golden(name), scheme);
      const Result<PackedReport> report = pack(*source, scheme, folder.path);
      REQUIRE_MESSAGE(report.has_value(), report.error().message());
      CHECK(report->file_bytes == fs::file_size(folder.path / "model.safetensors"));

      for (const Placement placement : {Placement::kCopied, Placement::kMapped}) {
        CAPTURE(static_cast<int>(placement));
        const std::unique_ptr<Model> packed = load(folder.path, "", placement);
        CHECK(to_string(packed->scheme()) == to_string(source->scheme()));
        CHECK(logits(*packed) == logits(*source));
      }
    }
  }
}

TEST_CASE("layers with a scheme of their own are packed in it, and give the bits of their source") {
  // Classes and layers cross: layer 0's MLP is int8 because layers go first.
  const char* word = "int4,mlp=bf16,layers.0=int8,layers.2=w4c";
  for (const char* name : {"tiny-ple", "tiny-moe"}) {
    CAPTURE(name);
    const Folder folder("gemma-packed-test");
    const std::unique_ptr<Model> source = load(golden(name), word);
    const Result<PackedReport> report = pack(*source, word, folder.path);
    REQUIRE_MESSAGE(report.has_value(), report.error().message());
    std::map<std::string, std::string> schemes;
    for (const PackedTensor& tensor : report->tensors) schemes[tensor.name] = tensor.scheme;
    CHECK(schemes["layers.0.self_attn.q_proj.weight"] == "int8");
    CHECK(schemes["layers.0.mlp.up_proj.weight"] == "int8");
    CHECK(schemes["layers.1.self_attn.q_proj.weight"] == "int4");
    CHECK(schemes["layers.1.mlp.up_proj.weight"] == "bf16");
    CHECK(schemes["layers.2.self_attn.q_proj.weight"] == "w4c");

    for (const Placement placement : {Placement::kCopied, Placement::kMapped}) {
      CAPTURE(static_cast<int>(placement));
      const std::unique_ptr<Model> packed = load(folder.path, "", placement);
      CHECK(to_string(packed->scheme()) == to_string(source->scheme()));
      CHECK(logits(*packed) == logits(*source));
      const auto format = [&](size_t layer) { return packed->weights().layers[layer].q.view().format; };
      CHECK(format(0) == kernels::WeightFormat::kInt8Channel);
      CHECK(format(1) == kernels::WeightFormat::kInt4Group32);
      CHECK(format(2) == source->weights().layers[2].q.view().format);
    }
    CHECK(logits(*load(golden(name), "int4,mlp=bf16")) != logits(*source));
  }
}

TEST_CASE("a packed matrix is read where it is mapped, or copied, as asked") {
  const Folder folder("gemma-packed-test");
  const std::unique_ptr<Model> source = load(golden("tiny-moe"), "int4");
  REQUIRE(pack(*source, "int4", folder.path).has_value());
  CHECK(source->owned_weight_bytes() > 0);
  const std::unique_ptr<Model> mapped = load(folder.path, "", Placement::kMapped);
  CHECK(mapped->owned_weight_bytes() == 0);
  CHECK(mapped->mapped_weight_bytes() >= source->owned_weight_bytes());
  const std::unique_ptr<Model> copied = load(folder.path, "", Placement::kCopied);
  CHECK(copied->owned_weight_bytes() == source->owned_weight_bytes());
  CHECK(copied->mapped_weight_bytes() == 0);
}

TEST_CASE("a packed folder can be packed again, for the same scheme without loss") {
  const Folder first("gemma-packed-test"), second("gemma-packed-test-2");
  const std::unique_ptr<Model> source = load(golden("tiny-ple"), "int4");
  REQUIRE(pack(*source, "int4", first.path).has_value());
  const std::unique_ptr<Model> packed = load(first.path, "");
  REQUIRE(pack(*packed, "int4", second.path).has_value());
  CHECK(logits(*load(second.path, "")) == logits(*source));
}

TEST_CASE("the report says what was kept, what lies on a grid and what rounding cost") {
  const Folder folder("gemma-packed-test");
  const std::unique_ptr<Model> source = load(golden("tiny-ple"), "int4,head=bf16,embed=bf16");
  const Result<PackedReport> report = pack(*source, "int4,head=bf16,embed=bf16", folder.path);
  REQUIRE(report.has_value());
  size_t rounded = 0;
  for (const PackedTensor& tensor : report->tensors) {
    CAPTURE(tensor.name);
    if (tensor.scheme == "int4") {
      ++rounded;
      CHECK(tensor.mean_squared_error > 0);
      CHECK(tensor.snr_db > 10);
      CHECK(tensor.snr_db < 40);
      CHECK(tensor.bits >= 4.5);
      CHECK_FALSE(tensor.on_grid);
    } else {
      CHECK(tensor.mean_squared_error == 0);
    }
  }
  CHECK(rounded > 20);
}

TEST_CASE("an interrupted export goes on where it was, and gives the same file") {
  const Folder whole("gemma-packed-test"), parts("gemma-packed-test-2");
  const std::unique_ptr<Model> source = load(golden("tiny-ple"), "int4");
  REQUIRE(pack(*source, "int4", whole.path).has_value());
  size_t runs = 0;
  for (;; ++runs) {
    REQUIRE(runs < 1000);
    PackOptions options;
    size_t asked = 0;
    options.interrupted = [&] { return ++asked > 40; };
    const Result<PackedReport> report = pack(*source, "int4", parts.path, options);
    if (report.has_value()) break;
    REQUIRE(report.error().what == "interrupted");
    // As if progress had been saved just before: what a large file does every 256 MB.
    std::ofstream(parts.path / "model.safetensors.progress") << 5 * (runs + 1);
  }
  CHECK(runs > 1);
  const auto bytes = [](const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(bytes(whole.path / "model.safetensors") == bytes(parts.path / "model.safetensors"));
  CHECK_FALSE(fs::exists(parts.path / "model.safetensors.progress"));
}

TEST_CASE("a mobile model packs with its static scales, and nothing is left to do at load") {
  const Folder folder("gemma-packed-test");
  const std::unique_ptr<Model> source = load("synthetic:tiny", "mobile");
  const std::string out = (folder.path / "packed").string();
  const Result<PackedReport> report = export_model(*source, source->scheme(), ExportFormat::kPacked, out, {});
  REQUIRE_MESSAGE(report.has_value(), report.error().message());
  for (const PackedTensor& tensor : report->tensors) CHECK(tensor.mean_squared_error == 0);
  const std::unique_ptr<Model> packed = load(out, "", Placement::kMapped);
  CHECK(to_string(packed->scheme()) == "mobile");
  CHECK(packed->owned_weight_bytes() < source->owned_weight_bytes() / 4);  // a float projection at most
  CHECK(logits(*packed) == logits(*source));
  CHECK(logits(*load(out, "", Placement::kCopied)) == logits(*source));
  CHECK(logits(*load(out, "fake:mobile")) == logits(*load("synthetic:tiny", "fake:mobile")));
}

TEST_CASE("a fake scheme is refused: it has no packed form") {
  const Folder folder("gemma-packed-test");
  const std::unique_ptr<Model> source = load(golden("tiny-ple"), "f32");
  const Result<PackedReport> report = pack(*source, "fake:int4", folder.path);
  REQUIRE_FALSE(report.has_value());
  CHECK(report.error().code == ErrorCode::kUsage);
  CHECK(report.error().hint.find("--to bf16") != std::string::npos);
}

}  // namespace
}  // namespace gemma
