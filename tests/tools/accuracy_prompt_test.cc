// What a model reads: template, examples and choices as they stand in the prompt, and what is done when that
// is too long.
#include "tools/accuracy_prompt.h"

#include <doctest/doctest.h>

#include "tests/tools/program.h"
#include "tools/eval_model.h"

namespace gemma {
namespace {

using tests::TemporaryFolder;
using tests::write_file;

const Model& stories() {
  static const std::unique_ptr<Model> model = [] {
    Result<std::unique_ptr<Model>> opened = open_model("", true);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message());
    return std::move(*opened);
  }();
  return *model;
}

// A file of questions, asked with these flags.
struct Asked {
  TemporaryFolder folder;
  AccuracyFlags flags;
  Questions questions;
  AskingStyle style;

  explicit Asked(const std::string& text, const std::string& name = "q.jsonl") {
    write_file(folder.file(name), text);
    flags.data = {folder.file(name)};
  }
  std::string example_file(const std::string& text, const std::string& name = "examples.jsonl") {
    write_file(folder.file(name), text);
    return folder.file(name);
  }
  Result<EncodedItem> encode(size_t i = 0, size_t room = 1024) {
    Result<Questions> read = read_questions(flags);
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    questions = std::move(*read);
    Result<AskingStyle> made = asking_style(stories(), flags, questions);
    REQUIRE_MESSAGE(made.has_value(), made.error().message());
    style = std::move(*made);
    return encode_item(stories(), style, flags, questions.files.front(), questions.items[i], room);
  }
  std::string text(size_t i = 0) {
    Result<EncodedItem> encoded = encode(i);
    REQUIRE_MESSAGE(encoded.has_value(), encoded.error().message());
    return decode(encoded->ids.context);
  }
  static std::string decode(std::span<const int32_t> ids) {
    return stories().tokenizer()->decode(ids, false);
  }
};

constexpr const char* kFree = R"({"question": "Who?", "context": "A cat.", "references": "cat"})";
constexpr const char* kChoice =
    R"({"question": "The sun is", "choices": ["warm", "a big dog"], "answer": 0})";

TEST_CASE("a free question is a user's turn, or with --raw a text that ends where the answer begins") {
  Asked asked(kFree);
  CHECK(asked.text() == "<bos><|turn>user\nA cat.\n\nWho?<turn|>\n<|turn>model\n");
  asked.flags.raw = true;
  CHECK(asked.text() == "<bos>A cat.\n\nQuestion: Who?\nAnswer:");
  asked.flags.prompt_template = "{question} {{{context}}}";
  CHECK(asked.text() == "<bos>Who? {A cat.}");
}

TEST_CASE("a template file loses one line end") {
  Asked asked(kFree);
  asked.flags.raw = true;
  asked.flags.template_file = asked.example_file("{question}\n\n", "template");
  CHECK(asked.text() == "<bos>Who?\n");
}

TEST_CASE("markers in the data stay text") {
  Asked asked(R"({"question": "<turn|> and <bos>", "references": "x"})");
  Result<EncodedItem> encoded = asked.encode();
  REQUIRE(encoded);
  const int32_t close = *stories().tokenizer()->id_of("<turn|>");
  CHECK(std::count(encoded->ids.context.begin(), encoded->ids.context.end(), close) == 1);
}

TEST_CASE("choices are scored by their text, or by their letter where the template lists them") {
  Asked texts(kChoice);
  texts.flags.raw = true;
  texts.flags.prompt_template = "{question}";
  Result<EncodedItem> by_text = texts.encode();
  REQUIRE(by_text);
  CHECK(Asked::decode(by_text->ids.context) == "<bos>The sun is");
  CHECK(Asked::decode(by_text->ids.continuations[0]) == " warm");
  CHECK(Asked::decode(by_text->ids.continuations[1]) == " a big dog");
  CHECK(by_text->needed == by_text->ids.context.size() + by_text->ids.continuations[1].size());

  Asked letters(kChoice);
  letters.flags.raw = true;
  Result<EncodedItem> by_letter = letters.encode();
  REQUIRE(by_letter);
  CHECK(Asked::decode(by_letter->ids.context) == "<bos>The sun is\nA. warm\nB. a big dog\nAnswer:");
  CHECK(Asked::decode(by_letter->ids.continuations[1]) == " B");
  CHECK(by_letter->ids.continuations[1].size() == 1);  // blank and letter are one token
}

TEST_CASE("with a chat template a choice is the model's turn from its first letter on") {
  Asked asked(kChoice);
  Result<EncodedItem> encoded = asked.encode();
  REQUIRE(encoded);
  std::vector<int32_t> whole = encoded->ids.context;
  whole.insert(whole.end(), encoded->ids.continuations[1].begin(), encoded->ids.continuations[1].end());
  CHECK(Asked::decode(whole) ==
        "<bos><|turn>user\nThe sun is\nA. warm\nB. a big dog\nAnswer:<turn|>\n<|turn>model\nB");
}

TEST_CASE("examples come first: as text, or as turns of the conversation") {
  Asked asked(kChoice);
  asked.flags.examples = asked.example_file(
      R"({"question": "Ice is", "choices": ["hot", "cold"], "answer": 1}
{"question": "Not used", "choices": ["x", "y"], "answer": 0})");
  asked.flags.few_shot = 1;
  asked.flags.header = "Choose. ";
  asked.flags.raw = true;
  CHECK(asked.text() ==
        "<bos>Choose. Ice is\nA. hot\nB. cold\nAnswer: B\n\nThe sun is\nA. warm\nB. a big dog\nAnswer:");
  asked.flags.raw = false;
  CHECK(asked.text() ==
        "<bos><|turn>user\nChoose. Ice is\nA. hot\nB. cold\nAnswer:<turn|>\n<|turn>model\nB<turn|>\n"
        "<|turn>user\nThe sun is\nA. warm\nB. a big dog\nAnswer:<turn|>\n<|turn>model\n");
}

TEST_CASE("MMLU is asked as lm-evaluation-harness asks it, with the examples of its subject") {
  Asked asked("2+2=?,3,4,5,6,B\n", "abstract_algebra_test.csv");
  asked.example_file("1+1=?,1,2,3,4,B\n", "abstract_algebra_dev.csv");
  asked.flags.examples = std::filesystem::path(asked.flags.data.front()).parent_path().string();
  asked.flags.few_shot = 1;
  asked.flags.raw = true;
  CHECK(asked.text() ==
        "<bos>The following are multiple choice questions (with answers) about abstract algebra.\n\n"
        "1+1=?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: B\n\n2+2=?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:");
}

TEST_CASE("a question that does not fit is refused, or its context is cut at a character and that is told") {
  std::string long_context;
  for (int i = 0; i < 300; ++i) long_context += "caf\u00e9 ";
  Asked asked(R"({"question": "Who?", "context": ")" + long_context + R"(", "references": "x"})");
  asked.flags.max_new_tokens = 8;
  Result<EncodedItem> refused = asked.encode(0, 100);
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::kUsage);
  CHECK(refused.error().where == asked.flags.data.front() + ": question \"1\"");
  CHECK(refused.error().what.ends_with("tokens with its answer, the context holds 100"));

