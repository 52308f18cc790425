#include "tools/accuracy_prompt.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "engine/random.h"
#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/unicode.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestTemplate = uint64_t{1} << 20;  // bytes
constexpr uint64_t kUsualExamples = 5;

// Fisher and Yates: every order is as likely as any other.
void shuffle(std::vector<DatasetItem>& items, uint64_t seed) {
  Random random(seed);
  for (size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[static_cast<size_t>(random.uniform() * static_cast<double>(i))]);
  }
}

// MMLU's files come in pairs: test/logic_test.csv and dev/logic_dev.csv.
std::string examples_path(const std::string& asked, const std::string& data_path) {
  std::error_code unreadable;
  if (!std::filesystem::is_directory(asked, unreadable)) return asked;
  std::string name = std::filesystem::path(data_path).stem().string();
  for (std::string_view part : {"_test", "_val"}) {
    if (name.ends_with(part)) name.resize(name.size() - part.size());
  }
  return (std::filesystem::path(asked) / (name + "_dev.csv")).string();
}

Result<std::vector<DatasetItem>> read_examples(const AccuracyFlags& flags, const std::string& data_path,
                                               const DatasetOptions& options, bool multiple_choice) {
  if (!flags.examples) return std::vector<DatasetItem>();
  const std::string path = examples_path(*flags.examples, data_path);
  Result<Dataset> examples = read_dataset(path, options);
  if (!examples) return fail(std::move(examples.error()));
  const size_t wanted = static_cast<size_t>(flags.few_shot.value_or(kUsualExamples));
  if (examples->items.size() < wanted) {
    return fail(ErrorCode::kUsage, path,
                fmt::format("expected {} examples, found {}", wanted, examples->items.size()),
                "--few-shot takes fewer");
  }
  if (examples->multiple_choice() != multiple_choice) {
    return fail(ErrorCode::kUsage, path, "the examples are of another kind than the questions");
  }
  examples->items.resize(wanted);
  return std::move(examples->items);
}

Result<void> check_kind(const AccuracyFlags& flags, bool multiple_choice) {
  const std::pair<bool, const char*> free_only[] = {{flags.min_exact_match.has_value(), "--min-exact-match"},
                                                    {flags.min_f1.has_value(), "--min-f1"},
                                                    {flags.min_rouge_l.has_value(), "--min-rouge-l"},
                                                    {flags.stemmer, "--stemmer"},
                                                    {!flags.stop.empty(), "--stop"},
                                                    {flags.temperature.has_value(), "--temperature"}};
  const std::pair<bool, const char*> choice_only[] = {{flags.min_accuracy.has_value(), "--min-accuracy"},
                                                      {flags.mutual_info, "--mutual-info"},
                                                      {flags.score != "auto", "--score"}};
  for (const auto& [given, name] : free_only) {
    if (given && multiple_choice) {
      return fail(ErrorCode::kUsage, name, "is for free answers, and these questions have choices");
    }
  }
  for (const auto& [given, name] : choice_only) {
    if (given && !multiple_choice) {
      return fail(ErrorCode::kUsage, name, "is for multiple choice, and these questions have no choices");
    }
  }
  return {};
}

// What is asked if the user says nothing: for MMLU and HellaSwag what lm-evaluation-harness asks.
std::string usual_template(const Questions& questions, bool chat) {
  const DatasetItem& first = questions.items.front();
  const std::string context = first.context.empty() ? "" : "{context}\n\n";
  if (questions.format == DatasetFormat::kMmlu) return "{question}\n{choices}\nAnswer:";
  if (questions.format == DatasetFormat::kHellaswag) return "{question}";
  if (first.question.empty())
    return questions.multiple_choice() ? "{context}\n{choices}\nAnswer:" : "{context}";
  if (questions.multiple_choice()) return context + "{question}\n{choices}\nAnswer:";
  if (!chat) return context + "Question: {question}\nAnswer:";
  if (questions.format == DatasetFormat::kSquad) {
    const bool some_without = std::any_of(questions.items.begin(), questions.items.end(),
                                          [](const DatasetItem& item) { return item.references.empty(); });
    return context + "Question: {question}\nAnswer with as few words of the text as possible" +
           (some_without ? "; if the text does not hold the answer, say: unanswerable" : "") + ".";
  }
  return context + "{question}";
}

