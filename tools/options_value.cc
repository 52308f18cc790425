#include "tools/options_value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <type_traits>

#include "tools/options_nearest.h"

namespace gemma {

namespace {

template <typename T>
struct ValueOf {
  using type = T;
};
template <typename T>
struct ValueOf<std::optional<T>> {
  using type = T;
};

// The type of one value of a target: T for T*, std::optional<T>*; the list itself for a list.
template <typename Target>
using Value = typename ValueOf<std::remove_pointer_t<Target>>::type;

// Calls `f` with a default value of the type behind the option's target: one branch for T and optional<T>.
template <typename F>
auto with_type(const Option& option, F f) {
  return std::visit([&](auto* target) { return f(Value<decltype(target)>{}); }, option.target);
}

// All of the text as a T, or nothing. from_chars knows neither locale nor a leading '+'.
template <typename T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool in_range(const OptionRange& range, double value) {
  return (range.above_min ? value > range.min : value >= range.min) && value <= range.max;
}

template <typename T>
std::optional<T> read(const Option& option, std::string_view text) {
  if constexpr (std::is_same_v<T, bool>) {
    if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "0" || text == "no" || text == "off") return false;
    return std::nullopt;
  } else if constexpr (std::is_same_v<T, double>) {
    const std::optional<double> value = number<double>(text);
    if (!value) return std::nullopt;
    if (!std::isfinite(*value) && !option.non_finite) return std::nullopt;
    if (!std::isnan(*value) && !in_range(option.range, *value)) return std::nullopt;
    return value;
  } else if constexpr (std::is_arithmetic_v<T>) {
    const std::optional<T> value = number<T>(text);
    if (!value || !in_range(option.range, static_cast<double>(*value))) return std::nullopt;
    return value;
  } else {
    if (option.words.empty()) return std::string(text);
    for (const std::string& word : option.words) {
      if (word == text) return word;
    }
    return std::nullopt;
  }
}

// Arguments come from anywhere: an error repeats at most this much of one.
constexpr size_t kLongestQuote = 80;

}  // namespace

std::string quote(std::string_view text) {
  std::string shown(text.substr(0, kLongestQuote));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';
  }
  return fmt::format("'{}{}'", shown, shown.size() < text.size() ? "..." : "");
}

bool is_flag(const Option& option) {
  return with_type(option, [](auto value) { return std::is_same_v<decltype(value), bool>; });
}

Result<void> store_value(const Option& option, std::string_view spelled, std::string_view text) {
  const bool stored = std::visit(
      [&](auto* target) {
        using T = Value<decltype(target)>;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::optional<std::string> value = read<std::string>(option, text);
          if (!value) return false;
          target->push_back(*std::move(value));
        } else {
          std::optional<T> value = read<T>(option, text);
          if (!value) return false;
          *target = *std::move(value);
        }
        return true;
      },
      option.target);
  if (stored) return {};
  const std::string word = nearest(text, option.words);
  return fail(ErrorCode::kUsage, std::string(spelled),
              fmt::format("expected {}, found {}", expectation(option), quote(text)),
              word.empty() ? "" : fmt::format("did you mean {}?", word));
}

std::string expectation(const Option& option) {
  if (!option.words.empty()) return fmt::format("one of {}", fmt::join(option.words, ", "));
  std::string kind = with_type(option, [](auto value) -> std::string {
    using T = decltype(value);
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, double>) return "a number";
    if constexpr (std::is_arithmetic_v<T>) return "a whole number";
    return "a text";
  });
  const auto [min, max, above_min] = option.range;
  const bool natural =
      with_type(option, [](auto value) { return std::is_same_v<decltype(value), uint64_t>; });
  const bool has_min = std::isfinite(min) || natural;
  const double low = std::isfinite(min) ? min : 0;
  if (has_min && std::isfinite(max)) {
    return fmt::format("{} {} {} to {}", kind, above_min ? "above" : "from", low, max);
  }
  if (has_min && above_min) return fmt::format("{} above {}", kind, low);
  if (has_min) return fmt::format("{} from {} on", kind, low);
  if (std::isfinite(max)) return fmt::format("{} of at most {}", kind, max);
  return kind;
}

std::string range_text(const Option& option) {
  if (!option.words.empty()) return fmt::format("{}", fmt::join(option.words, " | "));
  const auto [min, max, above_min] = option.range;
  if (std::isfinite(min) && std::isfinite(max)) {
    return above_min ? fmt::format("> {}, <= {}", min, max) : fmt::format("{} .. {}", min, max);
  }
  if (std::isfinite(min)) return fmt::format("{} {}", above_min ? ">" : ">=", min);
  if (std::isfinite(max)) return fmt::format("<= {}", max);
  return {};
}

std::string current_value(const Option& option) {
  return std::visit(
      [](auto* target) -> std::string {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return *target;
        } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
          return fmt::format("{}", *target);
        } else {
          return {};
        }
      },
      option.target);
}

std::string value_name(const Option& option) {
  if (!option.value.empty()) return option.value;
  return with_type(option, [](auto value) -> std::string {
    using T = decltype(value);
    if constexpr (std::is_same_v<T, double>) return "X";
    if constexpr (std::is_arithmetic_v<T>) return "N";
    return "TEXT";
  });
}

}  // namespace gemma
