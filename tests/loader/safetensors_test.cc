#include "loader/safetensors.h"

#include <cstring>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/loader/safetensors_bytes.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

const std::string kNul("\0", 1);

// "where: what" of the refusal of a header in front of that many bytes, file name "f".
std::string refusal(std::string_view header, uint64_t data_bytes) {
  Result<SafetensorsHeader> result = parse_safetensors_header(header, data_bytes, "f");
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kInvalidFile);
  return result.error().where + ": " + result.error().what;
}

// The refusal of a header that holds one tensor "t".
std::string refusal_of(std::string_view dtype, std::string_view shape, std::string_view offsets,
                       uint64_t data_bytes) {
  return refusal("{" + entry("t", dtype, shape, offsets) + "}", data_bytes);
}

std::string open_refusal(const std::string& path, ErrorCode code = ErrorCode::kInvalidFile) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == code);
  CHECK(file.error().where == path);
  return file.error().what;
}

TEST_CASE("a file of two tensors and metadata is read as it is") {
  TemporaryFolder folder;
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," +
                             entry("b", "BF16", "[2,3]", "[4,16]") + "," + entry("a", "F32", "[]", "[0,4]") +
                             "}  ";
  const std::string path = folder.write("m.safetensors", safetensors_bytes(header, "0123456789abcdef"));
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  REQUIRE(file);
  REQUIRE(file->tensors().size() == 2);
  CHECK(file->metadata().at("format") == "pt");
  const SafetensorsTensor &a = file->tensors()[0], &b = file->tensors()[1];
  CHECK(a.name == "a");
  CHECK(a.shape.empty());
  CHECK(a.dtype == Dtype::kF32);
  CHECK(b.name == "b");
  CHECK(b.shape == std::vector<size_t>{2, 3});
  CHECK(b.dtype == Dtype::kBf16);
  CHECK(std::memcmp(file->mapped(b).data(), "456789abcdef", file->mapped(b).size()) == 0);
  CHECK(file->mapped(b).size() == 12);
  std::string read(3, '\0');
  REQUIRE(file->read(b, 6, std::as_writable_bytes(std::span(read))));
  CHECK(read == "abc");
}

TEST_CASE("data at an odd address are read") {
  TemporaryFolder folder;
  std::string header = "{" + entry("a", "F32", "[1]", "[0,4]") + "}";
  header.resize(header.size() + (header.size() % 2 == 0 ? 1 : 0), ' ');
  REQUIRE(header.size() % 2 == 1);
  const std::string path = folder.write("m.safetensors", safetensors_bytes(header, "wxyz"));
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  REQUIRE(file);
  std::string read(4, '\0');
  REQUIRE(file->read(file->tensors()[0], 0, std::as_writable_bytes(std::span(read))));
  CHECK(read == "wxyz");
  CHECK(std::memcmp(file->mapped(file->tensors()[0]).data(), "wxyz", 4) == 0);
}

TEST_CASE("zero-sized tensors, scalars and a header without tensors are allowed") {
  CHECK(parse_safetensors_header("{}", 0, "f"));
  CHECK(parse_safetensors_header("{\"__metadata__\":{}}", 0, "f"));
  CHECK(parse_safetensors_header("{" + entry("t", "F32", "[0]", "[0,0]") + "}", 0, "f"));
  CHECK(parse_safetensors_header("{" + entry("t", "F32", "[3,0,5]", "[0,0]") + "," +
                                     entry("u", "I8", "[2]", "[0,2]") + "," +
                                     entry("v", "I8", "[0]", "[2,2]") + "}",
                                 2, "f"));
  CHECK(parse_safetensors_header("{" + entry("t", "F64", "[]", "[0,8]") + "}", 8, "f"));
}

