// GGUF files as they should be and as an attacker, a broken converter or a cut download leaves them. Every
// check has a file that breaks it alone. Names of known holes of other readers stand beside the cases that
// cover them.
#include "loader/gguf.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/loader/gguf_bytes.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

constexpr uint32_t kF32 = 0, kQ4_0 = 2, kQ6_K = 14;

// One tensor of 8 floats and a key: the good file that the others are made of.
GgufBytes good() {
  GgufBytes bytes;
  bytes.keys = {gguf_key("general.architecture", "gemma4")};
  bytes.tensors = {gguf_tensor("t", {4, 2}, kF32, 0)};
  bytes.data = std::string(32, 'x');
  return bytes;
}

std::string refusal(const std::string& content, ErrorCode code = ErrorCode::kInvalidFile) {
  TemporaryFolder folder;
  Result<GgufFile> file = GgufFile::open(folder.write("m.gguf", content));
  REQUIRE_FALSE(file);
  CHECK(file.error().code == code);
  return file.error().what;
}
std::string refusal(const GgufBytes& bytes, ErrorCode code = ErrorCode::kInvalidFile) {
  return refusal(bytes.file(), code);
}

std::string refusal_of_tensor(const std::vector<uint64_t>& extents, uint32_t type = kF32,
                              ErrorCode code = ErrorCode::kInvalidFile) {
  GgufBytes bytes = good();
  bytes.tensors = {gguf_tensor("t", extents, type, 0)};
  return refusal(bytes, code);
}

bool contains(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return true;
  MESSAGE(text);
  return false;
}

TEST_CASE("values of every type and tensors are read as they are") {
  GgufBytes bytes = good();
  bytes.keys = {
      gguf_key("u8", GgufType::kU8, uint8_t{200}),
      gguf_key("i8", GgufType::kI8, int8_t{-3}),
      gguf_key("u16", GgufType::kU16, uint16_t{65535}),
      gguf_key("i16", GgufType::kI16, int16_t{-300}),
      gguf_key("u32", GgufType::kU32, uint32_t{4000000000}),
      gguf_key("i32", GgufType::kI32, int32_t{-70000}),
      gguf_key("u64", GgufType::kU64, uint64_t{1} << 63),
      gguf_key("i64", GgufType::kI64, int64_t{-1}),
      gguf_key("f32", GgufType::kF32, 0.5f),
      gguf_key("f64", GgufType::kF64, 0.25),
      gguf_key("bool", GgufType::kBool, uint8_t{1}),
      gguf_key("text", "\xE2\x96\x81the"),
      gguf_array("ints", GgufType::kI32, 2, le_bytes(int32_t{7}) + le_bytes(int32_t{-8})),
      gguf_array("texts", GgufType::kString, 3, gguf_text("a") + gguf_text("") + gguf_text("bc")),
      gguf_array("none", GgufType::kString, 0, ""),
      gguf_array("nested", GgufType::kArray, 1,
                 le_bytes(uint32_t{0}) + le_bytes(uint64_t{2}) + std::string(2, '\1')),
  };
  bytes.tensors = {gguf_tensor("second", {32, 3}, kQ4_0, 32), gguf_tensor("first", {8}, kF32, 0)};
  bytes.data = std::string(32, 'x') + std::string(54, 'y');
  TemporaryFolder folder;
  for (uint32_t version : {2, 3}) {
    bytes.version = version;
    Result<GgufFile> file = GgufFile::open(folder.write("m.gguf", bytes.file()));
    REQUIRE(file);
    CHECK(file->version() == version);
    const auto integer = [&](const char* key) { return file->integers(*file->find(key)).at(0); };
    CHECK(integer("u8") == 200);
    CHECK(integer("i8") == -3);
    CHECK(integer("u16") == 65535);
    CHECK(integer("i16") == -300);
    CHECK(integer("u32") == 4000000000);
    CHECK(integer("i32") == -70000);
    CHECK(integer("u64") == INT64_MAX);
    CHECK(integer("i64") == -1);
    CHECK(integer("bool") == 1);
    CHECK(file->numbers(*file->find("f32")) == std::vector<double>{0.5});
    CHECK(file->numbers(*file->find("f64")) == std::vector<double>{0.25});
    CHECK(file->strings(*file->find("text")) == std::vector<std::string_view>{"\xE2\x96\x81the"});
    CHECK(file->integers(*file->find("ints")) == std::vector<int64_t>{7, -8});
    CHECK(file->strings(*file->find("texts")) == std::vector<std::string_view>{"a", "", "bc"});
    CHECK(file->strings(*file->find("none")).empty());
    CHECK(file->find("nested")->type == GgufType::kArray);
    CHECK(file->find("absent") == nullptr);
    CHECK(file->integers(*file->find("text")).empty());
    CHECK(file->strings(*file->find("u8")).empty());

    REQUIRE(file->tensors().size() == 2);
    const GgufTensor &first = file->tensors()[0], &second = file->tensors()[1];
    CHECK(first.name == "first");
    CHECK(first.shape == std::vector<size_t>{8});
    CHECK(second.shape == std::vector<size_t>{3, 32});
    CHECK(second.type == GgufTensorType::kQ4_0);
    CHECK(second.bytes == 54);
    CHECK(static_cast<char>(file->mapped(second)[53]) == 'y');
    std::string read(2, '\0');
    REQUIRE(file->read(second, 52, std::as_writable_bytes(std::span(read))));
    CHECK(read == "yy");
  }
}

