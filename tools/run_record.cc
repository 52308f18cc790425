#include "tools/run_record.h"

#include <chrono>
#include <ctime>

#include "tools/bench_document.h"
#include "tools/bench_machine.h"
#include "tools/version.h"

namespace gemma {

std::string command_line(std::string_view program, int argc, const char* const* argv) {
  std::string command(program);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.front() != '#' &&
                       word.find_first_of(" \t\n'\"\\$&|;<>()*?[]~`!{}") == word.npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += " " + (plain ? word : quoted + "'");
  }
  return command;
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

void add_run_record(nlohmann::ordered_json& document, std::string_view program, int argc,
                    const char* const* argv) {
  document["version"] = version();
  document["command"] = command_line(program, argc, argv);
  document["date"] = utc_now();
  document["machine"] = to_json(machine());
}

}  // namespace gemma
