// Texts out of files of every kind, and the lines that say what is wrong with one.
#include "loader/text_corpus.h"

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

using Texts = std::vector<std::string>;

Texts read(const TextSource& source) {
  Result<Texts> texts = read_texts(source);
  REQUIRE_MESSAGE(texts.has_value(), texts.error().message());
  return *texts;
}

Error refused(const TextSource& source) {
  Result<Texts> texts = read_texts(source);
  REQUIRE(!texts.has_value());
  return texts.error();
}

TEST_CASE("a plain file is one text, byte for byte") {
  const TemporaryFolder folder;
  CHECK(read({.path = folder.write("a.txt", "one\r\n\ntwo\xff")}) == Texts{"one\r\n\ntwo\xff"});
}

TEST_CASE("lines lose their ends, and the last needs none") {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.txt", "one\r\n\n two \nthree");
  CHECK(read({.path = path, .format = TextFormat::kLines}) == Texts{"one", "", " two ", "three"});
  CHECK(read({.path = path, .format = TextFormat::kLines, .skip_blank = true}) ==
        Texts{"one", " two ", "three"});
  CHECK(read({.path = path, .format = TextFormat::kLines, .limit = 2, .skip_blank = true}) ==
        Texts{"one", " two "});
  CHECK(split_lines("a\n\nb\n") == Texts{"a", "", "b"});
}

TEST_CASE("JSON lines are strings or objects with a field") {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.jsonl", "\"one\\n\"\n\n{\"text\": \"two\", \"id\": 2}\r\n\"\"\n");
  CHECK(read({.path = path}) == Texts{"one\n", "two", ""});
  CHECK(read({.path = path, .skip_blank = true}) == Texts{"one\n", "two"});
  CHECK(read({.path = path, .limit = 1}) == Texts{"one\n"});
  CHECK(read({.path = folder.write("b.ndjson", "{\"story\": \"x\"}"), .field = "story"}) == Texts{"x"});
}

TEST_CASE("what is no text is refused with its line and what would help") {
  const TemporaryFolder folder;
  CHECK(refused({.path = folder.path("none.txt")}).code == ErrorCode::kNotFound);
  CHECK(refused({.path = folder.write("empty.txt", "")}).what == "there is no text in it");
  const std::string fields = folder.write("fields.jsonl", "\"a\"\n{\"body\": \"x\", \"n\": 1}\n");
  CHECK(refused({.path = fields}).where == fields + ": line 2");
  CHECK(refused({.path = fields}).what == "no field \"text\"");
  CHECK(refused({.path = fields}).hint == "name one of its texts with --field: \"body\"");
  CHECK(read({.path = fields, .limit = 1}) == Texts{"a"});  // lines behind the limit are not read
  const std::string number = folder.write("number.jsonl", "{\"text\": 7}");
  CHECK(refused({.path = number}).what == "expected a string under \"text\", found number");
  CHECK(refused({.path = folder.write("list.jsonl", "[1]")}).what ==
        "expected a string or an object, found array");
  CHECK(refused({.path = folder.write("broken.jsonl", "{\"text\": ")}).code == ErrorCode::kInvalidFile);
  CHECK(refused({.path = folder.write("blank.jsonl", "\n \n")}).code == ErrorCode::kInvalidFile);
}

}  // namespace
}  // namespace gemma
