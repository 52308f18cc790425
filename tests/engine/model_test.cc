// What loading a model refuses, and with which words.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/process_memory.h"
#include "engine/session.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

// A copy of a golden checkpoint that a test may spoil.
struct Copy {
  fs::path path;
  explicit Copy(const char* name)
      : path(fs::temp_directory_path() / ("gemma-model-test" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
    for (const char* file : {"config.json", "generation_config.json", "model.safetensors"}) {
      fs::copy(fs::path(GEMMA_TEST_DATA) / "goldens" / name / file, path / file);
      fs::permissions(path / file, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  ~Copy() { fs::remove_all(path); }
  void replace(const char* file, const std::string& from, const std::string& to) const {
    std::ifstream in(path / file, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    in.close();
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(path / file, std::ios::binary) << text;
  }
};

Error refusal(const std::string& name, const std::string& scheme = "f32") {
  ModelOptions options;
  options.scheme = scheme;
  auto model = Model::load(name, options);
  REQUIRE(!model.has_value());
  return model.error();
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("all tensors that config.json contradicts are listed at once, with expected and found") {
  const Copy copy("tiny-dense");
  copy.replace("config.json", "\"intermediate_size\": 160", "\"intermediate_size\": 192");
  const Error error = refusal(copy.path);
  CHECK(error.code == ErrorCode::kMismatch);
  CHECK(contains(error.what, "18 of another shape than config.json says"));
  CHECK(contains(error.what, "layers.0.mlp.gate_proj.weight: expected [192, 96], found [160, 96]"));
  CHECK(contains(error.what, "layers.5.mlp.down_proj.weight: expected [96, 192], found [96, 160]"));
}

TEST_CASE("matrices wider than the integer sums hold are refused by their width") {
  const Copy copy("tiny-dense");
  copy.replace("config.json", "\"intermediate_size\": 160", "\"intermediate_size\": 131072");
  const Error error = refusal(copy.path);
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK(contains(error.what, "6 of more than the 131071 columns that can be multiplied"));
  CHECK(contains(error.what, "layers.0.mlp.down_proj.weight: 131072"));
}

TEST_CASE("missing and surplus tensors are listed at once") {
  const Copy copy("tiny-dense");
  copy.replace("model.safetensors", "layers.0.mlp.gate_proj", "layers.0.mlp.gate_prox");
  copy.replace("model.safetensors", "layers.3.mlp.up_proj", "layers.3.mlp.vp_proj");
  const Error error = refusal(copy.path);
  CHECK(error.code == ErrorCode::kMismatch);
  CHECK(contains(error.what, "2 missing"));
  CHECK(contains(error.what, "layers.0.mlp.gate_proj.weight: expected [160, 96]"));
  CHECK(contains(error.what, "2 not part of this model"));
  CHECK(contains(error.what, "layers.3.mlp.vp_proj.weight: found BF16 [160, 96]"));
}

TEST_CASE("a layer can have a scheme of its own, if the model has that layer") {
  ModelOptions options;
  options.scheme = "f32,layers.1=int8";
  auto model = Model::load("synthetic:tiny", options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  size_t of_the_layer = 0;
  for (const TensorReport& told : (*model)->weights().reports) {
    CAPTURE(told.name);
    const bool its = layer_of(told.name) == 1 && told.tensor_class != TensorClass::kFloat;
    of_the_layer += its;
    CHECK((told.scheme == "int8") == its);
  }
  CHECK(of_the_layer >= 7);
  const Error error = refusal("synthetic:tiny", "f32,layers.99=int8");
  CHECK(error.code == ErrorCode::kUsage);
  CHECK(contains(error.what, "there is no layer 99: the model has layers 0 to "));
}

TEST_CASE("a group that does not divide the columns lists every such tensor") {
  const Error error = refusal(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-dense", "fake:w4g64");
  CHECK(error.code == ErrorCode::kUsage);
  CHECK(contains(error.what, "embed_tokens.weight: 96 columns, groups of 64"));
  CHECK(contains(error.what, "layers.5.mlp.down_proj.weight: 160 columns, groups of 64"));
}

TEST_CASE("static activations without scales in the checkpoint are refused") {
  CHECK(contains(refusal(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple", "mobile").what,
                 "needs static activation scales"));
  CHECK(contains(refusal(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple", "fake:w8ca8s").what,
                 "needs static activation scales"));
}

// This process may take 8 GB more at most, as long as this lives.
class LittleMemory {
 public:
  LittleMemory() {
    REQUIRE(getrlimit(RLIMIT_AS, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(process_memory().virtual_bytes + 8'000'000'000, before_.rlim_max);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

TEST_CASE("weights that do not fit into memory are refused before they are made, with both figures") {
  const LittleMemory limit;
  const Error error = refusal("synthetic:31b", "fake:int4");
  CHECK(error.code == ErrorCode::kResource);
  CHECK(contains(error.what, "needs 122."));
  CHECK(contains(error.what, "are available"));
}

TEST_CASE("a folder that is not there, one without a model, and an unknown size are told apart") {
  CHECK(refusal("/nowhere/at/all").code == ErrorCode::kNotFound);
  CHECK(refusal("synthetic:e3b").code == ErrorCode::kUsage);
  const fs::path empty = fs::temp_directory_path() / ("gemma-empty-folder" + std::to_string(::getpid()));
  fs::create_directories(empty);
  CHECK(refusal(empty).code == ErrorCode::kNotFound);
  fs::remove_all(empty);
}

TEST_CASE("a lm_head that repeats the tied embedding, or is quantized apart, still gives logits") {
  for (const char* scheme : {"f32", "int4", "int4,head=int8", "int4,embed=bf16"}) {
    CAPTURE(scheme);
    ModelOptions options;
    options.scheme = scheme;
    auto model = Model::load(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple", options);
    REQUIRE_MESSAGE(model.has_value(), model.error().message());
    auto session = Session::create(**model, {});
    REQUIRE(session.has_value());
    CHECK(session->decode(3).has_value());
    CHECK(((*model)->weights().head_matrix != nullptr) ==
          (std::string(scheme).find(',') != std::string::npos));
  }
}

}  // namespace
}  // namespace gemma
