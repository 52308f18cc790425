// The four formats of questions: what a good file becomes, and which line of a bad one is named.
#include "loader/dataset.h"

#include <doctest/doctest.h>

#include "loader/dataset_hellaswag.h"
#include "loader/dataset_mmlu.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

Dataset read(const std::string& path, const DatasetOptions& options = {}) {
  Result<Dataset> data = read_dataset(path, options);
  REQUIRE_MESSAGE(data.has_value(), data.error().message());
  return std::move(*data);
}

// What stands behind the file's name.
std::string refusal(const std::string& path, const DatasetOptions& options = {}) {
  Result<Dataset> data = read_dataset(path, options);
  REQUIRE(!data);
  CHECK(data.error().code == ErrorCode::kInvalidFile);
  REQUIRE(data.error().where.starts_with(path));
  return data.error().where.substr(path.size()) + ": " + data.error().what;
}

using Texts = std::vector<std::string>;

TEST_CASE("jsonl: questions with references, with blank lines between and ids of their own") {
  const TemporaryFolder folder;
  const Dataset data =
      read(folder.write("q.jsonl",
                        R"({"question": "Who?", "context": "Marie did.", "references": "Marie"}
   
{"id": "x7", "question": "Wo? \u00e9", "references": ["a", "b"], "other": [1, {"deep": null}]}
{"id": 12, "context": "Only a text.", "question": null, "references": []})"));
  REQUIRE(data.items.size() == 3);
  CHECK(!data.multiple_choice());
  CHECK(data.items[0].id == "1");
  CHECK(data.items[0].question == "Who?");
  CHECK(data.items[0].context == "Marie did.");
  CHECK(data.items[0].references == Texts{"Marie"});
  CHECK(data.items[1].id == "x7");
  CHECK(data.items[1].question == "Wo? é");
  CHECK(data.items[1].line == 3);
  CHECK(data.items[2].id == "12");
  CHECK(data.items[2].references.empty());
}

TEST_CASE("jsonl: the right choice is a number, a letter or the choice itself") {
  const TemporaryFolder folder;
  const Dataset data = read(folder.write("q.jsonl", R"({"question": "2+2", "choices": ["3", "4"], "answer": 1}
{"question": "2+2", "choices": ["4", "3"], "answer": "A"}
{"question": "Which?", "choices": ["B", "A"], "answer": "A"}
)"));
  CHECK(data.multiple_choice());
  CHECK(data.items[0].answer == 1);
  CHECK(data.items[1].answer == 0);
  CHECK(data.items[2].answer == 1);  // the text goes before the letter
  CHECK(data.items[2].choices == Texts{"B", "A"});
}

TEST_CASE("jsonl: fields have other names, and dots lead into objects") {
  const TemporaryFolder folder;
  DatasetOptions options;
  options.fields.question = "input";
  options.fields.references = "answers.text";
  options.fields.id = "meta.key";
  const Dataset data =
      read(folder.write("q.jsonl", R"({"input": "?", "answers": {"text": ["yes"]}, "meta": {"key": "k"}})"),
           options);
  CHECK(data.items[0].question == "?");
  CHECK(data.items[0].references == Texts{"yes"});
  CHECK(data.items[0].id == "k");
}

TEST_CASE("jsonl: what is wrong with a line is told with its number and field") {
  const TemporaryFolder folder;
  const std::string good = R"({"question": "q", "references": "r"})";
  const auto second = [&](const std::string& line) {
    return refusal(folder.write("q.jsonl", good + "\n" + line + "\n" + good));
  };
  CHECK(second("{\"question\": ").starts_with(": line 2: not valid JSON at byte"));
  CHECK(second("[1]") == ": line 2: expected a JSON object, found an array of 1");
  CHECK(second("{\"question\": \"\xff\"}").starts_with(": line 2: not valid JSON"));
  CHECK(second(R"({"question": "q", "question": "q"})") == ": line 2: key \"question\" occurs twice");
  CHECK(second(R"({"question": 7, "references": "r"})") == ": line 2: question: expected a text, found 7");
  CHECK(second(R"({"references": "r"})") ==
        ": line 2: question: missing, and there is no \"context\" either");
  CHECK(second(R"({"question": "q"})") ==
        ": line 2: references: missing: expected right answers, or \"choices\"");
  CHECK(second(R"({"question": "q", "references": [1]})") ==
        ": line 2: references: entry 0: expected a text, found 1");
  CHECK(second(R"({"question": "q", "references": {}})") ==
        ": line 2: references: expected a text or a list of texts, found an object");
  CHECK(second(R"({"question": "q", "references": "r", "id": []})") ==
        ": line 2: id: expected a text or a whole number, found an array of 0");
  CHECK(second(R"({"question": "q", "choices": ["a", "b"], "answer": 0})") ==
        ": line 2: a question with choices, where those before have none");
}

TEST_CASE("jsonl: choices must be few, different and not empty, and one of them right") {
  const TemporaryFolder folder;
  const auto choice = [&](const std::string& choices, const std::string& answer) {
    return refusal(folder.write(
        "q.jsonl", R"({"question": "q", "choices": )" + choices + R"(, "answer": )" + answer + "}"));
  };
  CHECK(choice(R"(["a"])", "0") == ": line 1: choices: expected 2 to 26 choices, found 1");
  CHECK(choice(R"(["a", "a"])", "0") == ": line 1: choices: \"a\" occurs twice");
  CHECK(choice(R"(["a", ""])", "0") == ": line 1: choices: expected texts, found an empty one");
  CHECK(choice(R"("ab")", "0") == ": line 1: choices: expected a list of texts, found \"ab\"");
  CHECK(choice(R"(["a", "b"])", "null") == ": line 1: answer: missing: which choice is right?");
  CHECK(choice(R"(["a", "b"])", "2") ==
        ": line 1: answer: expected a number from 0 to 1, a letter or a choice's text, found 2");
  CHECK(choice(R"(["a", "b"])", "-1") ==
        ": line 1: answer: expected a number from 0 to 1, a letter or a choice's text, found -1");
  CHECK(choice(R"(["a", "b"])", R"("C")") ==
        ": line 1: answer: expected one of the choices or a letter from A to B, found \"C\"");
}

TEST_CASE("a file without questions, a folder and nothing at all are refused") {
  const TemporaryFolder folder;
  CHECK(refusal(folder.write("q.jsonl", "\n \n")) == ": expected questions, found none");
  CHECK(refusal(folder.write("q.json", R"({"data": []})")) == ": expected questions, found none");
  CHECK(refusal(folder.write("q.csv", "\n\n")) == ": expected questions, found none");
  CHECK(read_dataset(folder.path(), {}).error().code == ErrorCode::kInvalidFile);
  CHECK(read_dataset(folder.path("none"), {}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("squad: every question with its paragraph, also those that have no answer") {
  const TemporaryFolder folder;
  const Dataset data = read(folder.write("dev.json", R"({"version": "v2.0", "data": [{"title": "Normans",
    "paragraphs": [{"context": "In France.", "qas": [
      {"id": "a1", "question": "Where?", "is_impossible": false,
       "answers": [{"text": "France", "answer_start": 3}, {"text": "in France", "answer_start": 0}]},
      {"id": "a2", "question": "Why?", "is_impossible": true, "answers": [],
       "plausible_answers": [{"text": "France", "answer_start": 3}]}]},
     {"context": "Later.", "qas": [{"id": "a3", "question": "When?", "answers": [{"text": "later"}]}]}]}]})"));
  REQUIRE(data.items.size() == 3);
  CHECK(data.items[0].group == "Normans");
  CHECK(data.items[0].context == "In France.");
  CHECK(data.items[0].question == "Where?");
  CHECK(data.items[0].references == Texts{"France", "in France"});
  CHECK(data.items[1].id == "a2");
  CHECK(data.items[1].references.empty());
  CHECK(data.items[2].context == "Later.");
}

TEST_CASE("squad: what is not of its form is named by its place") {
  const TemporaryFolder folder;
  const auto broken = [&](const std::string& text) { return refusal(folder.write("dev.json", text)); };
  CHECK(broken("[]") == ": data: expected a list, found nothing");
  CHECK(broken(R"({"data": {}})") == ": data: expected a list, found an object");
  CHECK(broken(R"({"data": [7]})") == ": data[0].paragraphs: expected a list, found nothing");
  CHECK(broken(R"({"data": [{"paragraphs": [{"qas": []}]}]})") ==
        ": data[0].paragraphs[0].context: expected a text, found nothing");
  const auto asked = [&](const std::string& qa) {
    return broken(R"({"data": [{"paragraphs": [{"context": "c", "qas": [)" + qa + "]}]}]}");
  };
  CHECK(asked(R"({"id": 1})") == ": data[0].paragraphs[0].qas[0].id: expected a text, found 1");
  CHECK(asked(R"({"id": "1", "question": "q"})") ==
        ": data[0].paragraphs[0].qas[0].answers: expected a list, found nothing");
  CHECK(asked(R"({"id": "1", "question": "q", "answers": ["x"]})") ==
        ": data[0].paragraphs[0].qas[0].answers[0].text: expected a text, found nothing");
  CHECK(asked(R"({"id": "1", "question": "q", "is_impossible": 1})") ==
        ": data[0].paragraphs[0].qas[0].is_impossible: expected true or false, found 1");
}

TEST_CASE("hellaswag: the texts are joined and cleaned as lm-evaluation-harness does") {
  const TemporaryFolder folder;
  const DatasetOptions hellaswag{.format = DatasetFormat::kHellaswag, .fields = {}};
  const std::string line =
      R"({"ind": 24, "activity_label": "Roof", "ctx_a": "A man.", "ctx_b": "he Sits", "endings": [" uses  tape. [step] x", "b", "c", "d"], "label": )";
  const Dataset data = read(folder.write("val.jsonl", line + "3}\n" + line + "\"0\"}\n"), hellaswag);
  REQUIRE(data.items.size() == 2);
  CHECK(data.items[0].question == "Roof: A man. He sits");
  CHECK(data.items[0].choices == Texts{"uses tape. x", "b", "c", "d"});
  CHECK(data.items[0].answer == 3);
  CHECK(data.items[0].id == "24");
  CHECK(data.items[1].answer == 0);

  const auto second = [&](const std::string& text) {
    return refusal(folder.write("val.jsonl", line + "3}\n" + text), hellaswag);
  };
  CHECK(second(line + "4}") ==
        ": line 2: label: expected 0 to 3, found 4; the published test file has no labels");
  CHECK(second(line + "\"\"}") ==
        ": line 2: label: expected 0 to 3, found \"\"; the published test file has no labels");
  CHECK(second("{}") ==
        ": line 2: activity_label: expected a text, found nothing; ctx_a: expected a text, found nothing; "
        "ctx_b: expected a text, found nothing; endings: expected a list of four texts; label: expected 0 to "
        "3, found nothing; the published test file has no labels");
}

TEST_CASE("hellaswag's cleaning, rule by rule") {
  CHECK(clean_hellaswag("  Make tea [title] Boil water [step] now \n") == "Make tea. Boil water now");
  CHECK(clean_hellaswag("a    b") == "a  b");  // one pass only, as the original
  CHECK(clean_hellaswag("open [ end") == "open [ end");
  CHECK(clean_hellaswag("[a[b]c]d") == "c]d");
  CHECK(clean_hellaswag("x [a\nb] y") == "x [a\nb] y");  // a bracket ends on its line
  CHECK(clean_hellaswag("[[[[\n]") == "[[[[\n]");
  CHECK(clean_hellaswag("") == "");
  CHECK(capitalize_hellaswag("then HE goes. She") == "Then he goes. she");
  CHECK(capitalize_hellaswag("") == "");
}

TEST_CASE("mmlu: rows without a header, quoted where needed; the subject is the file's name") {
  const TemporaryFolder folder;
  const Dataset data = read(folder.write(
      "high_school_physics_test.csv", "What then?,a,b,c,d,B\r\n\" Two\nlines \",\"say \"\"x\"\"\",2,3,4,D"));
  REQUIRE(data.items.size() == 2);
  CHECK(data.multiple_choice());
  CHECK(data.items[0].group == "high school physics");
  CHECK(data.items[1].question == "Two\nlines");
  CHECK(data.items[1].choices == Texts{"say \"x\"", "2", "3", "4"});
  CHECK(data.items[1].answer == 3);
  CHECK(data.items[1].line == 2);
  CHECK(mmlu_subject("/data/dev/abstract_algebra_dev.csv") == "abstract algebra");
  CHECK(mmlu_subject("logic") == "logic");
}

TEST_CASE("mmlu: bad rows are named by their line") {
  const TemporaryFolder folder;
  const auto second = [&](const std::string& row) {
    return refusal(folder.write("x_test.csv", "\"q\n\",a,b,c,d,A\n" + row));
  };
  CHECK(second("question,A,B,C,D,answer") ==
        ": line 3: expected A, B, C or D as the answer, found \"answer\"");
  CHECK(second("q,a,b,c,A") == ": line 3: expected 6 fields, found 5");
  CHECK(second("q,a,,c,d,A") == ": line 3: choice B is empty");
  CHECK(second(" ,a,b,c,d,A") == ": line 3: expected a question, found an empty text");
}

}  // namespace
}  // namespace gemma
