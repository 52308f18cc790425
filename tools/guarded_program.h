// What every program does around its work, so that all of them end alike.
#pragma once

#include <functional>

#include "tools/exit_code.h"

namespace gemma {

// Sets up what must be set before anything else (runtime_settings.h; no memory, a mapped file that shrank, a
// closed pipe: each ends the program with a line and a code of exit_code.h), runs `body` and returns its code
// for main() to return. What a library throws is reported as an error of ours.
int guarded_program(const char* name, char** argv, const std::function<ExitCode()>& body);

}  // namespace gemma
