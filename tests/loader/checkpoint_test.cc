#include "loader/checkpoint.h"

#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/loader/safetensors_bytes.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

// A file of one-byte tensors with these names; tensor i holds the byte 'a' + i.
std::string file_of(std::initializer_list<std::string> names) {
  std::string header = "{", data;
  for (const std::string& name : names) {
    const std::string begin = std::to_string(data.size()), end = std::to_string(data.size() + 1);
    header += (data.empty() ? "" : ",") + entry(name, "U8", "[1]", "[" + begin + "," + end + "]");
    data += static_cast<char>('a' + data.size());
  }
  return safetensors_bytes(header + "}", data);
}

Error refusal(const std::string& folder, ErrorCode code) {
  auto checkpoint = Checkpoint::open(folder);
  REQUIRE_FALSE(checkpoint);
  CHECK(checkpoint.error().code == code);
  return checkpoint.error();
}

// Two shards and their index in `folder`, the index's map spelled out.
void write_shards(const TemporaryFolder& folder, const std::string& map) {
  folder.write("one.safetensors", file_of({"model.a", "model.b"}));
  folder.write("two.safetensors", file_of({"model.c"}));
  folder.write("model.safetensors.index.json",
               "{\"metadata\":{\"total_size\":3},\"weight_map\":" + map + "}");
}

constexpr char kGoodMap[] =
    R"({"model.a":"one.safetensors","model.b":"one.safetensors","model.c":"two.safetensors"})";

TEST_CASE("names lose whatever prefix the exporter used") {
  for (const char* prefix :
       {"", "model.", "model.language_model.", "language_model.model.", "language_model.",
        "model.text_model.", "base.model.language_model.", "model.language_model.model."}) {
    CAPTURE(prefix);
    CHECK(canonical_name(std::string(prefix) + "layers.0.mlp.up_proj.weight") ==
          "layers.0.mlp.up_proj.weight");
    CHECK(canonical_name(std::string(prefix) + "embed_tokens.weight") == "embed_tokens.weight");
  }
  CHECK(canonical_name("lm_head.weight") == "lm_head.weight");
  CHECK(canonical_name("language_model.lm_head.weight") == "lm_head.weight");
  CHECK(canonical_name("model.layers.3.experts.gate_up_proj") == "layers.3.experts.gate_up_proj");
  CHECK(canonical_name("supermodel.layers.0") == "supermodel.layers.0");  // no component of its own
}

TEST_CASE("towers and projectors are no text tensors") {
  for (const char* name :
       {"model.vision_tower.encoder.layers.0.mlp.up_proj.linear.weight",
        "model.audio_tower.layers.0.norm_out.weight", "model.embed_vision.embedding_projection.weight",
        "model.embed_audio.embedding_projection.weight", "model.vision_embedder.patch_dense.weight",
        "vision_tower.x", "model.multi_modal_projector.weight", "vision_model.model.layers.0.weight"}) {
    CAPTURE(name);
    CHECK(canonical_name(name).empty());
  }
}

