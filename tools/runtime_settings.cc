#include "tools/runtime_settings.h"

#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace gemma {
namespace {

struct Setting {
  const char* name;
  const char* value;
  const char* rival;  // another variable that says the same; null: none
};

constexpr std::array kSettings = {
    Setting{"GOMP_SPINCOUNT", "20000", "OMP_WAIT_POLICY"},  // some tens of microseconds
    Setting{"MIMALLOC_DECOMMIT_DELAY", "0", nullptr},
    Setting{"MIMALLOC_PURGE_DELAY", "0", nullptr},
};

// Tells the second start which settings are ours: a '1' for each of kSettings that is, else a '0'.
constexpr const char* kOurs = "GEMMA_RUNTIME_SETTINGS";

bool is_set(const char* name) {
  return name != nullptr && std::getenv(name) != nullptr;
}

void take_back(std::string_view ours) {
  for (size_t i = 0; i < kSettings.size() && i < ours.size(); ++i) {
    if (ours[i] == '1') unsetenv(kSettings[i].name);
  }
  unsetenv(kOurs);
}

// Of "ld.so program", /proc/self/exe is ld.so. The kernel loaded no interpreter then, though the program
// names one.
bool started_by_loader() {
  const auto names_interpreter = [](dl_phdr_info* program, size_t, void*) {
    for (int i = 0; i < program->dlpi_phnum; ++i) {
      if (program->dlpi_phdr[i].p_type == PT_INTERP) return 1;
    }
    return -1;  // the program comes first, and only it is asked
  };
  return getauxval(AT_BASE) == 0 && dl_iterate_phdr(names_interpreter, nullptr) == 1;
}

}  // namespace

void set_up_runtime(char** argv) {
  if (const char* ours = std::getenv(kOurs)) {
    // The second start: the settings have been read, and the children shall see what the user gave us.
    take_back(std::string(ours));
    return;
  }
  if (started_by_loader()) return;
  std::string ours;
  for (const Setting& setting : kSettings) {
    const bool missing = !is_set(setting.name) && !is_set(setting.rival);
    ours += missing && setenv(setting.name, setting.value, 1) == 0 ? '1' : '0';
  }
  if (ours.find('1') == std::string::npos) return;
  if (setenv(kOurs, ours.c_str(), 1) == 0) execv("/proc/self/exe", argv);
  take_back(ours);
}

}  // namespace gemma