TEST_CASE("the alignment may be given, and the end may be padded") {
  GgufBytes bytes = good();
  bytes.keys.push_back(gguf_key("general.alignment", GgufType::kU32, uint32_t{256}));
  bytes.alignment = 256;
  bytes.tensors.push_back(gguf_tensor("u", {1}, kF32, 256));
  bytes.data.resize(260);
  TemporaryFolder folder;
  CHECK(GgufFile::open(folder.write("m.gguf", bytes.file())));
  bytes.data.resize(512);
  CHECK(GgufFile::open(folder.write("m.gguf", bytes.file())));
}

TEST_CASE("what is no GGUF file is refused at its first bytes") {
  CHECK(contains(refusal(""), "needs 4 bytes"));
  CHECK(contains(refusal("GG"), "needs 4 bytes"));
  CHECK(contains(refusal("{\"a\":1}........"), "expected \"GGUF\""));
  GgufBytes bytes = good();
  for (uint32_t version : {0u, 1u, 4u, 0xFFFFFFFFu}) {
    bytes.version = version;
    CHECK(contains(refusal(bytes, ErrorCode::kUnsupported), "expected 2 or 3"));
  }
  bytes.version = 0x03000000;
  CHECK(contains(refusal(bytes, ErrorCode::kUnsupported), "big-endian"));
}

TEST_CASE("a folder and a file that is not there are errors of their own") {
  TemporaryFolder folder;
  CHECK(GgufFile::open(folder.path("none.gguf")).error().code == ErrorCode::kNotFound);
  CHECK(GgufFile::open(folder.path()).error().code == ErrorCode::kInvalidFile);
}

TEST_CASE("counts of keys and tensors that the file cannot hold are refused") {  // CVE-2024-21802, -23496
  for (int64_t count : {int64_t{2}, int64_t{1000}, int64_t{65536}}) {
    GgufBytes bytes = good();
    bytes.key_count = count;
    refusal(bytes);
    bytes = good();
    bytes.tensor_count = count;
    refusal(bytes);
  }
  for (int64_t count : {int64_t{1} << 32, (int64_t{1} << 61) + 1, INT64_MAX}) {
    GgufBytes bytes = good();
    bytes.key_count = count;
    CHECK(contains(refusal(bytes), "expected at most"));
    bytes = good();
    bytes.tensor_count = count;
    CHECK(contains(refusal(bytes), "expected at most"));
  }
}

