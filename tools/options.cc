#include "tools/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/options_nearest.h"
#include "tools/options_value.h"
#include "tools/terminal.h"
#include "tools/version.h"

namespace gemma {

namespace {

// A long option as written, split at the first '='; the name's underscores are dashes from here on.
struct LongForm {
  std::string name;
  std::optional<std::string_view> value;
};

LongForm split(std::string_view argument) {
  argument.remove_prefix(2);
  const size_t equals = argument.find('=');
  LongForm form{std::string(argument.substr(0, equals)), std::nullopt};
  if (equals != std::string_view::npos) form.value = argument.substr(equals + 1);
  std::replace(form.name.begin(), form.name.end(), '_', '-');
  return form;
}

bool is_long(std::string_view argument) {
  return argument.size() > 2 && argument.starts_with("--");
}
bool is_letters(std::string_view argument) {
  return argument.size() > 1 && argument[0] == '-' && argument[1] != '-';
}

}  // namespace

Options::Options(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)), groups_{"Options"} {
  add({.name = "help", .letter = 'h', .target = &help_, .help = "print this text and exit"});
  add({.name = "version", .target = &version_, .help = "print the version and exit"});
}

void Options::group(std::string title) {
  groups_.push_back(std::move(title));
}

void Options::add(Option option) {
  std::string default_text = option.default_text.empty() ? current_value(option) : option.default_text;
  entries_.push_back({std::move(option), groups_.size() - 1, std::move(default_text)});
}

void Options::positional(Positional positional) {
  positional_ = std::move(positional);
}

void Options::epilogue(std::string text) {
  epilogue_ = std::move(text);
}

Result<void> Options::check_table() const {
  std::vector<std::string> names = long_names();
  for (const Entry& entry : entries_) {
    if (entry.option.letter != 0) names.emplace_back(1, entry.option.letter);
    if (is_flag(entry.option)) names.push_back("no-" + entry.option.name);
  }
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin == names.end()) return {};
  return fail(ErrorCode::kInternal, program_, fmt::format("option '{}' is declared twice", *twin));
}

std::vector<std::string> Options::long_names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) {
    names.push_back(entry.option.name);
    names.insert(names.end(), entry.option.aliases.begin(), entry.option.aliases.end());
  }
  return names;
}

Options::Spelling Options::find_long(std::string_view name) const {
  for (const Entry& entry : entries_) {
    const auto& aliases = entry.option.aliases;
    if (name == entry.option.name || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) {
      return {&entry, false};
    }
    if (is_flag(entry.option) && name.starts_with("no-") && name.substr(3) == entry.option.name) {
      return {&entry, true};
    }
  }
  return {};
}

const Options::Entry* Options::find_letter(char letter) const {
  for (const Entry& entry : entries_) {
    if (letter != 0 && entry.option.letter == letter) return &entry;
  }
  return nullptr;
}

bool Options::spells_an_option(std::string_view argument) const {
  if (is_long(argument)) return find_long(split(argument).name).entry != nullptr;
  return is_letters(argument) && argument.size() == 2 && find_letter(argument[1]) != nullptr;
}

std::string Options::see_help() const {
  return fmt::format("see {} --help", program_);
}

Failure Options::unknown(std::string_view argument) const {
  std::string hint = see_help();
  if (is_long(argument)) {
    const std::string candidate = nearest(split(argument).name, long_names());
    if (!candidate.empty()) hint = fmt::format("did you mean --{}?", candidate);
    argument = argument.substr(0, argument.find('='));
  } else if (find_long(split(fmt::format("-{}", argument)).name).entry != nullptr) {
    hint = fmt::format("did you mean -{}?", argument);
  }
  return fail(ErrorCode::kUsage, {}, fmt::format("unknown option {}", quote(argument)), std::move(hint));
}

Result<Options::Outcome> Options::parse(std::span<const char* const> arguments) {
  if (Result<void> sound = check_table(); !sound) return fail(sound.error());
  given_.clear();
  help_ = version_ = false;
  bool options_ended = false;
  for (size_t index = 0; index < arguments.size(); ++index) {
    const std::string_view argument = arguments[index];
    Result<void> taken;
    if (options_ended || argument == "-" || !argument.starts_with('-')) {
      taken = take_plain(argument);
    } else if (argument == "--") {
      options_ended = true;
    } else if (is_long(argument)) {
      taken = take_long(arguments, index);
    } else {
      taken = take_letters(arguments, index);
    }
    if (!taken) return fail(taken.error());
    if (help_) return Outcome::kHelp;
    if (version_) return Outcome::kVersion;
  }
  if (positional_ && positional_->required && !given_.contains(positional_->name)) {
    return fail(ErrorCode::kUsage, {}, fmt::format("{} is missing", positional_->name), see_help());
  }
  return Outcome::kRun;
}

