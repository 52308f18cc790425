// The options that choose kernels, the same in every program that computes: --isa takes a whole table,
// --kernel replaces single ones of it, --list-kernels prints what there is. The environment's GEMMA_ISA and
// GEMMA_KERNEL count where the option is not given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "loader/result.h"
#include "tools/options.h"

namespace gemma {

struct KernelFlags {
  std::optional<std::string> isa;
  std::vector<std::string> kernels;  // "OPERATION/ISA", or several with commas between
  bool list = false;
};

void add_kernel_options(Options& options, KernelFlags& flags);

// Fills `isa` and `kernels` of the model's options. kUsage: a name that nobody has, with the nearest one, or
// of an instruction set that this CPU lacks.
Result<void> choose_kernels(const KernelFlags& flags, ModelOptions& options);

// The text of --list-kernels: a line a kernel, its name, whether this CPU can run it and whether it would be
// called. Errors of choose_kernels.
Result<std::string> list_kernels(const KernelFlags& flags);

// Prints that to stdout, or the error to stderr; nothing means: --list-kernels was not given.
std::optional<ExitCode> handle_kernel_list(std::string_view program, const KernelFlags& flags);

}  // namespace gemma
