#include "tools/bench_alternate.h"

#include <sys/wait.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <regex>

#include <fmt/format.h>

#include "tools/bench_document.h"

namespace gemma {
namespace {

constexpr uint64_t kSeed = 1;  // of the bootstrap: the same samples give the same interval
constexpr size_t kMostOutput = size_t{64} << 20;
constexpr size_t kLongestLine = 1024;  // std::regex recurses with the length of what it matches

Failure no_figure(const std::string& where, const std::string& what) {
  return fail(ErrorCode::kMismatch, where, what, "run the command alone and look at what it prints");
}

Result<double> positive(double value, const std::string& where) {
  if (std::isfinite(value) && value > 0) return value;
  return no_figure(where, fmt::format("expected a figure above 0, found {}", value));
}

Result<double> figure_at_pointer(const std::string& output, const std::string& pointer) {
  std::optional<nlohmann::json::json_pointer> path;
  try {
    path.emplace(pointer);
  } catch (const nlohmann::json::exception&) {
    return fail(ErrorCode::kUsage, pointer, "is no JSON pointer");
  }
  // Programs print of their graphics cards and warnings first: JSON begins with a line that does.
  for (size_t begin = 0; begin < output.size();) {
    if (output[begin] == '{' || output[begin] == '[') {
      const nlohmann::json json =
          nlohmann::json::parse(output.begin() + static_cast<ptrdiff_t>(begin), output.end(), nullptr, false);
      if (!json.is_discarded()) {
        if (!json.contains(*path)) return no_figure(pointer, "is not in the output's JSON");
        const nlohmann::json& value = json.at(*path);
        if (!value.is_number()) return no_figure(pointer, "is no number in the output's JSON");
        return positive(value.get<double>(), pointer);
      }
    }
    const size_t end = output.find('\n', begin);
    begin = end == std::string::npos ? output.size() : end + 1;
  }
  return no_figure(pointer, "the output holds no JSON");
}

Result<double> figure_matched(const std::string& output, const std::string& expression) {
  try {
    const std::regex pattern(expression);
    if (pattern.mark_count() != 1) {
      return fail(ErrorCode::kUsage, expression, "expected a regular expression with one group");
    }
    for (size_t begin = 0; begin < output.size();) {
      const size_t end = std::min(output.find('\n', begin), output.size());
      const std::string line = output.substr(begin, std::min(end - begin, kLongestLine));
      begin = end + 1;
      std::smatch match;
      if (!std::regex_search(line, match, pattern)) continue;
      const std::string text = match[1];
      double value = 0;
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || stop != text.data() + text.size()) {
        return no_figure(expression, fmt::format("the group is \"{}\", no number", text));
      }
      return positive(value, expression);
    }
  } catch (const std::regex_error& error) {
    return fail(ErrorCode::kUsage, expression, fmt::format("is no regular expression: {}", error.what()));
  }
  return no_figure(expression, "matches no line of the output");
}

Result<std::string> output_of(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), nullptr);
  if (pipe == nullptr) return fail(ErrorCode::kIo, command, "cannot be started");
  std::string output;
  char block[4096];
  for (size_t n; (n = std::fread(block, 1, sizeof(block), pipe.get())) > 0;) {
    if (output.size() < kMostOutput) output.append(block, n);
  }
  const int status = ::pclose(pipe.release());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(ErrorCode::kIo, command,
                WIFEXITED(status) ? fmt::format("exited with {}", WEXITSTATUS(status)) : "was killed");
  }
  return output;
}

std::string samples_text(const std::vector<double>& samples) {
  const Summary s = summarize(samples);
  return fmt::format("{:.4g} ({:.4g} to {:.4g})", s.p50, s.min, s.max);
}

}  // namespace

Result<double> figure_in(const std::string& output, const std::string& where) {
  return where.starts_with('/') ? figure_at_pointer(output, where) : figure_matched(output, where);
}

RatioEstimate AlternateFigure::ratio() const {
  return ratio_of_medians(a, b, kSeed);
}

Result<std::vector<AlternateFigure>> alternate(const AlternateSide& a, const AlternateSide& b,
                                               const AlternateSettings& settings,
                                               const std::function<void(const std::string&)>& progress) {
  if (a.figures.empty() || a.figures.size() != b.figures.size()) {
    return fail(ErrorCode::kUsage, "figures",
                fmt::format("expected as many of the first program as of the second, found {} and {}",
                            a.figures.size(), b.figures.size()));
  }
  std::vector<AlternateFigure> figures;
  for (size_t i = 0; i < a.figures.size(); ++i) figures.push_back({a.figures[i], b.figures[i], {}, {}});
  for (size_t pair = 0; pair < settings.warmup + settings.runs; ++pair) {
    const bool recorded = pair >= settings.warmup;
    for (const bool first : {true, false}) {
      const bool runs_a = first == (pair % 2 == 0);  // A B, B A, A B, ...
      const AlternateSide& side = runs_a ? a : b;
      if (progress) {
        progress(recorded ? fmt::format("pair {} of {}", pair - settings.warmup + 1, settings.runs)
                          : "warming up");
      }
      Result<std::string> output = output_of(side.command);
      if (!output) return fail(std::move(output.error()));
      for (size_t i = 0; i < figures.size(); ++i) {
        Result<double> figure = figure_in(*output, side.figures[i]);
        if (!figure) return fail(std::move(figure.error()));
        if (recorded) (runs_a ? figures[i].a : figures[i].b).push_back(*figure);
      }
    }
  }
  return figures;
}

std::string alternate_table(const AlternateSide& a, const AlternateSide& b,
                            const std::vector<AlternateFigure>& figures) {
  std::string text = fmt::format("a  {}\nb  {}\n", a.command, b.command);
  for (const AlternateFigure& figure : figures) {
    const RatioEstimate ratio = figure.ratio();
    text += fmt::format(
        "\n{}{}\n  a      {}\n  b      {}\n  b / a  {:.4f}, 95 % interval {:.4f} to {:.4f}, n = {}\n",
        figure.a_where, figure.a_where == figure.b_where ? "" : " and " + figure.b_where,
        samples_text(figure.a), samples_text(figure.b), ratio.ratio, ratio.low, ratio.high, figure.a.size());
  }
  return text + "\nmedian (least to most); the ratio is of medians\n";
}

nlohmann::ordered_json alternate_json(const AlternateSide& a, const AlternateSide& b,
                                      const std::vector<AlternateFigure>& figures) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const AlternateFigure& figure : figures) {
    const RatioEstimate ratio = figure.ratio();
    nlohmann::ordered_json one = {{"a", figure.a_where}, {"b", figure.b_where}, {"n", figure.a.size()}};
    one["median_a"] = summarize(figure.a).p50;
    one["median_b"] = summarize(figure.b).p50;
    one["ratio"] = ratio.ratio;
    // One run tells nothing of the spread, and JSON has no infinity.
    one["low"] = std::isfinite(ratio.high) ? nlohmann::ordered_json(ratio.low) : nullptr;
    one["high"] = std::isfinite(ratio.high) ? nlohmann::ordered_json(ratio.high) : nullptr;
    one["samples_a"] = figure.a;
    one["samples_b"] = figure.b;
    all.push_back(std::move(one));
  }
  return {{"schema", kBenchSchema}, {"a", a.command}, {"b", b.command}, {"figures", std::move(all)}};
}

}  // namespace gemma
