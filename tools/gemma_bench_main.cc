// gemma-bench: how fast a model is on this machine, and whether two measurements or programs differ.
// Options: tools/bench_options.cc.
#include <string_view>

#include "tools/bench_commands.h"
#include "tools/out_of_memory.h"
#include "tools/runtime_settings.h"
#include "tools/terminal.h"

int main(int argc, char** argv) {
  using namespace gemma;
  set_up_runtime(argv);
  report_truncated_mapping("gemma-bench");
  report_out_of_memory("gemma-bench");
  ignore_broken_pipe();
  const std::string_view command = argc > 1 ? argv[1] : "";
  const ExitCode code = command == "compare"     ? bench_compare(argc - 1, argv + 1)
                        : command == "alternate" ? bench_alternate(argc - 1, argv + 1)
                                                 : bench_measure(argc, argv);
  return static_cast<int>(code);
}
