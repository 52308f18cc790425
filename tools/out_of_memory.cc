#include "tools/out_of_memory.h"

#include <cerrno>
#include <new>

#include <unistd.h>

#include "tools/exit_code.h"
#include "tools/terminal.h"

// mimalloc aborts where operator new should call the handler, but tells this one first. Weak: builds with a
// sanitizer have no mimalloc.
extern "C" __attribute__((weak)) void mi_register_error(void (*handler)(int error, void* argument),
                                                        void* argument);

namespace gemma {
namespace {

std::string_view program_name;

[[noreturn]] void end() {
  // No allocation here, hence no formatting.
  for (const std::string_view text :
       {program_name, std::string_view(": out of memory (take a smaller model, scheme or context)\n")}) {
    [[maybe_unused]] const ssize_t written = ::write(kStderr, text.data(), text.size());
  }
  ::_exit(static_cast<int>(ExitCode::kResource));
}

}  // namespace

void report_out_of_memory(std::string_view program) {
  program_name = program;
  std::set_new_handler(end);
  if (mi_register_error == nullptr) return;
  mi_register_error(
      [](int error, void*) {
        if (error == ENOMEM) end();
      },
      nullptr);
}

}  // namespace gemma
