// Files that were written read back; interrupted ones go on; hostile descriptions of packed tensors are
// refused.
#include "loader/safetensors_writer.h"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "loader/checkpoint.h"
#include "loader/packed_metadata.h"
#include "loader/safetensors.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

std::vector<std::byte> filled(size_t n, int value) {
  return std::vector<std::byte>(n, static_cast<std::byte>(value));
}

const std::vector<TensorToWrite> kTensors = {
    {"a", Dtype::kU8, {100}}, {"empty", Dtype::kF32, {0, 3}}, {"b", Dtype::kBf16, {2, 3}}};

TEST_CASE("a written file opens, its data begin on a page, its tensors hold what was written") {
  const TemporaryFolder folder;
  auto writer = SafetensorsWriter::open(folder.path("model.safetensors"), kTensors, {{"key", "value \"x\""}});
  REQUIRE(writer.has_value());
  REQUIRE(writer->write(filled(60, 1)).has_value());
  CHECK(writer->next() == 0);
  REQUIRE(writer->write(filled(40, 2)).has_value());
  CHECK(writer->next() == 2);  // the empty one needs no bytes
  REQUIRE(writer->write(filled(12, 3)).has_value());
  REQUIRE(writer->finish().has_value());
  CHECK(std::filesystem::file_size(folder.path("model.safetensors")) ==
        SafetensorsWriter::file_bytes(kTensors, {{"key", "value \"x\""}}));
  auto file = SafetensorsFile::open(folder.path("model.safetensors"));
  REQUIRE_MESSAGE(file.has_value(), file.error().message());
  CHECK(file->metadata().at("key") == "value \"x\"");
  CHECK(reinterpret_cast<uintptr_t>(file->mapped(file->tensors()[0]).data()) % 4096 == 0);
  for (const SafetensorsTensor& tensor : file->tensors()) {
    if (tensor.name == "a") CHECK(file->mapped(tensor)[99] == std::byte{2});
    if (tensor.name == "b") CHECK(file->mapped(tensor)[0] == std::byte{3});
  }
}

TEST_CASE("more bytes than planned, and fewer, are our own bug and told as one") {
  const TemporaryFolder folder;
  auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
  REQUIRE(writer.has_value());
  CHECK(writer->write(filled(101, 1)).error().code == ErrorCode::kInternal);
  CHECK(writer->finish().error().code == ErrorCode::kInternal);
}

TEST_CASE("a file that is resumed goes on behind what progress vouches for, whatever lies beyond") {
  const TemporaryFolder folder;
  {
    auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
    REQUIRE(writer->write(filled(100, 1)).has_value());
    REQUIRE(writer->write(filled(5, 9)).has_value());  // half a tensor, then the power goes
  }
  folder.write("f.progress", "1");
  auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
  REQUIRE(writer.has_value());
  CHECK(writer->next() == 2);
  REQUIRE(writer->write(filled(12, 3)).has_value());
  REQUIRE(writer->finish().has_value());
  CHECK_FALSE(std::filesystem::exists(folder.path("f.progress")));
  auto file = SafetensorsFile::open(folder.path("f"));
  REQUIRE(file.has_value());
  for (const SafetensorsTensor& tensor : file->tensors()) {
    if (tensor.name == "b") CHECK(file->mapped(tensor)[0] == std::byte{3});
  }
}

TEST_CASE("a progress file that lies cannot make more of a file than is there") {
  const TemporaryFolder folder;
  {
    auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
    REQUIRE(writer->write(filled(50, 1)).has_value());
  }
  folder.write("f.progress", "18446744073709551615");
  auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
  REQUIRE(writer.has_value());
  CHECK(writer->next() == 0);
}

TEST_CASE("another file in the way is not written over") {
  const TemporaryFolder folder;
  folder.write("f", std::string(9000, 'x'));
  const auto writer = SafetensorsWriter::open(folder.path("f"), kTensors, {});
  REQUIRE_FALSE(writer.has_value());
  CHECK(writer.error().code == ErrorCode::kMismatch);
}

// A checkpoint with one packed tensor of 128 bytes that is described as `text`.
Result<std::unique_ptr<Checkpoint>> described(const TemporaryFolder& folder, const std::string& text,
                                              const std::string& layout = kPackedLayout) {
  const std::vector<TensorToWrite> tensors = {{"norm.weight", Dtype::kU8, {128}}};
  auto writer = SafetensorsWriter::open(
      folder.path("model.safetensors"), tensors,
      {{kPackedLayoutKey, layout}, {kPackedSchemeKey, "int4"}, {"gemma_run.tensor.norm.weight", text}});
  REQUIRE(writer.has_value());
  REQUIRE(writer->write(filled(128, 0)).has_value());
  REQUIRE(writer->finish().has_value());
  auto opened = Checkpoint::open(folder.path());
  std::filesystem::remove(folder.path("model.safetensors"));
  return opened;
}

TEST_CASE("a packed tensor has the shape and form that its description says") {
  const TemporaryFolder folder;
  auto panels = described(folder, "int8-channel 16x8 BF16");
  REQUIRE_MESSAGE(panels.has_value(), panels.error().message());
  CHECK((*panels)->declared_scheme() == "int4");
  const TensorInfo* tensor = (*panels)->find("norm.weight");
  CHECK(tensor->shape == std::vector<size_t>{16, 8});
  CHECK(tensor->encoding == Encoding::kPanels);
  CHECK(tensor->panels == "int8-channel");
  CHECK(tensor->dtype == Dtype::kBf16);
  auto rows = described(folder, "rows:int4 4x64 F32");
  REQUIRE_MESSAGE(rows.has_value(), rows.error().message());
  CHECK((*rows)->find("norm.weight")->row_bytes() == 32);
}

TEST_CASE("hostile descriptions of packed tensors are refused") {
  const TemporaryFolder folder;
  for (const char* text :
       {"", " ", "int4-group32", "int4-group32 ", "int4-group32 16x8", "int4-group32 x BF16",
        "int4-group32 0x8 BF16", "int4-group32 -1x8 BF16", "int4-group32 9223372036854775807x3 BF16",
        "int4-group32 4294967296x4294967296 F32", "int4-group32 1x2x3x4 BF16", "int4-group32 16x8 bf16",
        "int4-group32 16x8y BF16", "rows:int4 4x65 BF16", "rows:int4 5x64 BF16", "rows:q9 4x64 BF16",
        "rows:q4_0 18446744073709551615x1 BF16"}) {
    CAPTURE(text);
    const auto opened = described(folder, text);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("another layout version is refused with the command that packs again") {
  const TemporaryFolder folder;
  const auto opened = described(folder, "int8-channel 16x8 BF16", "2");
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == ErrorCode::kUnsupported);
  CHECK(opened.error().hint.find("gemma-quantize --model") != std::string::npos);
}

}  // namespace
}  // namespace gemma