TEST_CASE("every dtype of the format is known, with its width") {
  struct Row {
    const char *word, *shape, *offsets;
    uint64_t bytes;
    bool computed;
  };
  for (const Row& row :
       {Row{"BOOL", "[2]", "[0,2]", 2, true},         Row{"U8", "[2]", "[0,2]", 2, true},
        Row{"I8", "[2]", "[0,2]", 2, true},           Row{"I16", "[2]", "[0,4]", 4, true},
        Row{"U16", "[2]", "[0,4]", 4, true},          Row{"F16", "[2]", "[0,4]", 4, true},
        Row{"BF16", "[2]", "[0,4]", 4, true},         Row{"I32", "[2]", "[0,8]", 8, true},
        Row{"U32", "[2]", "[0,8]", 8, true},          Row{"F32", "[2]", "[0,8]", 8, true},
        Row{"F64", "[2]", "[0,16]", 16, true},        Row{"I64", "[2]", "[0,16]", 16, true},
        Row{"U64", "[2]", "[0,16]", 16, true},        Row{"C64", "[2]", "[0,16]", 16, false},
        Row{"F4", "[2]", "[0,1]", 1, false},          Row{"F6_E2M3", "[4]", "[0,3]", 3, false},
        Row{"F6_E3M2", "[4]", "[0,3]", 3, false},     Row{"F8_E4M3", "[2]", "[0,2]", 2, false},
        Row{"F8_E5M2", "[2]", "[0,2]", 2, false},     Row{"F8_E8M0", "[2]", "[0,2]", 2, false},
        Row{"F8_E5M2FNUZ", "[2]", "[0,2]", 2, false}, Row{"F8_E4M3FNUZ", "[2]", "[0,2]", 2, false}}) {
    CAPTURE(row.word);
    auto header =
        parse_safetensors_header("{" + entry("t", row.word, row.shape, row.offsets) + "}", row.bytes, "f");
    REQUIRE(header);
    CHECK(header->tensors[0].dtype_text == row.word);
    CHECK(header->tensors[0].dtype.has_value() == row.computed);
    if (row.computed) CHECK(dtype_name(*header->tensors[0].dtype) == row.word);
  }
}

TEST_CASE("rule 1: fewer than 8 bytes") {
  TemporaryFolder folder;
  CHECK(open_refusal(folder.write("f", "")) == "expected at least 8 bytes, found 0");
  CHECK(open_refusal(folder.write("f", "1234567")) == "expected at least 8 bytes, found 7");
}

TEST_CASE("rule 2: a header longer than 100 000 000 bytes") {
  TemporaryFolder folder;
  auto what = [&](uint64_t n) { return open_refusal(folder.write("f", length_bytes(n) + "{}")); };
  CHECK(what(100'000'001) == "header of 100000001 bytes, expected at most 100000000");
  CHECK(what(uint64_t{1} << 63) == "header of 9223372036854775808 bytes, expected at most 100000000");
  CHECK(what(~uint64_t{0}) == "header of 18446744073709551615 bytes, expected at most 100000000");
}

TEST_CASE("rule 3: a header longer than the file") {
  TemporaryFolder folder;
  CHECK(open_refusal(folder.write("f", length_bytes(3) + "{}")) ==
        "header of 3 bytes does not fit the file's 10 bytes");
  CHECK(open_refusal(folder.write("f", length_bytes(100'000'000) + "{}")) ==
        "header of 100000000 bytes does not fit the file's 10 bytes");
}

TEST_CASE("a header of 0 or 1 bytes") {
  TemporaryFolder folder;
  CHECK(open_refusal(folder.write("f", length_bytes(0))) == "header is empty, expected a JSON object");
  CHECK(open_refusal(folder.write("f", length_bytes(1) + "{")) ==
        "header is not valid JSON at byte 2, near \"{\"");
}

TEST_CASE("rule 4: a header that is not UTF-8") {
  CHECK(refusal("{" + entry("t\xff", "F32", "[1]", "[0,4]") + "}", 4) ==
        "f: header is not valid JSON at byte 4, near \"\\\"t\\xff\"");
  CHECK(refusal("{" + entry("\xc0\xaf", "F32", "[1]", "[0,4]") + "}", 4) ==
        "f: header is not valid JSON at byte 3, near \"\\\"\\xc0\"");
}