Result<PromptTemplate> prompt_template(const AccuracyFlags& flags, const Questions& questions, bool chat) {
  if (flags.prompt_template) return PromptTemplate::parse(*flags.prompt_template, "--template");
  if (!flags.template_file) return PromptTemplate::parse(usual_template(questions, chat), "template");
  Result<std::string> text = read_text(*flags.template_file, kLargestTemplate);
  if (!text) return fail(std::move(text.error()));
  if (text->ends_with('\n')) text->pop_back();
  return PromptTemplate::parse(*text, *flags.template_file);
}

// The right answer of an example, as it is to be given.
std::string right_answer(const AskingStyle& style, const AccuracyFlags& flags, const DatasetItem& item) {
  if (!item.choices.empty()) return choice_text(style, item, item.answer);
  return item.references.empty() ? flags.no_answer : item.references.front();
}

// The whole prompt as segments; without chat it is one text. What stands before the answers begins with the
// header.
Result<std::vector<Segment>> prompt_segments(const AskingStyle& style, const AccuracyFlags& flags,
                                             const Questions::File& file, const DatasetItem& item) {
  Result<std::string> header = style.header.render(item);
  if (!header) return fail(std::move(header.error()));
  std::string text = std::move(*header);
  std::vector<Message> messages;
  for (const DatasetItem& example : file.examples) {
    Result<std::string> asked = style.prompt.render(example);
    if (!asked) return fail(std::move(asked.error()));
    text += *asked;
    const std::string answer = right_answer(style, flags, example);
    if (style.format.chat) {
      messages.push_back({.role = Role::kUser, .content = std::move(text)});
      messages.push_back({.role = Role::kAssistant, .content = answer});
      text.clear();
    } else {
      text += style.choice_prefix + answer + "\n\n";
    }
  }
  Result<std::string> asked = style.prompt.render(item);
  if (!asked) return fail(std::move(asked.error()));
  text += *asked;
  if (!style.format.chat)
    return std::vector<Segment>{{std::string(marker::kBos), true}, {std::move(text), false}};
  messages.push_back({.role = Role::kUser, .content = std::move(text)});
  return render_segments(messages, style.format.options);
}

std::vector<Segment> with_text(std::vector<Segment> segments, const std::string& text) {
  if (segments.empty() || segments.back().is_control) segments.push_back({});
  segments.back().text += text;
  return segments;
}

// Without a chat template <bos> is an id of the config, which a tokenizer need not spell like Gemma's.
Result<std::vector<int32_t>> encode(const Model& model, const AskingStyle& style,
                                    std::span<const Segment> segments) {
  if (style.format.chat) return encode_segments(*model.tokenizer(), segments);
  std::vector<int32_t> ids = {model.config().bos_id};
  const std::vector<int32_t> text = model.tokenizer()->encode(segments[1].text, SpecialTokens::kAsText);
  ids.insert(ids.end(), text.begin(), text.end());
  return ids;
}

Result<EncodedItem> encode_whole(const Model& model, const AskingStyle& style, const AccuracyFlags& flags,
                                 const Questions::File& file, const DatasetItem& item) {
  Result<std::vector<Segment>> segments = prompt_segments(style, flags, file, item);
  if (!segments) return fail(std::move(segments.error()));
  EncodedItem encoded;
  encoded.in_thought = style.format.chat && ends_in_thought(*segments);
  Result<std::vector<int32_t>> context = encode(model, style, *segments);
  if (!context) return fail(std::move(context.error()));
  if (item.choices.empty()) {
    encoded.ids.context = std::move(*context);
    encoded.needed = encoded.ids.context.size() + static_cast<size_t>(flags.max_new_tokens);
    return encoded;
  }
  std::vector<std::vector<int32_t>> wholes;
  for (size_t i = 0; i < item.choices.size(); ++i) {
    const std::string choice = style.choice_prefix + choice_text(style, item, i);
    Result<std::vector<int32_t>> whole = encode(model, style, with_text(*segments, choice));
    if (!whole) return fail(std::move(whole.error()));
    wholes.push_back(std::move(*whole));
    if (flags.mutual_info) {
      encoded.alone.context = {model.config().bos_id};
      encoded.alone.continuations.push_back(model.tokenizer()->encode(choice, SpecialTokens::kAsText));
    }
  }
  encoded.ids = share_context(*context, std::move(wholes));
  encoded.needed = encoded.ids.context.size() + encoded.ids.longest();
  return encoded;
}