TEST_CASE("lengths of strings and arrays beyond the file are refused") {  // CVE-2024-23605, -21836
  for (uint64_t length : {uint64_t{100}, uint64_t{1} << 32, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    GgufBytes bytes = good();
    bytes.keys = {gguf_text("k") + le_bytes(uint32_t{8}) + le_bytes(length) + "abc"};
    CHECK(contains(refusal(bytes), "left in the file"));
    for (GgufType type :
         {GgufType::kU8, GgufType::kI16, GgufType::kF64, GgufType::kBool, GgufType::kString}) {
      bytes.keys = {gguf_array("k", type, length + 200, "abc")};
      refusal(bytes);
    }
    bytes.keys = {le_bytes(length + 100'000) + "abc"};
    CHECK(contains(refusal(bytes), "a key"));
    bytes = good();
    bytes.tensors = {le_bytes(length) + "abc"};
    CHECK(contains(refusal(bytes), "a tensor's name"));
  }
  GgufBytes bytes = good();
  bytes.keys = {gguf_array("k", GgufType::kU64, (uint64_t{1} << 61) + 1, "abcdefgh")};  // times 8 wraps to 8
  CHECK(contains(refusal(bytes), "larger than any file"));
}

TEST_CASE("unknown value types, booleans of 2 and arrays nested too deep are refused") {  // CVE-2024-32878
  GgufBytes bytes = good();
  for (uint32_t type : {13u, 255u, ~0u}) {
    bytes.keys = {gguf_text("k") + le_bytes(type) + std::string(8, '\0')};
    CHECK(contains(refusal(bytes), "unknown value type"));
    bytes.keys = {gguf_text("k") + le_bytes(uint32_t{9}) + le_bytes(type) + le_bytes(uint64_t{0})};
    CHECK(contains(refusal(bytes), "unknown value type"));
  }
  bytes.keys = {gguf_key("k", GgufType::kBool, uint8_t{2})};
  CHECK(contains(refusal(bytes), "0 or 1, found 2"));
  bytes.keys = {gguf_array("k", GgufType::kBool, 2, std::string("\1\7", 2))};
  CHECK(contains(refusal(bytes), "0 or 1, found 7"));

  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += le_bytes(uint32_t{9}) + le_bytes(uint64_t{1});
  bytes.keys = {gguf_text("k") + le_bytes(uint32_t{9}) + deep};
  CHECK(contains(refusal(bytes), "arrays deeper than 4"));
}

TEST_CASE("keys and names that are empty, too long, twice or hold a zero byte are refused") {
  GgufBytes bytes = good();
  bytes.keys = {gguf_key("", GgufType::kU8, uint8_t{1})};
  CHECK(contains(refusal(bytes), "a key is empty"));
  bytes.keys = {gguf_key(std::string(65536, 'k'), GgufType::kU8, uint8_t{1})};
  CHECK(contains(refusal(bytes), "expected at most 65535"));
  bytes.keys = {gguf_key(std::string("k\0k", 3), GgufType::kU8, uint8_t{1})};
  CHECK(contains(refusal(bytes), "zero byte"));
  bytes.keys = {gguf_key("k", GgufType::kU8, uint8_t{1}), gguf_key("k", "two")};
  CHECK(contains(refusal(bytes), "occurs twice"));

  bytes = good();
  bytes.tensors = {gguf_tensor("", {4, 2}, kF32, 0)};
  CHECK(contains(refusal(bytes), "a tensor's name is empty"));
  bytes.tensors = {gguf_tensor(std::string(65, 't'), {4, 2}, kF32, 0)};
  CHECK(contains(refusal(bytes), "expected at most 64"));
  bytes.tensors = {gguf_tensor(std::string("t\0", 2), {4, 2}, kF32, 0)};
  CHECK(contains(refusal(bytes), "zero byte"));
  bytes.tensors = {gguf_tensor("t", {4, 2}, kF32, 0), gguf_tensor("t", {4, 2}, kF32, 32)};
  bytes.data.resize(64);
  CHECK(contains(refusal(bytes), "tensor \"t\" occurs twice"));
}

TEST_CASE(
    "tensors of no, too many or empty dimensions are refused") {  // LiteRT #9255: a zero hides an overflow
  CHECK(contains(refusal_of_tensor({}), "expected 1 to 4 dimensions, found 0"));
  CHECK(contains(refusal_of_tensor({1, 1, 1, 1, 8}), "expected 1 to 4 dimensions, found 5"));
  CHECK(contains(refusal_of_tensor({0}), "dimension 0 is 0"));
  CHECK(contains(refusal_of_tensor({8, 0, uint64_t{1} << 63}), "dimension 1 is 0"));
  GgufBytes bytes = good();
  bytes.tensors = {gguf_text("t") + le_bytes(~uint32_t{0})};
  refusal(bytes);
}

TEST_CASE("sizes that wrap around are refused, whichever way they do") {  // CVE-2025-53630, CVE-2026-27940
  const uint64_t half = uint64_t{1} << 32, top = uint64_t{1} << 63;
  CHECK(contains(refusal_of_tensor({half, half}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({half, half, 8}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({top}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({~uint64_t{0}}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({8, top, 2}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({2, 2, 2, uint64_t{1} << 61}), "larger than any file"));
  CHECK(contains(refusal_of_tensor({~uint64_t{31}, 1}, kQ4_0), "larger than any file"));
  CHECK(contains(refusal_of_tensor({uint64_t{1} << 40, uint64_t{1} << 24}, kQ4_0), "larger than any file"));
  CHECK(contains(refusal_of_tensor({uint64_t{1} << 62}), "larger than any file"));  // times 4 is 0
  // Two tensors, each below the limit, whose ends would wrap around.
  GgufBytes bytes = good();
  bytes.tensors = {gguf_tensor("a", {uint64_t{1} << 60}, kF32, 0),
                   gguf_tensor("b", {uint64_t{1} << 60}, kF32, uint64_t{1} << 62)};
  CHECK(contains(refusal(bytes), "do not fit"));
}

TEST_CASE("types that nothing here computes with are named with their tensor") {
  TemporaryFolder folder;
  GgufBytes bytes = good();
  for (auto [type, name] :
       {std::pair<uint32_t, const char*>{12, "Q4_K"}, {3, "Q4_1"}, {16, "IQ2_XXS"}, {39, "MXFP4"}}) {
    bytes.tensors = {gguf_tensor("blk.0.attn_q.weight", {256, 2}, type, 0)};
    Result<GgufFile> file = GgufFile::open(folder.write("m.gguf", bytes.file()));
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::kUnsupported);
    CHECK(contains(file.error().where, "blk.0.attn_q.weight"));
    CHECK(contains(file.error().what, name));
  }
  CHECK(contains(refusal_of_tensor({256}, 12345, ErrorCode::kUnsupported), "of number 12345"));
}

TEST_CASE("rows that end inside a block are refused") {
  CHECK(contains(refusal_of_tensor({16, 4}, kQ4_0), "multiple of the 32 in a block of Q4_0"));
  CHECK(contains(refusal_of_tensor({33, 32}, kQ4_0), "multiple of the 32"));
  CHECK(contains(refusal_of_tensor({128, 2}, kQ6_K), "multiple of the 256 in a block of Q6_K"));
}

TEST_CASE("offsets that are unaligned, overlap, leave a gap or lie beyond the file are refused") {
  GgufBytes bytes = good();
  bytes.data.resize(96);
  const auto second = [&](uint64_t offset) {
    bytes.tensors = {gguf_tensor("t", {4, 2}, kF32, 0), gguf_tensor("u", {4, 2}, kF32, offset)};
    return refusal(bytes);
  };
  CHECK(contains(second(33), "no multiple of the alignment 32"));
  CHECK(contains(second(0), "lies inside"));
  CHECK(contains(second(64), "a gap of 32 bytes"));
  CHECK(contains(second(uint64_t{1} << 63), "a gap of"));
  CHECK(contains(second(~uint64_t{31}), "a gap of"));
  bytes.tensors = {gguf_tensor("t", {4, 2}, kF32, 32)};
  CHECK(contains(refusal(bytes), "a gap of 32 bytes"));
  bytes.tensors = {gguf_tensor("t", {4, 4}, kF32, 0), gguf_tensor("u", {4, 2}, kF32, 32)};
  CHECK(contains(refusal(bytes), "lies inside \"t\", expected 64"));
}

TEST_CASE(
    "bytes behind the last tensor are refused") {  // CVE-2026-7482: what is read is what the file describes
  GgufBytes bytes = good();
  bytes.data.resize(33);
  CHECK(contains(refusal(bytes), "the last tensor ends at 32"));
  bytes.data.resize(64);
  CHECK(contains(refusal(bytes), "the last tensor ends at 32"));
  bytes.tensors.clear();
  CHECK(contains(refusal(bytes), "behind a header without tensors"));
  bytes.data.clear();
  TemporaryFolder folder;
  CHECK(GgufFile::open(folder.write("m.gguf", bytes.file())));  // a vocabulary alone
}

TEST_CASE("an alignment that is no power of two up to a megabyte is refused") {
  GgufBytes bytes = good();
  for (uint32_t alignment : {0u, 3u, 48u, 1u << 21, 1u << 31, ~0u}) {
    bytes.keys = {gguf_key("general.alignment", GgufType::kU32, alignment)};
    CHECK(contains(refusal(bytes), "general.alignment: expected a power of two"));
  }
  bytes.keys = {gguf_key("general.alignment", GgufType::kU64, uint64_t{32})};
  CHECK(contains(refusal(bytes), "expected a uint32"));
  bytes.keys = {gguf_array("general.alignment", GgufType::kU32, 0, "")};
  CHECK(contains(refusal(bytes), "expected a uint32"));
}

TEST_CASE("a file cut at any byte is refused") {
  GgufBytes bytes = good();
  bytes.keys.push_back(gguf_array("texts", GgufType::kString, 2, gguf_text("a") + gguf_text("bc")));
  bytes.keys.push_back(gguf_array("bools", GgufType::kBool, 2, std::string(2, '\1')));
  const std::string whole = bytes.file();
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    refusal(whole.substr(0, size));
  }
}

TEST_CASE(
    "any single byte of a header may be anything: the file opens or is refused, and reads stay inside it") {
  GgufBytes bytes = good();
  bytes.keys.push_back(gguf_array("texts", GgufType::kString, 2, gguf_text("a") + gguf_text("bc")));
  const std::string whole = bytes.file();
  TemporaryFolder folder;
  for (size_t at = 0; at < bytes.header().size(); ++at) {
    for (const char byte : {'\0', '\1', '\x20', '\x7F', '\x80', '\xFF'}) {
      std::string broken = whole;
      broken[at] = byte;
      Result<GgufFile> file = GgufFile::open(folder.write("m.gguf", broken));
      if (!file) continue;
      for (const auto& [key, value] : file->values()) {
        file->integers(value);
        file->numbers(value);
        file->strings(value);
      }
      for (const GgufTensor& tensor : file->tensors()) {
        std::vector<std::byte> data(tensor.bytes);
        CHECK(file->read(tensor, 0, data));
      }
    }
  }
}

}  // namespace
}  // namespace gemma