Result<void> Options::take_plain(std::string_view argument) {
  if (positional_) {
    const bool first = given_.insert(positional_->name).second;
    if (auto* const* list = std::get_if<std::vector<std::string>*>(&positional_->target)) {
      if (first) (*list)->clear();
      (*list)->emplace_back(argument);
      return {};
    }
    if (first) {
      *std::get<std::optional<std::string>*>(positional_->target) = std::string(argument);
      return {};
    }
  }
  return fail(ErrorCode::kUsage, {}, fmt::format("unexpected argument {}", quote(argument)), see_help());
}

Result<void> Options::take_long(std::span<const char* const> arguments, size_t& index) {
  const std::string_view argument = arguments[index];
  const LongForm form = split(argument);
  const auto [entry, negated] = find_long(form.name);
  if (entry == nullptr) return unknown(argument);
  const std::string spelled = "--" + form.name;
  if (negated) {
    if (!form.value) return store(*entry, spelled, "false");
    return fail(ErrorCode::kUsage, spelled, fmt::format("takes no value, found {}", quote(*form.value)));
  }
  if (form.value) return store(*entry, spelled, *form.value);
  if (is_flag(entry->option)) return store(*entry, spelled, "true");
  return take_next(*entry, spelled, arguments, index);
}

Result<void> Options::take_letters(std::span<const char* const> arguments, size_t& index) {
  const std::string_view argument = arguments[index];
  // "-prompt" is a long option with a dash too few rather than -p with the value "rompt".
  if (argument.size() > 2 && find_long(split(fmt::format("-{}", argument)).name).entry != nullptr) {
    return unknown(argument);
  }
  for (size_t at = 1; at < argument.size(); ++at) {
    const Entry* entry = find_letter(argument[at]);
    if (entry == nullptr) return unknown(argument);
    const std::string spelled = {'-', argument[at]};
    std::string_view rest = argument.substr(at + 1);
    if (is_flag(entry->option) && !rest.starts_with('=')) {
      if (Result<void> stored = store(*entry, spelled, "true"); !stored) return stored;
      continue;
    }
    if (rest.empty()) return take_next(*entry, spelled, arguments, index);
    if (rest.starts_with('=')) rest.remove_prefix(1);
    return store(*entry, spelled, rest);
  }
  return {};
}

Result<void> Options::take_next(const Entry& entry, std::string_view spelled,
                                std::span<const char* const> arguments, size_t& index) {
  const std::string expected = fmt::format("a value is missing, expected {}", expectation(entry.option));
  if (index + 1 == arguments.size()) return fail(ErrorCode::kUsage, std::string(spelled), expected);
  const std::string_view next = arguments[index + 1];
  if (spells_an_option(next)) {
    return fail(ErrorCode::kUsage, std::string(spelled), expected,
                fmt::format("if {} is the value, write {}={}", quote(next), spelled, next));
  }
  ++index;
  return store(entry, spelled, next);
}

Result<void> Options::store(const Entry& entry, std::string_view spelled, std::string_view text) {
  if (Result<void> stored = store_value(entry.option, spelled, text); !stored) return stored;
  given_.insert(entry.option.name);
  return {};
}

std::optional<ExitCode> Options::handle(int argc, const char* const* argv) {
  const size_t count = argc > 1 ? static_cast<size_t>(argc) - 1 : 0;
  const Result<Outcome> outcome = parse(std::span(argv + (argc > 0 ? 1 : 0), count));
  if (!outcome) return report(program_, outcome.error());
  switch (*outcome) {
    case Outcome::kRun:
      return std::nullopt;
    case Outcome::kHelp:
      return print(program_, help(terminal_columns(kStdout)));
    case Outcome::kVersion:
      return print(program_, fmt::format("{} {}\n", program_, version()));
  }
  return ExitCode::kInternal;
}

}  // namespace gemma
