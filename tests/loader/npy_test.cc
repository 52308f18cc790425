#include "loader/npy.h"

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// An .npy file of version 1 with that dictionary and data.
std::string npy(const std::string& dictionary, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += {'\x01', '\x00', static_cast<char>(dictionary.size() & 0xff),
            static_cast<char>(dictionary.size() >> 8)};
  return bytes + dictionary + data;
}

std::string header(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

template <typename T>
std::string data_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

std::string refusal(const std::string& content, ErrorCode code = ErrorCode::kInvalidFile) {
  TemporaryFolder folder;
  auto array = read_npy<float>(folder.write("a.npy", content));
  REQUIRE_FALSE(array);
  CHECK(array.error().code == code);
  return array.error().what;
}

TEST_CASE("what is written row by row is read back, and nothing else is left behind") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  {
    Result<NpyWriter> writer = NpyWriter::create(path, {3, 2});
    REQUIRE(writer);
    const float values[] = {1, 2, 3, -4.5f, 5, 6};
    REQUIRE(writer->append({values, 2}));
    CHECK_FALSE(std::filesystem::exists(path));
    REQUIRE(writer->append({values + 2, 4}));
    REQUIRE(writer->finish());
  }
  auto array = read_npy<float>(path);
  REQUIRE(array);
  CHECK(array->shape == std::vector<size_t>{3, 2});
  CHECK(array->values == std::vector<float>{1, 2, 3, -4.5f, 5, 6});
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("the bytes are those that NumPy writes") {
  TemporaryFolder folder;
  const std::string golden = std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple/logits.npy";
  const auto array = read_npy<float>(golden);
  REQUIRE(array);
  REQUIRE(array->shape.size() == 2);
  Result<NpyWriter> writer = NpyWriter::create(folder.path("a.npy"), array->shape);
  REQUIRE(writer);
  REQUIRE(writer->append(array->values));
  REQUIRE(writer->finish());
  CHECK(bytes_of(folder.path("a.npy")) == bytes_of(golden));
}

TEST_CASE("shapes of any rank, zero included") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  for (const auto& shape : {std::vector<size_t>{}, {1}, {7}, {0}, {0, 5}, {2, 3, 4}, {1, 1, 1, 1, 1}}) {
    size_t total = 1;
    for (size_t extent : shape) total *= extent;
    Result<NpyWriter> writer = NpyWriter::create(path, shape);
    REQUIRE(writer);
    REQUIRE(writer->append(std::vector<float>(total, 1.0f)));
    REQUIRE(writer->finish());
    auto array = read_npy<float>(path);
    REQUIRE(array);
    CHECK(array->shape == shape);
    CHECK(array->values.size() == total);
    CHECK((bytes_of(path).size() - total * sizeof(float)) % 64 == 0);
  }
}

