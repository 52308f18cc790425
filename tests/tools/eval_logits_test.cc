// gemma-eval logits: the files hold what the reference computes, whatever the way; bad requests say why.
#include "tools/eval_logits.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "loader/npy.h"
#include "tests/loader/temporary_folder.h"

using gemma::ErrorCode;
using gemma::LogitsRequest;
using gemma::TemporaryFolder;

namespace {

const std::string kTiny = std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple";

LogitsRequest tiny(const std::string& out) {
  LogitsRequest request;
  request.model = kTiny;
  request.tokens = "@" + kTiny + "/tokens.json";
  request.scheme = "f32";
  request.threads = 1;
  request.out = out;
  return request;
}

gemma::NpyArray<float> floats(const std::string& path) {
  gemma::Result<gemma::NpyArray<float>> array = gemma::read_npy<float>(path);
  REQUIRE(array);
  return std::move(*array);
}

std::string bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

double relative_l2(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    difference += std::pow(double{found[i]} - expected[i], 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(difference / norm);
}

gemma::Error refused(const LogitsRequest& request) {
  const gemma::Result<gemma::LogitsReport> result = gemma::write_logits(request);
  REQUIRE(!result);
  return result.error();
}

// Exit status of the program; its stderr in `err`.
int run_program(const std::string& arguments, const TemporaryFolder& folder, std::string* err) {
  const std::string log = folder.path("stderr.txt");
  const std::string command = std::string(GEMMA_EVAL) + " " + arguments + " </dev/null >/dev/null 2>" + log;
  const int status = std::system(command.c_str());
  *err = bytes(log);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("logits and hidden states of a golden model equal the reference") {
  const TemporaryFolder folder;
  LogitsRequest request = tiny(folder.path("logits.npy"));
  request.hidden = folder.path("hidden.npy");
  const gemma::Result<gemma::LogitsReport> report = gemma::write_logits(request);
  REQUIRE(report);
  CHECK(report->scheme == "f32");
  for (const std::string name : {"logits.npy", "hidden.npy"}) {
    CAPTURE(name);
    const gemma::NpyArray<float> found = floats(folder.path(name));
    const gemma::NpyArray<float> expected = floats(kTiny + "/" + name);
    CHECK(found.shape == expected.shape);
    CHECK(relative_l2(found.values, expected.values) < 1e-5);
  }
}

TEST_CASE("chunks and threads do not change a byte of either file") {
  const TemporaryFolder folder;
  for (const std::string scheme : {"f32", "int4"}) {
    CAPTURE(scheme);
    LogitsRequest whole = tiny(folder.path("a.npy"));
    whole.scheme = scheme;
    whole.hidden = folder.path("ah.npy");
    LogitsRequest pieces = whole;
    pieces.out = folder.path("b.npy");
    pieces.hidden = folder.path("bh.npy");
    pieces.chunk = 7;
    pieces.threads = 2;
    REQUIRE(gemma::write_logits(whole));
    REQUIRE(gemma::write_logits(pieces));
    CHECK(bytes(folder.path("a.npy")) == bytes(folder.path("b.npy")));
    CHECK(bytes(folder.path("ah.npy")) == bytes(folder.path("bh.npy")));
  }
}

TEST_CASE("--last writes the last rows of both files, and no others") {
  const TemporaryFolder folder;
  LogitsRequest all = tiny(folder.path("all.npy"));
  all.hidden = folder.path("all-hidden.npy");
  LogitsRequest last = all;
  last.out = folder.path("last.npy");
  last.hidden = folder.path("last-hidden.npy");
  last.last = 3;
  last.chunk = 5;
  REQUIRE(gemma::write_logits(all));
  REQUIRE(gemma::write_logits(last));
  const auto full = floats(all.out), tail = floats(last.out);
  REQUIRE(tail.shape == std::vector<size_t>{3, full.shape[1]});
  CHECK(std::equal(tail.values.rbegin(), tail.values.rend(), full.values.rbegin()));
  const auto full_hidden = floats(all.hidden), tail_hidden = floats(last.hidden);
  const size_t width = full_hidden.shape[2], tokens = full_hidden.shape[1];
  REQUIRE(tail_hidden.shape == std::vector<size_t>{full_hidden.shape[0], 3, width});
  for (size_t layer = 0; layer < full_hidden.shape[0]; ++layer) {
    const float* expected = full_hidden.values.data() + (layer * tokens + tokens - 3) * width;
    CHECK(std::equal(expected, expected + 3 * width, tail_hidden.values.data() + layer * 3 * width));
  }
}

TEST_CASE("a token list is read from the command line and from both kinds of file") {
  const TemporaryFolder folder;
  const std::vector<int32_t> expected = {2, 5, 9};
  CHECK(gemma::parse_token_list("2, 5,9", "--tokens") == expected);
  CHECK(gemma::parse_token_list("@" + folder.write("list.json", "[2, 5, 9]"), "--tokens") == expected);
  CHECK(gemma::parse_token_list("@" + folder.write("object.json", R"({"ids": [2, 5, 9]})"), "--tokens") ==
        expected);
}

TEST_CASE("a bad token list is refused with the entry and what was found") {
  const TemporaryFolder folder;
  const auto error = [](const std::string& text) {
    const auto result = gemma::parse_token_list(text, "--tokens");
    REQUIRE(!result);
    return result.error();
  };
  CHECK(error("").message() ==
        R"(--tokens: entry 0: expected a token id, found '' (write 2,5,9 or @file.json with a list of ids))");
  CHECK(error("2,x").where == "--tokens: entry 1");
  CHECK(error("2,x").what == "expected a token id, found 'x'");
  CHECK(error("2,-5").what == "expected a token id, found '-5'");
  CHECK(error("4294967298").what == "expected a token id, found '4294967298'");
  CHECK(error("2,").where == "--tokens: entry 1");
  CHECK(error("@" + folder.path("none.json")).code == ErrorCode::kNotFound);
  const std::string empty = folder.write("empty.json", "[]");
  CHECK(error("@" + empty).code == ErrorCode::kInvalidFile);
  CHECK(error("@" + empty).where == empty);
  CHECK(error("@" + folder.write("text.json", "[2, 2.5]")).what == "expected a token id, found '2.5'");
  CHECK(error("@" + folder.write("large.json", "[18446744073709551615]")).code == ErrorCode::kInvalidFile);
}

TEST_CASE("what cannot be computed is refused before anything is written") {
  const TemporaryFolder folder;
  const std::string out = folder.path("out.npy");
  LogitsRequest request = tiny(out);
  SUBCASE("an id outside the vocabulary") {
    request.tokens = "2,512";
    const gemma::Error error = refused(request);
    CHECK(error.code == ErrorCode::kUsage);
    CHECK(error.where == "--tokens: entry 1");
    CHECK(error.what == "expected an id from 0 to 511, found 512");
  }
  SUBCASE("no file to write to") {
    request.out.clear();
    CHECK(
        refused(request).message() ==
        "there is nothing to write (give --out FILE.npy for logits, --hidden FILE.npy for hidden states, or "
        "both)");
  }
  SUBCASE("one file for two things") {
    request.hidden = request.out;
    CHECK(refused(request).message() == "--hidden: the same file as --out (give two different files)");
  }
  SUBCASE("more positions than tokens") {
    request.tokens = "2,3";
    request.last = 3;
    CHECK(refused(request).message() == "--last: expected at most the 2 tokens given, found 3");
  }
  SUBCASE("an unknown scheme") {
    request.scheme = "int5";
    CHECK(refused(request).code == ErrorCode::kUsage);
    CHECK(refused(request).message().find("int5") != std::string::npos);
  }
  SUBCASE("an unknown KV type") {
    request.kv_type = "f8";
    CHECK(refused(request).message() == "--kv-type: expected one of f32, bf16, f16, int8, found 'f8'");
  }
  SUBCASE("an unknown instruction set") {
    request.kernels.isa = "mmx";
    CHECK(refused(request).what == "unknown instruction set \"mmx\"");
  }
  SUBCASE("more tokens than the model has positions") {
    std::string many = "[2";
    for (int i = 0; i < 300000; ++i) many += ",2";
    request.tokens = "@" + folder.write("many.json", many + "]");
    CHECK(refused(request).where == "--tokens");
    CHECK(refused(request).hint == "give fewer tokens");
  }
  CHECK(!std::filesystem::exists(out));
  CHECK(!std::filesystem::exists(out + ".tmp"));
}

TEST_CASE("the program writes the golden logits and exits with 0") {
  const TemporaryFolder folder;
  std::string err;
  CHECK(run_program("logits --model " + kTiny + " --tokens @" + kTiny + "/tokens.json --scheme f32 --out " +
                        folder.path("out.npy"),
                    folder, &err) == 0);
  CHECK(relative_l2(floats(folder.path("out.npy")).values, floats(kTiny + "/logits.npy").values) < 1e-5);
  CHECK(err.find("scheme f32") != std::string::npos);
}

TEST_CASE("the program tells usage from a missing model by its exit code") {
  const TemporaryFolder folder;
  std::string err;
  CHECK(run_program("logits --tokens 2,3", folder, &err) == 2);
  CHECK(err.starts_with("gemma-eval logits: there is nothing to write"));
  CHECK(run_program("logits --out " + folder.path("x.npy"), folder, &err) == 2);
  CHECK(err == "gemma-eval logits: --tokens: missing (give 2,5,9 or @file.json with a list of ids)\n");
  CHECK(run_program("logits -m nobody/nothing --tokens 2 --out " + folder.path("x.npy"), folder, &err) == 3);
  CHECK(err.find("(gemma-run pull nobody/nothing)") != std::string::npos);
  CHECK(run_program("logit", folder, &err) == 2);
  CHECK(err.find("did you mean logits?") != std::string::npos);
}
