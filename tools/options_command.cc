#include "tools/options_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tools/options_nearest.h"
#include "tools/options_value.h"
#include "tools/terminal.h"
#include "tools/version.h"

namespace gemma {

std::string command_help(std::string_view program, std::string_view summary,
                         std::span<const Command> commands) {
  size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  std::string out = fmt::format("{}\n\nUsage: {} COMMAND [options]\n\nCommands:\n", summary, program);
  for (const Command& command : commands) {
    out += fmt::format("  {:<{}}  {}\n", command.name, width, command.summary);
  }
  return out + fmt::format("\n{} COMMAND --help lists a command's options.\n", program);
}

ExitCode run_command(std::string_view program, std::string_view summary, std::span<const Command> commands,
                     int argc, const char* const* argv) {
  const std::string see_help = fmt::format("see {} --help", program);
  if (argc < 2) return report(program, Error{ErrorCode::kUsage, {}, "a command is missing", see_help});
  const std::string_view name = argv[1];
  for (const Command& command : commands) {
    if (command.name == name) return command.run(argc - 1, argv + 1);
  }
  if (name == "--help" || name == "-h" || name == "help") {
    return print(program, command_help(program, summary, commands));
  }
  if (name == "--version") return print(program, fmt::format("{} {}\n", program, version()));
  std::vector<std::string> names;
  for (const Command& command : commands) names.emplace_back(command.name);
  const std::string candidate = nearest(name, names);
  return report(program, Error{ErrorCode::kUsage,
                               {},
                               fmt::format("unknown command {}", quote(name)),
                               candidate.empty() ? see_help : fmt::format("did you mean {}?", candidate)});
}

}  // namespace gemma
