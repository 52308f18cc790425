// The text of --help, made from the table that also parses.
#include <fmt/format.h>

#include <algorithm>

#include "tools/options.h"
#include "tools/options_value.h"

namespace gemma {

namespace {

constexpr size_t kNarrowest = 20;        // below this, wrapping makes nothing readable
constexpr size_t kWidest = 100;          // longer lines are hard to follow with the eye
constexpr size_t kTwoColumnsFrom = 64;   // narrower terminals get descriptions under the options
constexpr size_t kDescriptionAt = 30;    // first column of descriptions, where they stand beside
constexpr size_t kDescriptionUnder = 6;  // and where they stand under

// Appends `text` broken at spaces into lines of at most `columns`, from the second line on indented by
// `indent`; `at` is the column where the first word goes. A word longer than a line stays whole.
void append_wrapped(std::string& out, std::string_view text, size_t columns, size_t indent, size_t at) {
  bool line_is_empty = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.empty()) continue;
    if (!line_is_empty && at + 1 + word.size() > columns) {
      out += '\n';
      out.append(indent, ' ');
      at = indent;
      line_is_empty = true;
    }
    if (!line_is_empty) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
    line_is_empty = false;
  }
  out += '\n';
}

// "  -n, --max-new-tokens N"; "      --seed N" where there is no letter, so that long names align.
std::string left_side(const Option& option) {
  std::string text = option.letter != 0 ? fmt::format("  -{}, ", option.letter) : std::string(6, ' ');
  text += "--" + option.name;
  if (!is_flag(option)) text += " " + value_name(option);
  return text;
}

// What it does, then what may be given: "... [default 1024 tokens; 1 .. 4096]".
std::string right_side(const Option& option, const std::string& default_text) {
  std::vector<std::string> notes;
  if (!default_text.empty()) {
    const bool needs_unit = !option.unit.empty() && option.default_text.empty();
    notes.push_back(
        fmt::format("default {}{}{}", default_text, needs_unit ? " " : "", needs_unit ? option.unit : ""));
  } else if (!option.unit.empty()) {
    notes.push_back("in " + option.unit);
  }
  if (std::string range = range_text(option); !range.empty()) notes.push_back(std::move(range));
  if (notes.empty()) return option.help;
  return fmt::format("{} [{}]", option.help, fmt::join(notes, "; "));
}

void append_entry(std::string& out, std::string_view left, std::string_view right, size_t columns) {
  out += left;
  const bool beside = columns >= kTwoColumnsFrom;
  const size_t indent = beside ? kDescriptionAt : kDescriptionUnder;
  if (beside && left.size() + 2 <= indent) {
    out.append(indent - left.size(), ' ');
  } else {
    out += '\n';
    out.append(indent, ' ');
  }
  append_wrapped(out, right, columns, indent, indent);
}

}  // namespace

std::string Options::help(size_t columns) const {
  columns = std::clamp(columns, kNarrowest, kWidest);
  std::string out;
  append_wrapped(out, summary_, columns, 0, 0);
  std::string usage = fmt::format("Usage: {} [options]", program_);
  if (positional_) {
    const bool many = std::holds_alternative<std::vector<std::string>*>(positional_->target);
    const std::string name = positional_->name + (many ? "..." : "");
    usage += positional_->required ? " " + name : fmt::format(" [{}]", name);
  }
  out += '\n';
  append_wrapped(out, usage, columns, 2, 0);
  if (positional_) {
    out += '\n';
    append_entry(out, "  " + positional_->name, positional_->help, columns);
  }
  // The first group holds --help and --version: it goes last.
  for (size_t n = 1; n <= groups_.size(); ++n) {
    const size_t group = n % groups_.size();
    const auto in_group = [&](const Entry& entry) { return entry.group == group; };
    if (std::none_of(entries_.begin(), entries_.end(), in_group)) continue;
    out += fmt::format("\n{}:\n", groups_.size() > 1 && group == 0 ? "Other" : groups_[group]);
    for (const Entry& entry : entries_) {
      if (in_group(entry)) {
        append_entry(out, left_side(entry.option), right_side(entry.option, entry.default_text), columns);
      }
    }
  }
  if (!epilogue_.empty()) out += "\n" + epilogue_ + (epilogue_.ends_with('\n') ? "" : "\n");
  return out;
}

}  // namespace gemma
