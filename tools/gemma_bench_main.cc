// gemma-bench: how fast a model is on this machine, and whether two measurements or programs differ.
// Options: tools/bench_options.cc.
#include <string_view>

#include "tools/bench_commands.h"
#include "tools/guarded_program.h"

int main(int argc, char** argv) {
  using namespace gemma;
  return guarded_program("gemma-bench", argv, [&] {
    const std::string_view command = argc > 1 ? argv[1] : "";
    return command == "compare"     ? bench_compare(argc - 1, argv + 1)
           : command == "alternate" ? bench_alternate(argc - 1, argv + 1)
                                    : bench_measure(argc, argv);
  });
}