TEST_CASE("a golden checkpoint opens, sorted, with the shapes of its config") {
  auto checkpoint = Checkpoint::open(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple");
  REQUIRE(checkpoint);
  const Checkpoint& c = **checkpoint;
  for (size_t i = 1; i < c.tensors().size(); ++i) CHECK(c.tensors()[i - 1].name < c.tensors()[i].name);
  const TensorInfo* embedding = c.find("embed_tokens.weight");
  REQUIRE(embedding != nullptr);
  CHECK(embedding->stored_name == "model.language_model.embed_tokens.weight");
  CHECK(embedding->shape == std::vector<size_t>{512, 96});
  CHECK(embedding->dtype == Dtype::kBf16);
  CHECK(embedding->file.ends_with("/goldens/tiny-ple/model.safetensors"));
  CHECK(c.other_tensors() == 0);
  CHECK(c.find("layers.5.layer_scalar") != nullptr);
  CHECK(c.find("layers.6.layer_scalar") == nullptr);

  std::string rows(2 * embedding->row_bytes(), '\0');
  REQUIRE(c.read_rows(*embedding, 3, 5, std::as_writable_bytes(std::span(rows))));
  REQUIRE(c.mapped(*embedding).size() == embedding->bytes());
  CHECK(std::memcmp(rows.data(), c.mapped(*embedding).data() + 3 * embedding->row_bytes(), rows.size()) == 0);

  std::vector<std::byte> start(50), large(embedding->row_bytes() + 1);
  REQUIRE(c.read_row_start(*embedding, 4, start));
  CHECK(std::memcmp(start.data(), rows.data() + embedding->row_bytes(), start.size()) == 0);
  CHECK(c.read_row_start(*embedding, 512, start).error().code == ErrorCode::kInternal);
  CHECK(c.read_row_start(*embedding, 4, large).error().code == ErrorCode::kInternal);
}

TEST_CASE("every golden opens") {
  for (const char* name : {"tiny-dense", "tiny-moe", "tiny-long", "real-heads"}) {
    CAPTURE(name);
    CHECK(Checkpoint::open(std::string(GEMMA_TEST_DATA) + "/goldens/" + name));
  }
}

TEST_CASE("a path to a single file opens it") {
  TemporaryFolder folder;
  auto checkpoint = Checkpoint::open(folder.write("any name.safetensors", file_of({"model.a"})));
  REQUIRE(checkpoint);
  CHECK((*checkpoint)->tensors().size() == 1);
}

TEST_CASE("shards are one checkpoint") {
  TemporaryFolder folder;
  write_shards(folder, kGoodMap);
  auto checkpoint = Checkpoint::open(folder.path());
  REQUIRE(checkpoint);
  REQUIRE((*checkpoint)->tensors().size() == 3);
  const TensorInfo& b = (*checkpoint)->tensors()[1];
  CHECK(b.name == "b");
  CHECK(b.file == folder.path("one.safetensors"));
  std::byte byte{};
  REQUIRE((*checkpoint)->read_rows((*checkpoint)->tensors()[2], 0, 1, {&byte, 1}));
  CHECK(byte == std::byte{'a'});
  REQUIRE((*checkpoint)->read_rows(b, 0, 1, {&byte, 1}));
  CHECK(byte == std::byte{'b'});
}

TEST_CASE("model.safetensors comes before an index") {
  TemporaryFolder folder;
  write_shards(folder, "{}");
  folder.write("model.safetensors", file_of({"model.x"}));
  auto checkpoint = Checkpoint::open(folder.path());
  REQUIRE(checkpoint);
  CHECK((*checkpoint)->tensors()[0].name == "x");
}

TEST_CASE("vision and audio tensors are counted, not listed") {
  TemporaryFolder folder;
  folder.write("model.safetensors",
               file_of({"model.vision_tower.a", "model.language_model.b", "model.embed_audio.c"}));
  auto checkpoint = Checkpoint::open(folder.path());
  REQUIRE(checkpoint);
  CHECK((*checkpoint)->tensors().size() == 1);
  CHECK((*checkpoint)->other_tensors() == 2);
  CHECK((*checkpoint)->other_bytes() == 2);
}

TEST_CASE("a dtype that text cannot use is refused there and ignored in a tower") {
  TemporaryFolder folder;
  folder.write("model.safetensors",
               safetensors_bytes("{" + entry("model.a", "F8_E4M3", "[1]", "[0,1]") + "}", "x"));
  const Error error = refusal(folder.path(), ErrorCode::kUnsupported);
  CHECK(error.where == folder.path("model.safetensors") + ": \"model.a\"");
  CHECK(error.what == "dtype F8_E4M3 is nothing this program computes with");
  folder.write("model.safetensors",
               safetensors_bytes("{" + entry("model.vision_tower.a", "F8_E4M3", "[1]", "[0,1]") + "}", "x"));
  CHECK(Checkpoint::open(folder.path()));
}

TEST_CASE("two stored names of one tensor are refused") {
  TemporaryFolder folder;
  folder.write("model.safetensors", file_of({"model.a", "language_model.a"}));
  CHECK(refusal(folder.path(), ErrorCode::kMismatch).what ==
        "\"model.a\" (model.safetensors) and \"language_model.a\" (model.safetensors) are the same tensor");
}

TEST_CASE("a tensor in both shards is refused") {
  TemporaryFolder folder;
  write_shards(folder, kGoodMap);
  folder.write("two.safetensors", file_of({"model.c", "model.a"}));
  const Error error = refusal(folder.path(), ErrorCode::kMismatch);
  CHECK(error.where == folder.path("model.safetensors.index.json"));
  CHECK(error.what == "the index and its files disagree; in another file than the index says: \"model.a\"");
}

TEST_CASE("tensors that the files or the index lack are named") {
  TemporaryFolder folder;
  write_shards(folder,
               R"({"model.a":"one.safetensors","model.c":"two.safetensors","model.d":"two.safetensors"})");
  CHECK(refusal(folder.path(), ErrorCode::kMismatch).what ==
        "the index and its files disagree; missing: \"model.d\"; not in the index: \"model.b\"");
  write_shards(folder,
               R"({"model.a":"one.safetensors","model.b":"two.safetensors","model.c":"two.safetensors"})");
  CHECK(refusal(folder.path(), ErrorCode::kMismatch).what ==
        "the index and its files disagree; in another file than the index says: \"model.b\"");
}

TEST_CASE("of many names the first five are shown and the rest counted") {
  TemporaryFolder folder;
  std::string map = R"({"model.a":"one.safetensors","model.b":"one.safetensors","model.c":"two.safetensors")";
  for (char c = 'm'; c < 't'; ++c) map += ",\"model." + std::string(1, c) + "\":\"two.safetensors\"";
  write_shards(folder, map + "}");
  CHECK(refusal(folder.path(), ErrorCode::kMismatch).what ==
        "the index and its files disagree; missing: \"model.m\", \"model.n\", \"model.o\", \"model.p\", "
        "\"model.q\" "
        "and 2 more");
}

TEST_CASE("shards that are not there are named") {
  TemporaryFolder folder;
  write_shards(folder, kGoodMap);
  std::filesystem::remove(folder.path("two.safetensors"));
  const Error error = refusal(folder.path(), ErrorCode::kNotFound);
  CHECK(error.what == "1 of 2 shards are missing: \"two.safetensors\"");
  CHECK(error.hint == "the download is incomplete or mixed up: fetch the model again");
}

TEST_CASE("a broken shard is refused under its own name") {
  TemporaryFolder folder;
  write_shards(folder, kGoodMap);
  folder.write("two.safetensors", "short");
  CHECK(refusal(folder.path(), ErrorCode::kInvalidFile).where == folder.path("two.safetensors"));
}

TEST_CASE("an index cannot lead out of its folder") {
  for (const char* file : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "",
                           "..\\\\one.safetensors", "one\\u0000.safetensors"}) {
    CAPTURE(file);
    TemporaryFolder folder;
    write_shards(folder, "{\"model.a\":\"" + std::string(file) + "\"}");
    const Error error = refusal(folder.path(), ErrorCode::kInvalidFile);
    CHECK(error.what.starts_with(
        "weight_map.\"model.a\": expected the name of a file in this folder, found \""));
    CHECK(error.hint == "do not trust this model");
  }
}

