// One line on a terminal that says how far a long piece of work is: share, rate and the time that is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gemma {

class ProgressLine {
 public:
  // `verb` says what happens ("packing"). Nothing is shown if stderr is no terminal or `quiet` is set.
  ProgressLine(std::string verb, bool quiet);
  ~ProgressLine();

  // `done` of `total` units; `bytes_per_unit` turns them into the rate that is shown.
  void show(uint64_t done, uint64_t total, double bytes_per_unit);

 private:
  std::string verb_;
  bool visible_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point begin_, last_;
};

// "12 s", "3:05 min", "1:02:09 h".
std::string duration_text(double seconds);

}  // namespace gemma
