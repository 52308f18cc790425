#include "tools/pull_progress.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMegabyte = 1'000'000;

PullProgress at(uint64_t bytes, const std::string& file = "model.safetensors") {
  return {.file = file, .bytes = bytes, .total_bytes = 1'000 * kMegabyte};
}

TEST_CASE("the line tells file, share, bytes, rate and what is left") {
  PullMeter meter;
  const PullMeter::Time start{};
  CHECK(meter.line(at(0), start, 100) == "model.safetensors   0 %   0 bytes of 1.00 GB");
  CHECK(meter.line(at(100 * kMegabyte), start + seconds(2), 100) ==
        "model.safetensors   10 %   100.0 MB of 1.00 GB   50.0 MB/s   18 s left");
}

TEST_CASE("what an earlier run left does not count for the rate") {
  PullMeter meter;
  const PullMeter::Time start{};
  meter.line(at(500 * kMegabyte), start, 100);
  meter.line(at(510 * kMegabyte), start + seconds(1), 100);
  CHECK(meter.rate() == doctest::Approx(10e6));
}

TEST_CASE("reading the earlier part again is no download") {
  PullMeter meter;
  const PullMeter::Time start{};
  PullProgress checking = at(0);
  checking.checking = true;
  meter.line(checking, start, 100);
  checking.bytes = 500 * kMegabyte;
  CHECK(meter.line(checking, start + seconds(1), 100) ==
        "model.safetensors   50 %   500.0 MB of 1.00 GB   checking what is here");
  meter.line(at(501 * kMegabyte), start + seconds(2), 100);
  CHECK_FALSE(meter.rate());
}

TEST_CASE("the rate is that of the last seconds") {
  PullMeter meter;
  const PullMeter::Time start{};
  meter.line(at(0), start, 100);
  for (int second = 1; second <= 20; ++second) {
    meter.line(at(100 * kMegabyte + kMegabyte * second), start + seconds(second), 100);
  }
  CHECK(meter.rate() == doctest::Approx(1e6));
}

TEST_CASE("a line is drawn ten times a second at most, and at once for another file") {
  PullMeter meter;
  const PullMeter::Time start{};
  CHECK(meter.line(at(1), start, 100));
  CHECK_FALSE(meter.line(at(2), start + milliseconds(99), 100));
  CHECK(meter.line(at(3, "config.json"), start + milliseconds(99), 100));
  CHECK(meter.line(at(4, "config.json"), start + milliseconds(199), 100));
}

TEST_CASE("a narrow terminal cuts the line, and a hostile name cannot send it anything") {
  PullMeter meter;
  CHECK(meter.line(at(0, "a\xc2\x9b\x1b[2J"), {}, 10) == "a???[2J   ");
}

TEST_CASE("durations in the two units that matter") {
  CHECK(format_duration(0.2) == "0 s");
  CHECK(format_duration(59.4) == "59 s");
  CHECK(format_duration(150) == "2 min 30 s");
  CHECK(format_duration(12'000) == "3 h 20 min");
  CHECK(format_duration(1e300) == "2400 h 0 min");
}

}  // namespace
}  // namespace gemma
