#include "tools/progress_bar.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/terminal.h"

namespace gemma {

ProgressBar::ProgressBar() : terminal_(is_terminal(kStderr)) {}

void ProgressBar::show(uint64_t done, uint64_t total, std::string_view note) {
  if (!terminal_) return;
  const Clock::time_point now = Clock::now();
  if (!begun_) {
    begun_ = true;
    first_ = now;
    first_done_ = done;
  } else if (done < total && now - last_ < std::chrono::milliseconds(100)) {
    return;
  }
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - first_).count();
  const double left = done > first_done_ ? seconds / static_cast<double>(done - first_done_) *
                                               static_cast<double>(total - done)
                                         : -1;
  (void)write_text(kStderr,
                   "\r\x1b[K" + progress_line(done, total, left, note, terminal_columns(kStderr) - 1));
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) (void)write_text(kStderr, "\r\x1b[K");
  drawn_ = false;
}

std::string progress_line(uint64_t done, uint64_t total, double seconds_left, std::string_view note,
                          size_t columns) {
  constexpr size_t kWidth = 20;
  const size_t filled = total == 0 ? kWidth : static_cast<size_t>(std::min(done, total) * kWidth / total);
  std::string line =
      fmt::format("{:3} % [{}{}] {}/{}", total == 0 ? 100 : std::min(done, total) * 100 / total,
                  std::string(filled, '#'), std::string(kWidth - filled, ' '), done, total);
  if (seconds_left >= 0) line += fmt::format(", {} left", clock_text(seconds_left));
  if (!note.empty()) line += fmt::format(", {}", note);
  if (line.size() > columns) line.resize(columns);
  return line;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<uint64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  const uint64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

}  // namespace gemma
