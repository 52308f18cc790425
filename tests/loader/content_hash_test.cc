#include "loader/content_hash.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace gemma {
namespace {

std::string hash_of(ContentHash::Kind kind, std::string_view content, size_t piece) {
  Result<ContentHash> hash = ContentHash::create(kind, content.size());
  REQUIRE(hash);
  for (size_t i = 0; i < content.size(); i += piece) {
    hash->update(std::as_bytes(std::span(content.substr(i, piece))));
  }
  return hash->hex();
}

TEST_CASE("SHA-256 of the standard's examples, in whatever pieces") {
  const std::string_view text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (const size_t piece : {1, 7, 56}) {
    CHECK(hash_of(ContentHash::Kind::kSha256, text, piece) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
  CHECK(hash_of(ContentHash::Kind::kSha256, "", 1) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// `printf 'hello\n' | git hash-object --stdin`
TEST_CASE("git's hash begins with the kind and the size") {
  CHECK(hash_of(ContentHash::Kind::kGitBlob, "hello\n", 4) == "ce013625030ba8dba906f756967f9e9ca394464a");
  CHECK(hash_of(ContentHash::Kind::kGitBlob, "", 1) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

}  // namespace
}  // namespace gemma
