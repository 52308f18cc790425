#include "loader/gguf_writer.h"

#include <filesystem>

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

TEST_CASE("what is written to a GGUF file is what is read back") {
  TemporaryFolder folder;
  const std::string path = folder.path("m.gguf");
  GgufWriter writer(path);
  writer.add_string("general.architecture", "gemma4");
  writer.add_u32("u", 7);
  writer.add_f32("f", 0.5f);
  writer.add_bool("b", true);
  const std::vector<std::string_view> texts = {"a", "", "\xE2\x96\x81"};
  const std::vector<uint32_t> u32s = {1, 4000000000};
  const std::vector<int32_t> i32s = {-1, 2};
  const std::vector<float> f32s = {-1000, 1};
  writer.add_strings("texts", texts);
  writer.add_u32s("u32s", u32s);
  writer.add_i32s("i32s", i32s);
  writer.add_f32s("f32s", f32s);
  writer.add_bools("bools", {true, false});
  writer.add_tensor("q", GgufTensorType::kQ4_0, {3, 64});
  writer.add_tensor("n", GgufTensorType::kF32, {5});
  REQUIRE(writer.begin());
  std::vector<std::byte> data(3 * 36 + 20);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
  // Pieces that do not end where tensors do.
  for (size_t at = 0; at < data.size(); at += 50) {
    REQUIRE(writer.write(std::span(data).subspan(at, std::min<size_t>(50, data.size() - at))));
  }
  REQUIRE(writer.finish());
  CHECK(std::filesystem::file_size(path) == writer.file_bytes());

  Result<GgufFile> file = GgufFile::open(path);
  REQUIRE(file);
  CHECK(file->strings(*file->find("texts")) == texts);
  CHECK(file->integers(*file->find("u32s")) == std::vector<int64_t>{1, 4000000000});
  CHECK(file->integers(*file->find("i32s")) == std::vector<int64_t>{-1, 2});
  CHECK(file->numbers(*file->find("f32s")) == std::vector<double>{-1000, 1});
  CHECK(file->integers(*file->find("bools")) == std::vector<int64_t>{1, 0});
  CHECK(file->integers(*file->find("u")).at(0) == 7);
  CHECK(file->numbers(*file->find("f")).at(0) == 0.5);
  REQUIRE(file->tensors().size() == 2);
  CHECK(file->tensors()[0].shape == std::vector<size_t>{3, 64});
  const auto q = file->mapped(file->tensors()[0]), n = file->mapped(file->tensors()[1]);
  CHECK(std::vector<std::byte>(q.begin(), q.end()) ==
        std::vector<std::byte>(data.begin(), data.begin() + 108));
  CHECK(std::vector<std::byte>(n.begin(), n.end()) == std::vector<std::byte>(data.begin() + 108, data.end()));
}

TEST_CASE("a GGUF file is not finished before all of its data is written, and takes no more") {
  TemporaryFolder folder;
  GgufWriter writer(folder.path("m.gguf"));
  writer.add_tensor("t", GgufTensorType::kF32, {2});
  REQUIRE(writer.begin());
  const std::vector<std::byte> data(8);
  REQUIRE(writer.write(std::span(data).first(4)));
  CHECK(writer.finish().error().code == ErrorCode::kInternal);
  REQUIRE(writer.write(std::span(data).first(4)));
  CHECK(writer.write(std::span(data).first(1)).error().code == ErrorCode::kInternal);
  CHECK(writer.finish());
}

TEST_CASE("a GGUF file that cannot be created or has no room is an error, not a crash") {
  TemporaryFolder folder;
  GgufWriter nowhere(folder.path("no/such/folder.gguf"));
  CHECK(nowhere.begin().error().code == ErrorCode::kIo);
  GgufWriter full("/dev/full");
  full.add_tensor("t", GgufTensorType::kF32, {1 << 16});
  Result<void> done = full.begin();
  const std::vector<std::byte> data(4 << 16);
  if (done) done = full.write(data);
  if (done) done = full.finish();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == ErrorCode::kResource);
}

}  // namespace
}  // namespace gemma
