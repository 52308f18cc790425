#include "tools/pull_progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "loader/format_bytes.h"

namespace gemma {
namespace {

constexpr std::chrono::milliseconds kBetweenLines{100};
constexpr std::chrono::seconds kWindow{5};
constexpr double kShortestWindow = 0.5;  // seconds; below, a rate is noise

// A file name fit for a terminal: it comes from the network.
std::string shown(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return name;
}

}  // namespace

std::string format_duration(double seconds) {
  // A day is as good as never, and fits the types below.
  const auto whole = static_cast<int64_t>(std::clamp(seconds + 0.5, 0.0, 8.64e6));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::optional<double> PullMeter::rate() const {
  if (samples_.size() < 2) return std::nullopt;
  const Sample &first = samples_.front(), &last = samples_.back();
  const double seconds = std::chrono::duration<double>(last.time - first.time).count();
  if (seconds < kShortestWindow || last.bytes <= first.bytes) return std::nullopt;
  return static_cast<double>(last.bytes - first.bytes) / seconds;
}

std::optional<std::string> PullMeter::line(const PullProgress& progress, Time now, size_t columns) {
  const bool same = progress.file == file_ && progress.checking == checking_;
  if (same && !samples_.empty() && now - samples_.back().time < kBetweenLines) return std::nullopt;
  // What is read from the disk says nothing of the network.
  if (progress.checking != checking_) samples_.clear();
  file_ = progress.file;
  checking_ = progress.checking;
  samples_.push_back({now, progress.bytes});
  while (samples_.size() > 2 && now - samples_.front().time > kWindow) samples_.pop_front();

  const double share = progress.total_bytes == 0
                           ? 1
                           : static_cast<double>(progress.bytes) / static_cast<double>(progress.total_bytes);
  std::string line = fmt::format("{}   {:.0f} %   {} of {}", shown(progress.file), 100 * share,
                                 format_bytes(progress.bytes), format_bytes(progress.total_bytes));
  if (progress.checking) {
    line += "   checking what is here";
  } else if (const std::optional<double> rate = this->rate()) {
    const auto left =
        static_cast<double>(progress.total_bytes - std::min(progress.bytes, progress.total_bytes));
    line += fmt::format("   {}/s   {} left", format_bytes(static_cast<uint64_t>(*rate)),
                        format_duration(left / *rate));
  }
  return line.substr(0, columns);
}

}  // namespace gemma
