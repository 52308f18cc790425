#include "loader/hub_listing.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace gemma {
namespace {

const std::string kCommit(40, 'c');
const std::string kBlob(40, 'b');
const std::string kSha256(64, 'a');

std::string listing(std::string_view files, std::string_view sha = kCommit) {
  return fmt::format(R"({{"sha":"{}","siblings":[{}],"private":false}})", sha, files);
}
std::string small_file(std::string_view name) {
  return fmt::format(R"({{"rfilename":"{}","size":5,"blobId":"{}"}})", name, kBlob);
}

std::string refusal(const std::string& text) {
  const Result<HubListing> parsed = parse_hub_listing(text, "hub");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::kInvalidFile);
  CHECK(parsed.error().where == "hub");
  return parsed.error().what;
}

TEST_CASE("small files have git's hash, large ones their own") {
  const Result<HubListing> parsed = parse_hub_listing(
      listing(small_file("z.json") +
              fmt::format(R"(,{{"rfilename":"a/m.gguf","size":9,"blobId":"{}","lfs":{{"sha256":"{}",)", kBlob,
                          kSha256) +
              R"("size":1125899906842624,"pointerSize":135})"
              "}"),
      "hub");
  REQUIRE(parsed);
  CHECK(parsed->commit == kCommit);
  REQUIRE(parsed->files.size() == 2);
  CHECK(parsed->files[0].name == "a/m.gguf");
  CHECK(parsed->files[0].hash == kSha256);
  CHECK(parsed->files[0].bytes == uint64_t{1} << 50);
  CHECK(parsed->files[0].large);
  CHECK(parsed->files[1].name == "z.json");
  CHECK(parsed->files[1].hash == kBlob);
  CHECK(parsed->files[1].bytes == 5);
  CHECK_FALSE(parsed->files[1].large);
}

TEST_CASE("a plain path stays below the folder it is put into") {
  for (const char* name : {"a", "config.json", "a/b/c.json", "..a", "a..", "...", "a b", "\xc3\xa9.json"}) {
    CAPTURE(name);
    CHECK(is_plain_path(name));
  }
  using std::string_view_literals::operator""sv;
  for (const std::string_view name :
       {""sv, "."sv, ".."sv, "/a"sv, "a/"sv, "a//b"sv, "../a"sv, "a/../b"sv, "a/.."sv, "./a"sv, "a\\b"sv,
        "a\0b"sv, "a\nb"sv, "a\x1b[2J"sv, "a\x7f"sv, "a\xc2\x9b"sv, "/"sv}) {
    CAPTURE(name);
    CHECK_FALSE(is_plain_path(name));
  }
  CHECK(is_plain_path(std::string(200, 'a')));
  CHECK_FALSE(is_plain_path(std::string(201, 'a')));
  std::string deep = "a";
  while (deep.size() < 1001) deep += "/a";
  CHECK_FALSE(is_plain_path(deep));
}

TEST_CASE("one hostile name refuses the listing") {
  CHECK(refusal(listing(small_file("ok") + "," + small_file("../x"))) ==
        "siblings[1].rfilename: expected a plain relative path, found \"../x\"");
  CHECK(refusal(listing(small_file("a\\u0000b"))) ==
        "siblings[0].rfilename: expected a plain relative path, found \"a\\x00b\"");
}

TEST_CASE("hashes become file names, so that they must be hashes") {
  CHECK(refusal(listing(R"({"rfilename":"a","size":5,"blobId":"../../../x"})")) ==
        "siblings[0].blobId: expected 40 hexadecimal digits, found \"../../../x\"");
  CHECK(refusal(listing(fmt::format(
                    R"({{"rfilename":"a","size":5,"blobId":"{}","lfs":{{"sha256":"{}","size":5}}}})", kBlob,
                    std::string(64, 'A'))))
            .starts_with("siblings[0].lfs.sha256: expected 64 hexadecimal digits"));
  CHECK(refusal(listing(small_file("a"), "../../x")) ==
        "sha: expected a commit's 40 hexadecimal digits, found \"../../x\"");
}

TEST_CASE("sizes are whole, not negative and not beyond all disks") {
  const auto sized = [](std::string_view size) {
    return listing(fmt::format(R"({{"rfilename":"a","blobId":"{}"{}}})", kBlob, size));
  };
  CHECK(refusal(sized("")) == "siblings[0].size: expected a number of bytes, found none");
  for (const char* size : {"-1", "1.5", "1e3", "\"5\"", "1125899906842625", "18446744073709551616"}) {
    CAPTURE(size);
    CHECK(refusal(sized(std::string(",\"size\":") + size))
              .starts_with("siblings[0].size: expected a whole number from 0 to 1125899906842624"));
  }
}

TEST_CASE("what is no listing") {
  CHECK(refusal("[]") == "expected a JSON object");
  CHECK(refusal("<html>").starts_with("not valid JSON"));
  CHECK(refusal(fmt::format(R"({{"sha":"{}"}})", kCommit)) ==
        "siblings: expected a list of 1 to 100000 files, found none");
  CHECK(refusal(listing("")) == "siblings: expected a list of 1 to 100000 files, found 0");
  CHECK(refusal(listing("5")).starts_with("siblings[0].rfilename: "));
  CHECK(refusal(listing(small_file("a") + "," + small_file("a"))) == "siblings: \"a\" is listed twice");
}

}  // namespace
}  // namespace gemma
