// The energy meter on made-up counters.
#include "tools/bench_energy.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "program.h"

using gemma::EnergyMeter;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;

namespace {

void package(const TemporaryFolder& root, const std::string& name, const std::string& kind,
             uint64_t microjoules) {
  std::filesystem::create_directories(root.file(name));
  write_file(root.file(name + "/name"), kind + "\n");
  write_file(root.file(name + "/energy_uj"), std::to_string(microjoules) + "\n");
  write_file(root.file(name + "/max_energy_range_uj"), "10000000\n");
}

}  // namespace

TEST_CASE("packages are added up, their parts not counted again") {
  const TemporaryFolder root;
  package(root, "intel-rapl:0", "package-0", 1'000'000);
  package(root, "intel-rapl:0:0", "core", 1'000'000);
  package(root, "intel-rapl:1", "package-1", 5'000'000);
  EnergyMeter meter(root.file(""));
  REQUIRE(meter.available());
  package(root, "intel-rapl:0", "package-0", 1'500'000);
  package(root, "intel-rapl:0:0", "core", 9'000'000);
  package(root, "intel-rapl:1", "package-1", 5'250'000);
  CHECK(meter.take().value() == doctest::Approx(0.75));
  CHECK(meter.take().value() == 0);
}

TEST_CASE("a counter that starts again at 0 is put right") {
  const TemporaryFolder root;
  package(root, "intel-rapl:0", "package-0", 9'500'000);
  EnergyMeter meter(root.file(""));
  package(root, "intel-rapl:0", "package-0", 250'000);
  CHECK(meter.take().value() == doctest::Approx(0.75));
}

TEST_CASE("no counters: no figure, and no error") {
  EnergyMeter meter("/no/such/folder");
  CHECK(!meter.available());
  CHECK(!meter.take());
}
