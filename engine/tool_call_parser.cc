#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "engine/chat_text.h"
#include "engine/tool_call.h"

namespace gemma {
namespace {

// Stands for one <|"|> token while a call is parsed. The byte 0xFF occurs in no UTF-8 text, so a quote that
// is spelled in ordinary letters cannot pass for the token.
constexpr char kQuote = '\xFF';

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
bool is_punctuation(char c) {
  return c == ',' || c == ':' || c == '{' || c == '}' || c == '[' || c == ']';
}

// Recursive descent over the flattened call; depth is bounded by kMaxJsonDepth.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<ToolCall> call() {
    constexpr std::string_view kPrefix = "call:";
    skip_blanks();
    if (!text_.substr(at_).starts_with(kPrefix)) return error("expected \"call:\"");
    at_ += kPrefix.size();
    const std::string_view name = bare_word();
    if (name.empty()) return error("expected the name of a tool");
    if (peek() != '{') return error("expected '{' after the name");
    Result<Json> arguments = map(1);
    if (!arguments) return fail(arguments.error());
    skip_blanks();
    if (at_ != text_.size()) return error("expected the end of the call");
    return ToolCall{{}, std::string(name), std::move(*arguments)};
  }

 private:
  Failure error(std::string_view expected) const {
    std::string found = "the end";
    if (at_ < text_.size())
      found = text_[at_] == kQuote ? "a quote" : fmt::format("'{}'", printable(text_[at_]));
    return fail(ErrorCode::kInvalidFile, fmt::format("tool call, byte {}", at_),
                fmt::format("{}, found {}", expected, found));
  }

  static std::string printable(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7F ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }

  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  // The next character that is not blank; 0 at the end.
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view bare_word() {
    skip_blanks();
    const size_t begin = at_;
    while (at_ < text_.size() && !is_punctuation(text_[at_]) && text_[at_] != kQuote) ++at_;
    return strip(text_.substr(begin, at_ - begin));
  }

  Result<std::string> quoted() {
    ++at_;
    const size_t end = text_.find(kQuote, at_);
    if (end == std::string_view::npos) {
      at_ = text_.size();
      return error("expected a closing quote");
    }
    const size_t begin = std::exchange(at_, end + 1);
    return std::string(text_.substr(begin, end - begin));
  }

  Result<std::string> key() {
    if (peek() == kQuote) return quoted();
    const std::string_view word = bare_word();
    if (word.empty()) return error("expected a key");
    return std::string(word);
  }

  Result<Json> map(size_t depth) {
    ++at_;
    Json object = Json::object();
    if (accept('}')) return Result<Json>(std::move(object));
    do {
      if (object.size() == kMaxJsonMembers)
        return error(fmt::format("expected at most {} members", kMaxJsonMembers));
      Result<std::string> name = key();
      if (!name) return fail(name.error());
      if (!accept(':')) return error("expected ':'");
      Result<Json> member_value = value(depth + 1);
      if (!member_value) return fail(member_value.error());
      object[*name] = std::move(*member_value);
    } while (accept(','));
    if (!accept('}')) return error("expected ',' or '}'");
    return Result<Json>(std::move(object));
  }

  Result<Json> list(size_t depth) {
    ++at_;
    Json array = Json::array();
    if (accept(']')) return Result<Json>(std::move(array));
    do {
      Result<Json> item = value(depth + 1);
      if (!item) return fail(item.error());
      array.push_back(std::move(*item));
    } while (accept(','));
    if (!accept(']')) return error("expected ',' or ']'");
    return Result<Json>(std::move(array));
  }

  Result<Json> value(size_t depth) {
    if (depth > kMaxJsonDepth) return error(fmt::format("expected at most {} levels", kMaxJsonDepth));
    switch (peek()) {
      case '{':
        return map(depth);
      case '[':
        return list(depth);
      case kQuote: {
        Result<std::string> text = quoted();
        if (!text) return fail(text.error());
        return Result<Json>(Json(std::move(*text)));
      }
      default:
        return word();
    }
  }

  Result<Json> word() {
    skip_blanks();
    const size_t begin = at_;
    const std::string_view text = bare_word();
    if (text == "true" || text == "false") return Result<Json>(Json(text == "true"));
    if (text == "null") return Result<Json>(Json(nullptr));
    if (std::optional<Json> found = number(text)) return Result<Json>(std::move(*found));
    at_ = begin;
    return error("expected a value");
  }

  // An integer that fits 64 bits, else a finite floating-point number.
  static std::optional<Json> number(std::string_view text) {
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const size_t first_digit = text.starts_with('-') ? 1 : 0;
    if (text.size() == first_digit || text[first_digit] < '0' || text[first_digit] > '9') return std::nullopt;
    int64_t integer = 0;
    if (const auto read = std::from_chars(begin, end, integer); read.ec == std::errc() && read.ptr == end) {
      return Json(integer);
    }
    uint64_t large = 0;
    if (const auto read = std::from_chars(begin, end, large); read.ec == std::errc() && read.ptr == end) {
      return Json(large);
    }
    double real = 0;
    if (const auto read = std::from_chars(begin, end, real); read.ec == std::errc() && read.ptr == end) {
      return Json(real);
    }
    return std::nullopt;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<ToolCall> parse_tool_call(std::span<const Segment> call) {
  std::string flat;
  for (const Segment& segment : call) {
    if (segment.is_control && segment.text == marker::kQuote) {
      flat += kQuote;
    } else if (segment.is_control) {
      return fail(ErrorCode::kInvalidFile, "tool call", fmt::format("unexpected marker {}", segment.text));
    } else if (segment.text.find(kQuote) != std::string::npos) {
      return fail(ErrorCode::kInvalidFile, "tool call", "invalid UTF-8");
    } else {
      flat += segment.text;
    }
  }
  return Parser(flat).call();
}

Result<ToolCall> parse_tool_call(std::string_view call) {
  return parse_tool_call(split_markers(call));
}

}  // namespace gemma