TEST_CASE("rule 5: not JSON") {
  CHECK(refusal("{\"t\":tru}", 0) == "f: header is not valid JSON at byte 9, near \"\\\"t\\\":tru}\"");
  CHECK(refusal("{} {}", 0) == "f: header is not valid JSON at byte 4, near \"{} {\"");
  CHECK(refusal("{\"t\"" + std::string(200'000, 'x'), 0) ==
        "f: header is not valid JSON at byte 5, near \"\\\"t\\\"x\"");
}

TEST_CASE("rule 5: not the schema") {
  CHECK(refusal("{\"t\":3}", 0) == "f: t: expected an object, found 3");
  CHECK(refusal("{\"t\":null}", 0) == "f: t: expected an object, found null");
  CHECK(refusal("{\"t\":[]}", 0) == "f: t: expected an object, found an array");
  CHECK(refusal("{\"t\":{\"dtype\":3}}", 0) == "f: t: dtype: expected a string, found 3");
  CHECK(refusal("{\"t\":{\"dtype\":\"F32\",\"shape\":4}}", 0) == "f: t: shape: expected an array, found 4");
  CHECK(refusal("{\"t\":{\"data_offsets\":{}}}", 0) ==
        "f: t: data_offsets: expected an array, found an object");
  CHECK(refusal("{\"t\":{\"colour\":1}}", 0) ==
        "f: t: unknown field \"colour\", expected dtype, shape and data_offsets");
  CHECK(refusal("{\"t\":{\"shape\":[],\"data_offsets\":[0,0]}}", 0) == "f: t: dtype is missing");
  CHECK(refusal("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}", 0) == "f: t: shape is missing");
  CHECK(refusal("{\"t\":{\"dtype\":\"F32\",\"shape\":[]}}", 0) == "f: t: data_offsets is missing");
  CHECK(refusal("{\"__metadata__\":3}", 0) == "f: __metadata__: expected an object, found 3");
  CHECK(refusal("{\"__metadata__\":{\"a\":1}}", 0) == "f: __metadata__: expected a string, found 1");
  CHECK(refusal("{\"__metadata__\":{\"a\":{}}}", 0) == "f: __metadata__: expected a string, found an object");
}

TEST_CASE("rule 5: an unknown dtype") {
  CHECK(refusal_of("f32", "[1]", "[0,4]", 4) ==
        "f: t: unknown dtype \"f32\", expected one of BF16, F32, F16, U8, I8, ...");
  CHECK(refusal_of("", "[1]", "[0,4]", 4) ==
        "f: t: unknown dtype \"\", expected one of BF16, F32, F16, U8, I8, ...");
}

TEST_CASE("rule 5: extents that are no whole numbers") {
  constexpr char kExpected[] = "f: t: shape: expected a whole number >= 0, found ";
  CHECK(refusal_of("F32", "[-1]", "[0,4]", 4) == std::string(kExpected) + "-1");
  CHECK(refusal_of("F32", "[1.5]", "[0,4]", 4) == std::string(kExpected) + "\"1.5\"");
  CHECK(refusal_of("F32", "[1e3]", "[0,4]", 4) == std::string(kExpected) + "\"1e3\"");
  CHECK(refusal_of("F32", "[18446744073709551616]", "[0,4]", 4) ==
        std::string(kExpected) + "\"18446744073709551616\"");
  CHECK(refusal_of("F32", "[\"1\"]", "[0,4]", 4) == std::string(kExpected) + "\"1\"");
  CHECK(refusal_of("F32", "[[1]]", "[0,4]", 4) == std::string(kExpected) + "an array");
  CHECK(refusal_of("F32", "[true]", "[0,4]", 4) == std::string(kExpected) + "true");
}

TEST_CASE("rule 5: offsets that are no pair of whole numbers") {
  constexpr char kExpected[] = "f: t: data_offsets: expected a whole number >= 0, found ";
  CHECK(refusal_of("F32", "[1]", "[-4,0]", 4) == std::string(kExpected) + "-4");
  CHECK(refusal_of("F32", "[1]", "[0,4.0]", 4) == std::string(kExpected) + "\"4.0\"");
  CHECK(refusal_of("F32", "[1]", "[0,null]", 4) == std::string(kExpected) + "null");
  CHECK(refusal_of("F32", "[1]", "[0]", 4) == "f: t: data_offsets: expected two numbers, found 1");
  CHECK(refusal_of("F32", "[1]", "[]", 4) == "f: t: data_offsets: expected two numbers, found 0");
  CHECK(refusal_of("F32", "[1]", "[0,4,8]", 4) == "f: t: data_offsets: expected two numbers, found more");
}

TEST_CASE("rule 6: offsets that run backwards") {
  CHECK(refusal_of("F32", "[1]", "[4,0]", 4) == "f: t: data_offsets [4, 0] run backwards");
}

TEST_CASE("rule 6: a gap before or between tensors") {
  CHECK(refusal_of("F32", "[1]", "[4,8]", 8) == "f: t: data begins at 4, expected 0: a gap of 4 bytes");
  CHECK(refusal("{" + entry("a", "I8", "[1]", "[0,1]") + "," + entry("b", "I8", "[1]", "[3,4]") + "}", 4) ==
        "f: b: data begins at 3, expected 1: a gap of 2 bytes");
}

TEST_CASE("rule 6: tensors that overlap") {
  CHECK(refusal("{" + entry("a", "I8", "[3]", "[0,3]") + "," + entry("b", "I8", "[2]", "[2,4]") + "}", 4) ==
        "f: b: data begins at 2, inside \"a\", which ends at 3");
  CHECK(refusal("{" + entry("a", "I8", "[3]", "[0,3]") + "," + entry("b", "I8", "[3]", "[0,3]") + "}", 3) ==
        "f: b: data begins at 0, inside \"a\", which ends at 3");
}

TEST_CASE("rule 7: shapes whose size overflows, also behind a zero") {
  CHECK(refusal_of("F32", "[4294967296,4294967296]", "[0,0]", 0) ==
        "f: t: shape [4294967296, 4294967296] of F32 is larger than any file");
  CHECK(refusal_of("F32", "[0,9223372036854775808]", "[0,0]", 0) ==
        "f: t: shape [0, 9223372036854775808] of F32 is larger than any file");
  CHECK(refusal_of("U8", "[18446744073709551615]", "[0,0]", 0) ==
        "f: t: shape [18446744073709551615] of U8 is larger than any file");
  CHECK(refusal_of("F64", "[2,4294967296,4294967296,1,1,1,1,1,1]", "[0,0]", 0) ==
        "f: t: shape [2, 4294967296, 4294967296, 1, 1, 1, 1, 1, ...] of F64 is larger than any file");
}

TEST_CASE("rule 8: a shape that does not fill whole bytes") {
  CHECK(refusal_of("F4", "[3]", "[0,2]", 2) == "f: t: shape [3] of F4 is 12 bits, expected whole bytes");
}

TEST_CASE("rule 9: offsets that do not span what the shape needs") {
  CHECK(refusal_of("F32", "[2]", "[0,4]", 4) ==
        "f: t: shape [2] of F32 needs 8 bytes, data_offsets [0, 4] span 4");
  CHECK(refusal_of("F32", "[]", "[0,8]", 8) ==
        "f: t: shape [] of F32 needs 4 bytes, data_offsets [0, 8] span 8");
  CHECK(refusal_of("F32", "[0]", "[0,4]", 4) ==
        "f: t: shape [0] of F32 needs 0 bytes, data_offsets [0, 4] span 4");
}

TEST_CASE("rule 10: data that end before or behind the file") {
  CHECK(refusal_of("F32", "[1]", "[0,4]", 3) == "f: t: data ends at 4, but the file holds 3 bytes of data");
  CHECK(refusal_of("F32", "[1]", "[0,4]", 5) ==
        "f: the last tensor ends at 4, but the file holds 5 bytes of data");
  CHECK(refusal("{}", 1) == "f: the last tensor ends at 0, but the file holds 1 bytes of data");
}

TEST_CASE("rule 11: a header that does not begin with a brace") {
  CHECK(refusal(" {}", 0) == "f: header begins with \" \", expected \"{\"");
  CHECK(refusal("[]", 0) == "f: header begins with \"[\", expected \"{\"");
  CHECK(refusal("\xef\xbb\xbf{}", 0) == "f: header begins with \"\\xef\", expected \"{\"");
  CHECK(refusal(std::string(64, ' '), 0) == "f: header begins with \" \", expected \"{\"");
  CHECK(refusal(kNul + "{}", 0) == "f: header begins with \"\\x00\", expected \"{\"");
}

TEST_CASE("rule 12: keys that occur twice") {
  const std::string t = entry("t", "I8", "[0]", "[0,0]");
  CHECK(refusal("{" + t + "," + t + "}", 0) == "f: tensor \"t\" occurs twice");
  CHECK(refusal("{\"t\":{\"dtype\":\"I8\",\"dtype\":\"I8\"}}", 0) == "f: t: key \"dtype\" occurs twice");
  CHECK(refusal("{\"t\":{\"shape\":[],\"shape\":[]}}", 0) == "f: t: key \"shape\" occurs twice");
  CHECK(refusal("{\"__metadata__\":{},\"__metadata__\":{}}", 0) == "f: key \"__metadata__\" occurs twice");
  CHECK(refusal("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0) ==
        "f: key \"a\" occurs twice in __metadata__");
}

TEST_CASE("rule 13: padding that is not spaces") {
  CHECK(parse_safetensors_header("{}   ", 0, "f"));
  CHECK(refusal("{}\n", 0) == "f: header is padded with \"\\x0a\", expected spaces only");
  CHECK(refusal("{}\n ", 0) == "f: header is padded with \"\\x0a\", expected spaces only");
  CHECK(refusal("{}" + kNul, 0) == "f: header holds a zero byte at 2");
}

TEST_CASE("names that are empty or hold a zero byte") {
  CHECK(refusal("{" + entry("", "I8", "[0]", "[0,0]") + "}", 0) == "f: a tensor has an empty name");
  CHECK(refusal("{" + entry("a\\u0000b", "I8", "[0]", "[0,0]") + "}", 0) ==
        "f: the name \"a\\x00b\" holds a zero byte");
}

TEST_CASE("a hostile name cannot write to the terminal or fill it") {
  CHECK(refusal("{" + entry("\\u001b[2J", "I8", "[1]", "[0,0]") + "}", 0) ==
        "f: \"\\x1b[2J\": shape [1] of I8 needs 1 bytes, data_offsets [0, 0] span 0");
  const std::string name(1 << 20, 'n');
  CHECK(parse_safetensors_header("{" + entry(name, "I8", "[1]", "[0,1]") + "}", 1, "f"));
  CHECK(refusal("{" + entry(name, "I8", "[1]", "[0,0]") + "}", 0) ==
        "f: \"" + std::string(100, 'n') +
            "...\" (1048576 bytes): shape [1] of I8 needs 1 bytes, data_offsets [0, 0] span 0");
}

TEST_CASE("JSON nested 100 000 deep is refused at its first level too many") {
  std::string arrays = "{\"t\":{\"shape\":", objects = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) {
    arrays += '[';
    objects += "{\"a\":";
  }
  CHECK(refusal(arrays, 0) == "f: t: shape: expected a whole number >= 0, found an array");
  CHECK(refusal(objects, 0) == "f: a: unknown field \"a\", expected dtype, shape and data_offsets");
}

TEST_CASE("200 000 tensors are read, and a name that occurs twice among them is found") {
  std::string header = "{";
  constexpr int kTensors = 200'000;
  for (int i = 0; i < kTensors; ++i) {
    const std::string begin = std::to_string(kTensors - 1 - i), end = std::to_string(kTensors - i);
    header += entry("t" + std::to_string(i), "I8", "[1]", "[" + begin + "," + end + "]") + ",";
  }
  const std::string last = std::to_string(kTensors), next = std::to_string(kTensors + 1);
  auto good = parse_safetensors_header(header + entry("u", "I8", "[1]", "[" + last + "," + next + "]") + "}",
                                       kTensors + 1, "f");
  REQUIRE(good);
  CHECK(good->tensors.size() == kTensors + 1);
  CHECK(good->tensors.front().name == "t199999");
  CHECK(refusal(header + entry("t7", "I8", "[1]", "[" + last + "," + next + "]") + "}", kTensors + 1) ==
        "f: tensor \"t7\" occurs twice");
}

TEST_CASE("a file cut anywhere is refused") {
  TemporaryFolder folder;
  const std::string source = std::string(GEMMA_TEST_DATA) + "/goldens/tiny-long/model.safetensors";
  std::ifstream in(source, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  uint64_t n = 0;
  REQUIRE(whole.size() > 8);
  std::memcpy(&n, whole.data(), 8);
  REQUIRE(n + 8 < whole.size());
  REQUIRE(SafetensorsFile::open(source));

  const std::string path = folder.write("cut.safetensors", whole);
  // From the end, so that each cut is one truncation of the same file.
  for (size_t point = 100; point-- > 0;) {
    const size_t length = 8 + n + (whole.size() - 8 - n) * point / 100;
    std::filesystem::resize_file(path, length);
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::kInvalidFile);
    CHECK(file.error().what.ends_with("but the file holds " + std::to_string(length - 8 - n) +
                                      " bytes of data"));
  }
  for (size_t length = 8 + n; length-- > 0;) {
    std::filesystem::resize_file(path, length);
    const std::string what = open_refusal(path);
    CHECK(what == (length < 8 ? "expected at least 8 bytes, found " + std::to_string(length)
                              : "header of " + std::to_string(n) + " bytes does not fit the file's " +
                                    std::to_string(length) + " bytes"));
  }
}

TEST_CASE("a header cut anywhere, with its length made to fit, is refused") {
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," +
                             entry("b", "BF16", "[2,3]", "[4,16]") + "," + entry("a", "F32", "[]", "[0,4]") +
                             "}";
  REQUIRE(parse_safetensors_header(header, 16, "f"));
  for (size_t length = 0; length < header.size(); ++length) {
    CHECK_FALSE(parse_safetensors_header(header.substr(0, length), 16, "f"));
  }
}

TEST_CASE("what is no regular file is refused at once") {
  TemporaryFolder folder;
  const std::string pipe = folder.path("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(open_refusal(pipe) == "expected a regular file, found a pipe");
  CHECK(open_refusal(folder.path()) == "expected a regular file, found a folder");
  CHECK(open_refusal("/dev/zero") == "expected a regular file, found a device");
  CHECK(open_refusal(folder.path("absent"), ErrorCode::kNotFound) == "no such file");
}

TEST_CASE("a sparse file of 1 TB is refused without being read") {
  TemporaryFolder folder;
  const std::string path = folder.write("sparse", length_bytes(99'999'999));
  std::filesystem::resize_file(path, uintmax_t{1} << 40);
  CHECK(open_refusal(path) == "header begins with \"\\x00\", expected \"{\"");

  const std::string header = "{" + entry("t", "U8", "[" + std::to_string(1 << 20) + "]", "[0,1048576]") + "}";
  folder.write("sparse", safetensors_bytes(header, ""));
  std::filesystem::resize_file(path, uintmax_t{1} << 40);
  CHECK(open_refusal(path) == "the last tensor ends at 1048576, but the file holds " +
                                  std::to_string((uintmax_t{1} << 40) - 8 - header.size()) +
                                  " bytes of data");
}

TEST_CASE("a file that shrank while open is an error of the read, not a signal") {
  TemporaryFolder folder;
  const std::string header = "{" + entry("t", "U8", "[100000]", "[0,100000]") + "}";
  const std::string path = folder.write("m", safetensors_bytes(header, std::string(100'000, 'x')));
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  REQUIRE(file);
  const size_t length = 8 + header.size() + 10;
  std::filesystem::resize_file(path, length);
  std::string out(20, '\0');
  auto read = file->read(file->tensors()[0], 0, std::as_writable_bytes(std::span(out)));
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kIo);
  CHECK(read.error().what == "expected 20 bytes at " + std::to_string(length - 10) +
                                 ", found the end of the file at " + std::to_string(length) +
                                 ": it shrank since it was opened");
  CHECK(file->read(file->tensors()[0], 0, std::as_writable_bytes(std::span(out).first(10))));
}

}  // namespace
}  // namespace gemma
