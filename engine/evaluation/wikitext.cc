#include "engine/evaluation/wikitext.h"

#include <algorithm>
#include <utility>

#include "engine/chat_text.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

// What Python's \s matches in a str.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = std::min(text.find(from, at), text.size());
    out += text.substr(at, found - at);
    if (found == text.size()) return out;
    out += to;
    at = found + from.size();
  }
}

// re.sub(r"/' [0-9]/", r"/'[0-9]/", text): the replacement is the class itself, spelled out.
std::string replace_quote_digit(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.size() >= 5 && rest.starts_with("/' ") && rest[3] >= '0' && rest[3] <= '9' && rest[4] == '/') {
      out += "/'[0-9]/";
      at += 5;
    } else {
      out += text[at++];
    }
  }
  return out;
}

// re.sub(r"OPEN\s*([^CLOSE]*?)\s*CLOSE", OPEN + r"\1" + CLOSE, text), for one-byte marks.
std::string tighten(std::string_view text, char open, char close) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t begin = std::min(text.find(open, at), text.size());
    const size_t end = begin == text.size() ? text.npos : text.find(close, begin + 1);
    if (end == text.npos) return out += text.substr(at);
    out += text.substr(at, begin + 1 - at);
    out += strip(text.substr(begin + 1, end - begin - 1));
    out += close;
    at = end + 1;
  }
}

bool is_title(std::string_view line) {
  const std::string joined = replace_all(replace_all(line, "= = =", "==="), "= =", "==");
  const std::string_view stripped = strip(joined);
  return stripped.starts_with("= ") && stripped.ends_with(" =");
}

}  // namespace

std::vector<std::string> wikitext_rows(std::string_view file) {
  std::vector<std::string> rows;
  while (!file.empty()) {
    const size_t size = std::min(file.find('\n'), file.size() - 1) + 1;
    const std::string_view row = file.substr(0, size);
    rows.emplace_back(strip(row).empty() ? std::string_view() : row);
    file.remove_prefix(size);
  }
  return rows;
}

std::vector<std::string> wikitext_pages(std::string_view file) {
  std::vector<std::string> pages;
  std::string page;
  bool first = true;
  for (size_t at = 0; at <= file.size();) {
    const size_t end = std::min(file.find('\n', at), file.size());
    const std::string_view line = file.substr(at, end - at);
    if (is_title(line)) {
      if (!strip(page).empty()) pages.push_back(page);
      page.clear();
      first = true;
    }
    if (!first) page += '\n';
    page += line;
    first = false;
    at = end + 1;
  }
  pages.push_back(page);
  return pages;
}

std::string wikitext_detokenize(std::string_view page) {
  constexpr std::pair<std::string_view, std::string_view> kNumbersAndPunctuation[] = {
      {" @-@ ", "-"}, {" @,@ ", ","}, {" @.@ ", "."}, {" : ", ": "}, {" ; ", "; "},
      {" . ", ". "},  {" ! ", "! "},  {" ? ", "? "},  {" , ", ", "}};
  constexpr std::pair<char, char> kMarks[] = {{'(', ')'}, {'[', ']'}, {'{', '}'}, {'"', '"'}, {'\'', '\''}};
  constexpr std::pair<std::string_view, std::string_view> kRest[] = {
      {"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="},  {" \xc2\xb0 ", "\xc2\xb0"},
      {" \n", "\n"},       {"\n ", "\n"},    {" N ", " 1 "}, {" 's", "'s"}};
  std::string text = replace_quote_digit(replace_all(page, "s '", "s'"));
  for (const auto& [from, to] : kNumbersAndPunctuation) text = replace_all(text, from, to);
  for (const auto& [open, close] : kMarks) text = tighten(text, open, close);
  for (const auto& [from, to] : kRest) text = replace_all(text, from, to);
  return text;
}

uint64_t count_words(std::string_view text) {
  uint64_t words = 1;
  bool inside_space = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Scalar scalar = utf8_scalar(text, at);
    const bool space = scalar.valid && is_space(scalar.value);
    words += space && !inside_space;
    inside_space = space;
    at += scalar.size;
  }
  return words;
}

}  // namespace gemma
