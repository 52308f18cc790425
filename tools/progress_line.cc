#include "tools/progress_line.h"

#include <fmt/format.h>

#include "engine/buffer.h"
#include "tools/terminal.h"

namespace gemma {

std::string duration_text(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

ProgressLine::ProgressLine(std::string verb, bool quiet)
    : verb_(std::move(verb)),
      visible_(!quiet && is_terminal(kStderr)),
      begin_(std::chrono::steady_clock::now()),
      last_(begin_) {}

ProgressLine::~ProgressLine() {
  if (shown_) write_text(kStderr, fmt::format("\r{:70}\r", ""));
}

void ProgressLine::show(uint64_t done, uint64_t total, double bytes_per_unit) {
  const auto now = std::chrono::steady_clock::now();
  constexpr auto kInterval = std::chrono::milliseconds(200);
  if (!visible_ || total == 0 || done == 0 || (shown_ && now - last_ < kInterval)) return;
  last_ = now;
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double rate = static_cast<double>(done) * bytes_per_unit / seconds;
  const std::string line =
      fmt::format("{} {:3.0f} %  {}/s  {} left", verb_, 100 * share,
                  format_bytes(static_cast<uint64_t>(rate)), duration_text(seconds / share - seconds));
  write_text(kStderr, fmt::format("\r{:<70}", line));
}

}  // namespace gemma
