// Energy the processor packages have used, as RAPL counts it (/sys/class/powercap): Intel and AMD machines,
// where the kernel lets the user read it. Source: the kernel's power capping framework documentation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

class EnergyMeter {
 public:
  // Finds the packages below `root`; none is no error.
  explicit EnergyMeter(const std::string& root = "/sys/class/powercap");

  bool available() const { return !packages_.empty(); }

  // Joules since the call before (or since the meter was made), all packages. Nothing where there is no
  // meter. Counters that wrapped around once in between are put right; they take a minute or more to wrap.
  std::optional<double> take();

 private:
  struct Package {
    std::string path;
    uint64_t last = 0;   // microjoules
    uint64_t range = 0;  // where the counter starts again at 0
  };
  std::vector<Package> packages_;
};

}  // namespace gemma
