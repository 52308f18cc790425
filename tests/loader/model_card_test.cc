#include "loader/model_card.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

using Values = std::vector<std::string>;

TEST_CASE("scalars, lists of both styles, quotes and comments") {
  const ModelCard card = parse_model_card(
      "---\n"
      "license: apache-2.0   # free\n"
      "base_model: google/gemma-4-E2B-it\r\n"
      "tags: [text-generation, 'a, b', \"c\"]\n"
      "# a comment\n"
      "language:\n"
      "- en\n"
      "  - \"de\"\n"
      "\n"
      "empty:\n"
      "quoted key: 'it''s'\n"
      "---\n"
      "later: no\n");
  CHECK(card.values("license") == Values{"apache-2.0"});
  CHECK(card.values("base_model") == Values{"google/gemma-4-E2B-it"});
  CHECK(card.values("tags") == Values{"text-generation", "a, b", "c"});
  CHECK(card.values("language") == Values{"en", "de"});
  CHECK(card.values("empty").empty());
  CHECK(card.values("later").empty());
  CHECK(card.fields.front().first == "license");
  CHECK(card.fields.size() == 6);
}

TEST_CASE("nested mappings and block texts are left out") {
  const ModelCard card = parse_model_card(
      "---\n"
      "model-index:\n"
      "- name: x\n"
      "  results:\n"
      "  - task\n"
      "text: |\n"
      "  some: words\n"
      "  - or: not\n"
      "map: {a: b}\n"
      "extra:\n"
      "  url: http://x\n"
      "license: mit\n"
      "---\n");
  CHECK(card.values("model-index").empty());
  CHECK(card.values("text").empty());
  CHECK(card.values("map").empty());
  CHECK(card.values("extra").empty());
  CHECK(card.values("license") == Values{"mit"});
}

TEST_CASE("a text without front matter is an empty card") {
  for (const char* text : {"", "---", "# A model\nlicense: mit\n", " \n---\nlicense: mit\n---\n"}) {
    CHECK(parse_model_card(text).fields.empty());
  }
}

TEST_CASE("an end that is missing, odd bytes and unfinished quotes do no harm") {
  CHECK(parse_model_card("---\nlicense: mit\n").values("license") == Values{"mit"});
  CHECK(parse_model_card("---\na: [x, 'y").values("a") == Values{"x", "'y"});
  CHECK(parse_model_card("---\na: ]\nb: [\nc: [,,]\n- \n-\n:\n: x\n").values("c").empty());
  CHECK(parse_model_card(std::string_view("---\na: \xff\0b\n", 11)).values("a").size() == 1);
}

TEST_CASE("a huge card is read in part") {
  std::string text = "---\n";
  for (int i = 0; i < 100'000; ++i) text += "key" + std::to_string(i) + ": value\n";
  CHECK(parse_model_card(text).fields.size() == 256);
  CHECK(parse_model_card("---\na: " + std::string(10 << 20, 'x')).values("a")[0].size() < 70'000);
}

TEST_CASE("a file that is not there is an empty card") {
  TemporaryFolder folder;
  CHECK(read_model_card(folder.path("README.md")).fields.empty());
  CHECK(read_model_card(folder.path()).fields.empty());
  CHECK(read_model_card(folder.write("README.md", "---\nlicense: mit\n---\n")).values("license") ==
        Values{"mit"});
}

}  // namespace
}  // namespace gemma
