#include "engine/chat_detect.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace gemma;

namespace {

// Stand-ins with the features of the published templates, not their text.
const std::string kBody =
    "{{ raise_exception('arguments') }}{% set preserve_thinking = false %}{{ '<|think|>\\n' }}{{ "
    "'<|turn>user' }}"
    "{{ '<|channel>thought\\n' + text + '\\n<channel|>' }}{{ '<|tool_call>' }}{{ '<|tool_response>' }}{{ "
    "'<turn|>' }}";
const std::string kSmall = kBody + "{% if add_generation_prompt %}{{ '<|turn>model\\n' }}{% endif %}";
const std::string kLarge =
    kBody +
    "{% if add_generation_prompt %}{{ '<|turn>model\\n' }}"
    "{% if not enable_thinking %}{{ '<|channel>thought\\n<channel|>' }}{% endif %}{% endif %}";
const std::string kTurns =
    "{{ bos_token }}{% for m in messages %}{{ '<|turn>' + m['role'] + (m['content'] | trim) + '<turn|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|turn>model\\n' }}{% endif %}";

class Folder {
 public:
  Folder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("gemma_chat_detect_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder& write(const std::string& name, const std::string& text) {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this;
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string error_of(const Folder& folder) {
  const Result<TemplateFile> file = read_template(folder.path());
  if (file) return "no error";
  return file.error().message().substr(folder.path().size() + 1);
}

}  // namespace

TEST_CASE("the published templates are told apart by the closed channel at their end") {
  CHECK(detect_template(kLarge) == ChatTemplate::kGemma4Large);
  CHECK(detect_template(kSmall) == ChatTemplate::kGemma4Small);
}

TEST_CASE("a closed channel before the generation prompt does not make a template large") {
  CHECK(detect_template("{# <|channel>thought\\n<channel|> #}" + kSmall) == ChatTemplate::kGemma4Small);
}

TEST_CASE("a template without the newest features is an early one") {
  std::string early = kLarge;
  early.erase(0, early.find("{% set"));
  CHECK(detect_template(early) == ChatTemplate::kGemma4Old);
}

TEST_CASE("turns and nothing else are recognised") {
  CHECK(detect_template(kTurns) == ChatTemplate::kTurnsOnly);
}

TEST_CASE("other templates are unknown, an empty one is none") {
  CHECK(detect_template("") == ChatTemplate::kNone);
  CHECK(detect_template(" \n") == ChatTemplate::kNone);
  CHECK(detect_template("{{ '<start_of_turn>user' }}") == ChatTemplate::kUnknown);
  CHECK(detect_template("<|turn> <turn|>") == ChatTemplate::kUnknown);
  CHECK(detect_template(kTurns + "{{ '<|think|>' }}") == ChatTemplate::kUnknown);
}

TEST_CASE("chat_template.jinja comes before tokenizer_config.json") {
  Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "from the config"})");
  CHECK(read_template(folder.path())->text == "from the config");
  CHECK(read_template(folder.path())->path == folder.path() + "/tokenizer_config.json");
  folder.write("chat_template.jinja", "from the file");
  CHECK(read_template(folder.path())->text == "from the file");
  CHECK(read_template(folder.path())->path == folder.path() + "/chat_template.jinja");
}

TEST_CASE("among named templates the default is taken, else the first") {
  Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "R"},
                                            {"name": "default", "template": "D"}]})");
  CHECK(read_template(folder.path())->text == "D");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "R"}]})");
  CHECK(read_template(folder.path())->text == "R");
}

TEST_CASE("a folder without a template has none, which is no error") {
  Folder folder;
  CHECK(read_template(folder.path())->text.empty());
  folder.write("tokenizer_config.json", "{}");
  CHECK(read_template(folder.path())->text.empty());
  CHECK(read_template(folder.path() + "/absent")->text.empty());
}

TEST_CASE("broken files are refused") {
  CHECK(error_of(Folder().write("tokenizer_config.json", "{"))
            .starts_with("tokenizer_config.json: not valid JSON: "));
  CHECK(error_of(Folder().write("tokenizer_config.json", R"({"chat_template": 3})")) ==
        "tokenizer_config.json: chat_template: expected a string or a list of named templates, found number");
  CHECK(error_of(Folder().write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})")) ==
        "tokenizer_config.json: chat_template: expected a string or a list of named templates, found array");
  Folder folder;
  std::filesystem::create_directory(folder.path() + "/chat_template.jinja");
  CHECK(error_of(folder) == "chat_template.jinja: expected a file");
}

TEST_CASE("a template file beyond the limit is not read") {
  Folder folder;
  folder.write("chat_template.jinja", "x");
  std::filesystem::resize_file(folder.path() + "/chat_template.jinja", (uintmax_t{64} << 20) + 1);  // sparse
  CHECK(error_of(folder) ==
        "chat_template.jinja: 67108865 bytes, more than the 67108864 that a template file may have");
  CHECK(read_template(folder.path()).error().code == ErrorCode::kResource);
}

TEST_CASE("the model's size wins over the template, and the caller is told") {
  CHECK(choose_chat(ChatTemplate::kGemma4Large, false).note.empty());
  CHECK(choose_chat(ChatTemplate::kGemma4Small, true).note.empty());
  const ChatChoice small = choose_chat(ChatTemplate::kGemma4Large, true);
  CHECK(small.small_model);
  CHECK(small.note ==
        "the chat template is that of a large model, but this model is a small one: using the small form");
  const ChatChoice large = choose_chat(ChatTemplate::kGemma4Small, false);
  CHECK_FALSE(large.small_model);
  CHECK(large.note ==
        "the chat template is that of a small model, but this model is a large one: using the large form");
}

TEST_CASE("what cannot be rendered as it stands is said") {
  CHECK(choose_chat(ChatTemplate::kGemma4Old, false).note ==
        "the chat template is an early version with known faults: using the published one of 2026-07-09");
  CHECK(choose_chat(ChatTemplate::kUnknown, false).note ==
        "the model's chat template is none that is known: using Gemma 4's");
  CHECK(choose_chat(ChatTemplate::kNone, true).note == "the model has no chat template");
  const ChatChoice turns = choose_chat(ChatTemplate::kTurnsOnly, true);
  CHECK(turns.style == ChatStyle::kTurnsOnly);
  CHECK(turns.note.empty());
}

TEST_CASE("every template has a name of its own") {
  CHECK(to_string(ChatTemplate::kNone) == "none");
  CHECK(to_string(ChatTemplate::kGemma4Large) == "gemma4 (large models)");
  CHECK(to_string(ChatTemplate::kGemma4Small) == "gemma4 (small models)");
  CHECK(to_string(ChatTemplate::kGemma4Old) == "gemma4 (an earlier version)");
  CHECK(to_string(ChatTemplate::kTurnsOnly) == "turns only");
  CHECK(to_string(ChatTemplate::kUnknown) == "unknown");
}
