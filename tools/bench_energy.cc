#include "tools/bench_energy.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace gemma {
namespace {

std::optional<uint64_t> read_count(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

}  // namespace

EnergyMeter::EnergyMeter(const std::string& root) {
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(root, unreadable)) {
    // "intel-rapl:0" is a package (on AMD too); "intel-rapl:0:0" a part of it that it already counts.
    std::ifstream file(entry.path() / "name");
    std::string name;
    if (!(file >> name) || name.rfind("package", 0) != 0) continue;
    const std::string path = (entry.path() / "energy_uj").string();
    const std::optional<uint64_t> now = read_count(path);
    if (!now) continue;  // readable by root only
    packages_.push_back(
        {path, *now, read_count((entry.path() / "max_energy_range_uj").string()).value_or(0)});
  }
}

std::optional<double> EnergyMeter::take() {
  if (packages_.empty()) return std::nullopt;
  double joules = 0;
  for (Package& package : packages_) {
    const std::optional<uint64_t> now = read_count(package.path);
    if (!now) return std::nullopt;
    const uint64_t wrapped = *now < package.last ? package.range : 0;
    joules += static_cast<double>(*now + wrapped - package.last) * 1e-6;
    package.last = *now;
  }
  return joules;
}

}  // namespace gemma