TEST_CASE("a writer that does not finish leaves the old file and no other") {
  TemporaryFolder folder;
  const std::string path = folder.write("a.npy", "old");
  {
    Result<NpyWriter> writer = NpyWriter::create(path, {2});
    REQUIRE(writer);
    REQUIRE(writer->append(std::vector<float>{1}));
    auto finished = writer->finish();
    REQUIRE_FALSE(finished);
    CHECK(finished.error().what == "1 values written, expected 2");
    auto more = writer->append(std::vector<float>{2, 3});
    REQUIRE_FALSE(more);
    CHECK(more.error().what == "more than the 2 values of its shape");
    CHECK(more.error().code == ErrorCode::kInternal);
  }
  CHECK(bytes_of(path) == "old");
  CHECK_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST_CASE("a left-over temporary file that is a link is not written through") {
  TemporaryFolder folder;
  const std::string victim = folder.write("victim", "precious");
  std::filesystem::create_symlink(victim, folder.path("a.npy.tmp"));
  Result<NpyWriter> writer = NpyWriter::create(folder.path("a.npy"), {1});
  REQUIRE(writer);
  REQUIRE(writer->append(std::vector<float>{1}));
  REQUIRE(writer->finish());
  CHECK(bytes_of(victim) == "precious");
}

TEST_CASE("a folder that is not there is an error of the system") {
  TemporaryFolder folder;
  Result<NpyWriter> writer = NpyWriter::create(folder.path("absent/a.npy"), {1});
  REQUIRE_FALSE(writer);
  CHECK(writer.error().code == ErrorCode::kIo);
  CHECK(writer.error().what == "cannot write: No such file or directory");
}

TEST_CASE("a disk that is full is an error of resources, and half a file does not stay") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit small = limit;
  small.rlim_cur = 4096;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  Result<void> written;
  {
    Result<NpyWriter> writer = NpyWriter::create(path, {100'000});
    if (writer) written = writer->append(std::vector<float>(100'000));
    if (writer && written) written = writer->finish();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::signal(SIGXFSZ, old_handler);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::kResource);
  CHECK(written.error().what == "cannot write: File too large");
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a shape larger than any file") {
  TemporaryFolder folder;
  Result<NpyWriter> writer = NpyWriter::create(folder.path("a.npy"), {size_t{1} << 32, size_t{1} << 32});
  REQUIRE_FALSE(writer);
  CHECK(writer.error().what == "the shape is larger than any file");
  CHECK(refusal(npy(header("<f4", "(4294967296, 4294967296)"), "")) == "the shape is larger than any file");
}

TEST_CASE("float64, int64, scalars and other orders of the keys are read") {
  TemporaryFolder folder;
  auto doubles = read_npy<double>(folder.write("d", npy(header("<f8", "(2,)"), data_of<double>({0.1, -2}))));
  REQUIRE(doubles);
  CHECK(doubles->values == std::vector<double>{0.1, -2});
  auto ints = read_npy<int64_t>(folder.write(
      "i", npy("{\"shape\": (), \"fortran_order\": False, \"descr\": \"<i8\"}", data_of<int64_t>({-7}))));
  REQUIRE(ints);
  CHECK(ints->shape.empty());
  CHECK(ints->values == std::vector<int64_t>{-7});
}

TEST_CASE("versions 2 and 3 have four bytes of length") {
  TemporaryFolder folder;
  const std::string dictionary = header("<f4", "(1,)");
  for (const char version : {'\x02', '\x03'}) {
    std::string bytes = "\x93NUMPY";
    bytes += {version, '\0', static_cast<char>(dictionary.size()), '\0', '\0', '\0'};
    auto array = read_npy<float>(folder.write("a", bytes + dictionary + data_of<float>({2.5f})));
    REQUIRE(array);
    CHECK(array->values == std::vector<float>{2.5f});
  }
}

TEST_CASE("values of another type, Fortran order and unknown versions are refused") {
  constexpr auto kNo = ErrorCode::kUnsupported;
  CHECK(refusal(npy(header("<f8", "(1,)"), data_of<double>({1})), kNo) ==
        "expected values of type <f4, found \"<f8\"");
  CHECK(refusal(npy(header(">f4", "(1,)"), data_of<float>({1})), kNo) ==
        "expected values of type <f4, found \">f4\"");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", data_of<float>({1})), kNo) ==
        "expected C order, found Fortran order");
  CHECK(refusal("\x93NUMPY\x04\x01__________", kNo) == "version 4 of .npy, expected 1 to 3");
}

TEST_CASE("files that are no .npy, cut or too long") {
  const std::string good = npy(header("<f4", "(2,)"), data_of<float>({1, 2}));
  CHECK(refusal("") == "0 bytes are too few for an .npy file");
  CHECK(refusal("PK\x03\x04 a zip archive") == "expected an .npy file, found \"PK\\x03\\x04 a\"");
  CHECK(refusal(good + "x") == "the shape needs 8 bytes of data, found 9");
  CHECK(refusal(good.substr(0, good.size() - 1)) == "the shape needs 8 bytes of data, found 7");
  for (size_t length = 0; length < good.size(); ++length) refusal(good.substr(0, length));
}

TEST_CASE("headers that are no dictionary of the three keys") {
  for (const char* dictionary : {"", "{", "{}", "[]", "{'descr': '<f4'}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
                                 "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
                                 "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
                                 "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}"}) {
    CAPTURE(dictionary);
    CHECK(refusal(npy(dictionary, "data"))
              .starts_with("header is no dictionary of descr, fortran_order and shape: "));
  }
}

}  // namespace
}  // namespace gemma