TEST_CASE("an index that is none") {
  TemporaryFolder folder;
  const auto what = [&](const std::string& json) {
    folder.write("model.safetensors.index.json", json);
    return refusal(folder.path(), ErrorCode::kInvalidFile).what;
  };
  CHECK(what("[]") == "weight_map: expected an object of tensor: file");
  CHECK(what("{}") == "weight_map: expected an object of tensor: file");
  CHECK(what("{\"weight_map\":[]}") == "weight_map: expected an object of tensor: file");
  CHECK(what("{\"weight_map\":{}}") == "weight_map names no tensor");
  CHECK(what("{\"weight_map\":{\"a\":3}}") == "weight_map.\"a\": expected a file name, found number");
  CHECK(what("{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}") == "key \"a\" occurs twice");
  CHECK(what("{") == "not valid JSON at byte 2, near \"{\"");
}

TEST_CASE("a folder without weights, and no folder at all") {
  TemporaryFolder folder;
  CHECK(refusal(folder.path(), ErrorCode::kNotFound).what ==
        "expected model.safetensors or model.safetensors.index.json, found neither");
  CHECK(refusal(folder.path("absent"), ErrorCode::kNotFound).what == "no such file or folder");
}

TEST_CASE("rows out of range, a buffer of another size and a foreign tensor are our own bugs") {
  TemporaryFolder folder;
  folder.write("model.safetensors", file_of({"model.a"}));
  auto checkpoint = Checkpoint::open(folder.path());
  REQUIRE(checkpoint);
  const TensorInfo& a = (*checkpoint)->tensors()[0];
  std::byte bytes[2] = {};
  const auto code = [&](const TensorInfo& tensor, size_t row0, size_t row1, size_t size) {
    auto read = (*checkpoint)->read_rows(tensor, row0, row1, std::span(bytes, size));
    return read ? std::string("ok") : std::string(to_string(read.error().code));
  };
  CHECK(code(a, 0, 1, 1) == "ok");
  CHECK(code(a, 1, 1, 0) == "ok");
  CHECK(code(a, 0, 2, 2) == "internal");
  CHECK(code(a, 1, 0, 1) == "internal");
  CHECK(code(a, 0, 1, 2) == "internal");
  TensorInfo foreign = a;
  foreign.name = "b";
  CHECK(code(foreign, 0, 1, 1) == "internal");
  CHECK((*checkpoint)->mapped(foreign).empty());
  TensorInfo swollen = a;
  swollen.shape = {2};
  CHECK(code(swollen, 0, 2, 2) == "internal");
}

