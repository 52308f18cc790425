// How the tensors of quantized checkpoints become matrices. tests/engine/stored_formats_test.cc has the
// packed words.
#include "loader/quantized_tensors.h"

#include <cstring>

#include <doctest/doctest.h>

namespace gemma {
namespace {

// A list of tensors that lie in no file; reading one gives its bytes from `bytes`.
struct List {
  std::vector<SafetensorsTensor> stored = std::vector<SafetensorsTensor>(64);
  std::vector<ListedTensor> tensors;
  std::map<const SafetensorsTensor*, std::vector<std::byte>> bytes;

  void add(const std::string& name, Dtype dtype, std::vector<size_t> shape) {
    ListedTensor tensor;
    tensor.info.name = tensor.info.stored_name = name;
    tensor.info.dtype = dtype;
    tensor.info.shape = std::move(shape);
    tensor.parts.push_back({0, &stored[tensors.size()]});
    tensors.push_back(std::move(tensor));
  }
  Result<void> fold() {
    return fold_quantized(
        tensors,
        [this](const StoredPart& part) -> Result<std::vector<std::byte>> { return bytes.at(part.tensor); },
        nullptr);
  }
  const ListedTensor* find(const std::string& name) const {
    for (const ListedTensor& tensor : tensors) {
      if (tensor.info.name == name) return &tensor;
    }
    return nullptr;
  }
};

TEST_CASE("experts stored one by one are joined, gate rows before up rows, in order") {
  List list;
  for (size_t expert : {2, 0, 1}) {  // files are sorted as text
    for (const char* part : {"up_proj", "gate_proj", "down_proj"}) {
      const bool down = std::string(part) == "down_proj";
      list.add("layers.0.experts." + std::to_string(expert) + "." + part + ".weight", Dtype::kI8,
               down ? std::vector<size_t>{64, 32} : std::vector<size_t>{32, 64});
      list.add("layers.0.experts." + std::to_string(expert) + "." + part + ".weight_scale", Dtype::kF32,
               down ? std::vector<size_t>{64, 1} : std::vector<size_t>{32, 1});
    }
  }
  REQUIRE(list.fold().has_value());
  CHECK(list.tensors.size() == 4);
  const ListedTensor* both = list.find("layers.0.experts.gate_up_proj");
  REQUIRE(both != nullptr);
  CHECK(both->info.shape == std::vector<size_t>{3, 64, 64});
  CHECK(both->info.encoding == Encoding::kGemma8);
  REQUIRE(both->parts.size() == 6);
  CHECK(both->parts[0].tensor == &list.stored[8]);  // expert 0: gate
  CHECK(both->parts[1].tensor == &list.stored[6]);  // expert 0: up
  CHECK(both->parts[5].tensor == &list.stored[0]);  // expert 2: up
  const ListedTensor* scales = list.find("layers.0.experts.gate_up_proj_scale");
  REQUIRE(scales != nullptr);
  CHECK(scales->info.shape == std::vector<size_t>{3, 64, 1});
  CHECK(list.find("layers.0.experts.down_proj")->info.shape == std::vector<size_t>{3, 64, 32});
}

TEST_CASE("a missing expert and a missing half are refused") {
  List gap;
  for (size_t expert : {0, 2}) {
    gap.add("layers.0.experts." + std::to_string(expert) + ".down_proj.weight", Dtype::kBf16, {64, 32});
  }
  const Result<void> without = gap.fold();
  REQUIRE_FALSE(without.has_value());
  CHECK(without.error().code == ErrorCode::kMismatch);
  CHECK(without.error().what.find("expert 1") != std::string::npos);

  List half;
  half.add("layers.0.experts.0.gate_proj.weight", Dtype::kBf16, {32, 64});
  const Result<void> gate = half.fold();
  REQUIRE_FALSE(gate.has_value());
  CHECK(gate.error().what.find("up_proj") != std::string::npos);
}

TEST_CASE("experts of different shapes are refused") {
  List list;
  list.add("layers.0.experts.0.down_proj.weight", Dtype::kBf16, {64, 32});
  list.add("layers.0.experts.1.down_proj.weight", Dtype::kBf16, {64, 64});
  CHECK_FALSE(list.fold().has_value());
}

TEST_CASE("numbers that are no expert's and names that only look like experts stay as they are") {
  List list;
  list.add("layers.0.experts.gate_up_proj", Dtype::kBf16, {2, 64, 64});
  list.add("layers.0.experts.99999999999999999999.down_proj.weight", Dtype::kBf16, {64, 32});
  list.add("layers.0.experts.x.down_proj.weight", Dtype::kBf16, {64, 32});
  REQUIRE(list.fold().has_value());
  CHECK(list.tensors.size() == 3);
}

TEST_CASE("eight bits per channel in the plain spelling are levels; without scales they are bytes") {
  List list;
  list.add("layers.0.mlp.up_proj.weight", Dtype::kI8, {32, 64});
  list.add("layers.0.mlp.up_proj.weight_scale", Dtype::kBf16, {32, 1});
  list.add("layers.1.mlp.up_proj.weight", Dtype::kI8, {32, 64});
  REQUIRE(list.fold().has_value());
  CHECK(list.find("layers.0.mlp.up_proj.weight")->info.encoding == Encoding::kGemma8);
  CHECK(list.find("layers.1.mlp.up_proj.weight")->info.encoding == Encoding::kPlain);
}

}  // namespace
}  // namespace gemma