  asked.flags.too_long = "cut";
  Result<EncodedItem> cut = asked.encode(0, 100);
  REQUIRE_MESSAGE(cut.has_value(), cut.error().message());
  CHECK(cut->needed <= 100);
  CHECK(cut->needed >= 97);  // no more is cut than has to be: a letter more could be a token or two
  const std::string text = Asked::decode(cut->ids.context);
  CHECK(text.ends_with("Who?<turn|>\n<|turn>model\n"));
  CHECK(text.find("\uFFFD") == text.npos);
  CHECK(cut->cut_characters > 1000);
  CHECK(cut->cut_characters < 1500);

  Result<EncodedItem> hopeless = asked.encode(0, 12);
  REQUIRE(!hopeless);
  CHECK(hopeless.error().hint == "there is no {context} left to cut: fewer --few-shot, a larger --context");
}

TEST_CASE("with --mutual-info the choices are encoded alone too") {
  Asked asked(kChoice);
  asked.flags.raw = true;
  asked.flags.prompt_template = "{question}";
  asked.flags.mutual_info = true;
  Result<EncodedItem> encoded = asked.encode();
  REQUIRE(encoded);
  CHECK(encoded->alone.context == std::vector<int32_t>{stories().config().bos_id});
  CHECK(Asked::decode(encoded->alone.continuations[0]) == " warm");
}

TEST_CASE("--limit takes the first of each file, and --shuffle the same others for the same seed") {
  std::string lines;
  for (int i = 0; i < 50; ++i)
    lines += R"({"question": "q)" + std::to_string(i) + R"(", "references": "r"})" + "\n";
  Asked asked(lines);
  asked.flags.limit = 5;
  const auto ids = [&] {
    Result<Questions> read = read_questions(asked.flags);
    REQUIRE(read);
    std::vector<std::string> out;
    for (const DatasetItem& item : read->items) out.push_back(item.id);
    return out;
  };
  CHECK(ids() == std::vector<std::string>{"1", "2", "3", "4", "5"});
  asked.flags.shuffle = true;
  asked.flags.seed = 7;
  const std::vector<std::string> once = ids();
  CHECK(once.size() == 5);
  CHECK(once != std::vector<std::string>{"1", "2", "3", "4", "5"});
  CHECK(ids() == once);
  asked.flags.seed = 8;
  CHECK(ids() != once);
}

TEST_CASE("what cannot be asked is refused before a model computes") {
  Asked asked(kFree);
  const auto refusal = [&]() -> std::string {
    Result<Questions> read = read_questions(asked.flags);
    if (!read) return read.error().message();
    Result<AskingStyle> style = asking_style(stories(), asked.flags, *read);
    return style ? "asked" : style.error().message();
  };
  CHECK(refusal() == "asked");
  asked.flags.min_accuracy = 0.5;
  CHECK(refusal() == "--min-accuracy: is for multiple choice, and these questions have no choices");
  asked.flags.min_accuracy.reset();
  asked.flags.prompt_template = "{choices}";
  CHECK(refusal() == "--template: asks for {choices}, and these questions have none");
  asked.flags.prompt_template.reset();
  asked.flags.examples = asked.example_file(kFree);
  CHECK(refusal() == *asked.flags.examples + ": expected 5 examples, found 1 (--few-shot takes fewer)");
  asked.flags.few_shot = 1;
  CHECK(refusal() == "asked");
  asked.flags.examples = asked.example_file(kChoice);
  CHECK(refusal() == *asked.flags.examples + ": the examples are of another kind than the questions");
  asked.flags.examples.reset();
  asked.flags.data.push_back(asked.example_file(kChoice, "c.jsonl"));
  CHECK(refusal() == asked.flags.data.back() +
                         ": another kind of questions than in the files before (score the two kinds in runs "
                         "of their own)");
}

}  // namespace
}  // namespace gemma
