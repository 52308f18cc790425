// Programs with commands: "gemma-eval inspect --model M" is the program's command `inspect` and its
// arguments.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/exit_code.h"

namespace gemma {

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, lower-case, no full stop
  // Receives the arguments from the command's own name on (argv[0] is the name).
  ExitCode (*run)(int argc, const char* const* argv);
};

// Runs the command that argv[1] names. --help (or help) prints the list to stdout, --version the version; an
// unknown or missing command is an error that suggests the nearest.
ExitCode run_command(std::string_view program, std::string_view summary, std::span<const Command> commands,
                     int argc, const char* const* argv);

// The list of commands, as --help prints it.
std::string command_help(std::string_view program, std::string_view summary,
                         std::span<const Command> commands);

}  // namespace gemma
