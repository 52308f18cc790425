// The line that `gemma-run pull` draws on a terminal while a model arrives:
//
//   model.safetensors   45 %   4.32 GB of 9.60 GB   35.2 MB/s   2 min 30 s left
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "loader/hub_pull.h"

namespace gemma {

class PullMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The line at this moment, at most `columns` wide, without an end. Nothing if the last one is younger than
  // a tenth of a second, unless the file or what is done to it has changed.
  std::optional<std::string> line(const PullProgress& progress, Time now, size_t columns);

  // Bytes per second over the last five seconds; nothing before there is anything to tell.
  std::optional<double> rate() const;

 private:
  struct Sample {
    Time time;
    uint64_t bytes;
  };
  std::deque<Sample> samples_;
  std::string file_;
  bool checking_ = false;
};

// "45 s", "2 min 30 s", "3 h 20 min"
std::string format_duration(double seconds);

}  // namespace gemma