TEST_CASE("rows that were dropped from memory are read again, and dropping what is not there does nothing") {
  auto checkpoint = Checkpoint::open(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple");
  REQUIRE(checkpoint);
  const TensorInfo& tensor = *(*checkpoint)->find("embed_tokens.weight");
  std::vector<std::byte> before(tensor.bytes()), after(tensor.bytes());
  REQUIRE((*checkpoint)->read_rows(tensor, 0, tensor.rows(), before));
  (*checkpoint)->drop_rows(tensor, 0, tensor.rows());
  (*checkpoint)->drop_rows(tensor, tensor.rows(), tensor.rows() + 5);
  (*checkpoint)->drop_rows(tensor, 5, 3);
  TensorInfo foreign = tensor;
  foreign.name = "no such tensor";
  (*checkpoint)->drop_rows(foreign, 0, 1);
  REQUIRE((*checkpoint)->read_rows(tensor, 0, tensor.rows(), after));
  CHECK(before == after);
}

TEST_CASE("a file that shrank while open is an error that names the tensor") {
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", file_of({"model.a", "model.b"}));
  auto checkpoint = Checkpoint::open(folder.path());
  REQUIRE(checkpoint);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  std::byte byte{};
  CHECK((*checkpoint)->read_rows((*checkpoint)->tensors()[0], 0, 1, {&byte, 1}));
  auto read = (*checkpoint)->read_rows((*checkpoint)->tensors()[1], 0, 1, {&byte, 1});
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kIo);
  CHECK(read.error().where == path + ": b");
}

}  // namespace
}  // namespace gemma