// The beginning of a text: at most so many bytes of it, whole characters.
std::string_view beginning(std::string_view text, size_t bytes) {
  if (bytes >= text.size()) return text;
  while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

Result<Questions> read_questions(const AccuracyFlags& flags) {
  DatasetOptions options;
  options.fields = flags.fields;
  if (flags.format) options.format = parse_dataset_format(*flags.format);
  Questions questions;
  for (const std::string& path : flags.data) {
    Result<Dataset> data = read_dataset(path, options);
    if (!data) return fail(std::move(data.error()));
    const bool multiple_choice = data->multiple_choice();
    if (!questions.items.empty() &&
        (multiple_choice != questions.multiple_choice() || data->format != questions.format)) {
      return fail(ErrorCode::kUsage, path, "another kind of questions than in the files before",
                  "score the two kinds in runs of their own");
    }
    questions.format = data->format;
    if (flags.shuffle) shuffle(data->items, flags.seed);
    if (flags.limit) data->items.resize(std::min<size_t>(data->items.size(), *flags.limit));
    Result<std::vector<DatasetItem>> examples = read_examples(flags, path, options, multiple_choice);
    if (!examples) return fail(std::move(examples.error()));
    questions.files.push_back({path, questions.items.size(), data->items.size(), std::move(*examples)});
    std::move(data->items.begin(), data->items.end(), std::back_inserter(questions.items));
  }
  Result<void> kind = check_kind(flags, questions.multiple_choice());
  if (!kind) return fail(std::move(kind.error()));
  return questions;
}

Result<AskingStyle> asking_style(const Model& model, const AccuracyFlags& flags, const Questions& questions) {
  AskingStyle style;
  Result<PromptFormat> format = prompt_format(model, run_flags(flags, ""));
  if (!format) return fail(std::move(format.error()));
  style.format = std::move(*format);
  Result<PromptTemplate> prompt = prompt_template(flags, questions, style.format.chat);
  if (!prompt) return fail(std::move(prompt.error()));
  style.prompt = std::move(*prompt);
  const bool mmlu = questions.format == DatasetFormat::kMmlu;
  Result<PromptTemplate> header = PromptTemplate::parse(
      flags.header.value_or(
          mmlu ? "The following are multiple choice questions (with answers) about {group}.\n\n" : ""),
      "--header");
  if (!header) return fail(std::move(header.error()));
  style.header = std::move(*header);
  style.choice_prefix = flags.choice_prefix.value_or(style.format.chat ? "" : " ");
  style.letters = flags.score == "letters" || (flags.score == "auto" && style.prompt.uses("choices"));
  if (!questions.multiple_choice() && style.prompt.uses("choices")) {
    return fail(ErrorCode::kUsage, "--template", "asks for {choices}, and these questions have none");
  }
  if (questions.multiple_choice() && style.letters && !style.prompt.uses("choices")) {
    return fail(ErrorCode::kUsage, "--score",
                "letters say nothing where the template does not list the choices",
                "put {choices} into the template");
  }
  return style;
}

std::string choice_text(const AskingStyle& style, const DatasetItem& item, size_t i) {
  return style.letters ? choice_letter(i) : item.choices[i];
}

Result<EncodedItem> encode_item(const Model& model, const AskingStyle& style, const AccuracyFlags& flags,
                                const Questions::File& file, const DatasetItem& item, size_t room) {
  Result<EncodedItem> whole = encode_whole(model, style, flags, file, item);
  if (!whole || whole->needed <= room) return whole;
  const auto refuse = [&](size_t needed, std::string hint) {
    return fail(ErrorCode::kUsage, fmt::format("{}: question {}", file.path, in_quotes(item.id)),
                fmt::format("needs {} tokens with its answer, the context holds {}", needed, room),
                std::move(hint));
  };
  if (flags.too_long == "refuse") {
    return refuse(whole->needed, "take a larger --context, or --too-long cut");
  }
  // The longest beginning of the context that fits, by halving: more text never makes fewer tokens by more
  // than a joint, and what is kept is measured itself.
  size_t fits = 0, does_not = item.context.size();
  DatasetItem shorter = item;
  std::optional<EncodedItem> best;
  while (fits + 1 < does_not) {
    const size_t middle = fits + (does_not - fits) / 2;
    shorter.context = beginning(item.context, middle);
    if (shorter.context.empty()) break;
    Result<EncodedItem> tried = encode_whole(model, style, flags, file, shorter);
    if (!tried) return tried;
    if (tried->needed <= room) {
      fits = middle;
      tried->cut_characters = count_characters(item.context) - count_characters(shorter.context);
      best = std::move(*tried);
    } else {
      does_not = middle;
    }
  }
  if (!best)
    return refuse(whole->needed, "there is no {context} left to cut: fewer --few-shot, a larger --context");
  return std::move(*best);
}

}  // namespace gemma
