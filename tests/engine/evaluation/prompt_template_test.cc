#include "engine/evaluation/prompt_template.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

PromptTemplate parsed(std::string_view text) {
  Result<PromptTemplate> result = PromptTemplate::parse(text, "--template");
  REQUIRE_MESSAGE(result.has_value(), result.error().message());
  return *result;
}

DatasetItem item() {
  DatasetItem item;
  item.id = "7";
  item.question = "Which {one}?";
  item.group = "logic";
  item.choices = {"yes", "no"};
  return item;
}

std::string refusal(std::string_view text) {
  Result<PromptTemplate> result = PromptTemplate::parse(text, "--template");
  REQUIRE(!result);
  CHECK(result.error().code == ErrorCode::kUsage);
  return result.error().what;
}

TEST_CASE("placeholders become the item's fields, and braces in them stay text") {
  CHECK(parsed("On {group}: {question}\n{choices}\nAnswer:").render(item()) ==
        "On logic: Which {one}?\nA. yes\nB. no\nAnswer:");
  CHECK(parsed("{question}{question}").render(item()) == "Which {one}?Which {one}?");
  CHECK(parsed("").render(item()) == "");
}

TEST_CASE("doubled braces are braces") {
  CHECK(parsed("{{question}} {{{question}}}").render(item()) == "{question} {Which {one}?}");
}

TEST_CASE("what is no placeholder is refused") {
  CHECK(refusal("{qestion}") == "unknown placeholder \"qestion\"");
  CHECK(refusal("{}") == "unknown placeholder \"\"");
  CHECK(refusal("{\x1b[2J}") == "unknown placeholder \"\\x1b[2J\"");
  CHECK(refusal("ab{question") == "a brace opens at byte 2 and is never closed");
  CHECK(refusal("a}") == "a brace closes at byte 1 that is not open");
}

TEST_CASE("a field that the item does not have is an error, not an empty text") {
  Result<std::string> text = parsed("{context} {question}").render(item());
  REQUIRE(!text);
  CHECK(text.error().what == "asks for {context}, which question \"7\" does not have");
}

TEST_CASE("a template knows what it uses") {
  CHECK(parsed("{choices}").uses("choices"));
  CHECK(!parsed("{{choices}}").uses("choices"));
}

}  // namespace
}  // namespace gemma
