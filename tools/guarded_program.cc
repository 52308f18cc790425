#include "tools/guarded_program.h"

#include <exception>

#include "tools/out_of_memory.h"
#include "tools/runtime_settings.h"
#include "tools/terminal.h"

namespace gemma {

int guarded_program(const char* name, char** argv, const std::function<ExitCode()>& body) {
  set_up_runtime(argv);
  report_truncated_mapping(name);
  report_out_of_memory(name);
  ignore_broken_pipe();
  try {
    return static_cast<int>(body());
  } catch (const std::exception& error) {
    return static_cast<int>(report(name, Error{ErrorCode::kInternal, {}, error.what(), {}}));
  }
}

}  // namespace gemma
