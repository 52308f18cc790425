// One line on a terminal that tells how far a long measurement is and how long it will take. Silent where
// stderr is no terminal.
//
//   ProgressBar bar;
//   bar.show(3, 10, "perplexity 10.84");  //  30 % [######              ] 3/10, 0:07 left, perplexity 10.84
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemma {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Redraws at most ten times a second, and at the end. The time left is that of the steps since the first
  // call.
  void show(uint64_t done, uint64_t total, std::string_view note);
  void clear();  // takes the line away

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool drawn_ = false;
  bool begun_ = false;
  uint64_t first_done_ = 0;
  Clock::time_point first_, last_;
};

// The line itself, at most `columns` wide; a negative `seconds_left` is not shown.
std::string progress_line(uint64_t done, uint64_t total, double seconds_left, std::string_view note,
                          size_t columns);

// "0:07", "12:00", "3:05:09".
std::string clock_text(double seconds);

}  // namespace gemma
