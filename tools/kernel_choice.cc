#include "tools/kernel_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/kernel_registry.h"
#include "tools/options_nearest.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (kernels::Isa isa : kernels::all_isas()) names.emplace_back(kernels::to_string(isa));
  return names;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<void> check_kernel(const std::string& where, const std::string& name) {
  std::vector<std::string> known;
  for (const kernels::KernelVariant& variant : kernels::kernel_variants()) {
    known.push_back(variant.name());
    if (known.back() != name) continue;
    if (variant.supported) return {};
    return fail(ErrorCode::kUsage, where, fmt::format("this CPU cannot run {}", name),
                fmt::format("the best it has is {}", kernels::to_string(kernels::supported_isas().front())));
  }
  const std::string candidate = nearest(name, known);
  return fail(ErrorCode::kUsage, where, fmt::format("unknown kernel \"{}\"", name),
              candidate.empty()
                  ? "--list-kernels prints all of them"
                  : fmt::format("did you mean {}? --list-kernels prints all of them", candidate));
}

}  // namespace

void add_kernel_options(Options& options, KernelFlags& flags) {
  options.add({.name = "isa",
               .target = &flags.isa,
               .words = isa_names(),
               .value = "ISA",
               .default_text = "GEMMA_ISA, else the best of this CPU",
               .help = "instruction set of the kernels"});
  options.add({.name = "kernel",
               .target = &flags.kernels,
               .value = "NAME",
               .default_text = "GEMMA_KERNEL, else those of the instruction set",
               .help = "kernel to take for its operation, such as int4_group32/avx2; may be repeated, or "
                       "several with commas between"});
  options.add({.name = "list-kernels",
               .target = &flags.list,
               .help = "print every kernel, what this CPU can run and what would be called, and exit"});
}

Result<void> choose_kernels(const KernelFlags& flags, ModelOptions& options) {
  const std::string isa_variable = environment("GEMMA_ISA");
  if (flags.isa || !isa_variable.empty()) {
    const std::string& name = flags.isa ? *flags.isa : isa_variable;
    options.isa = kernels::parse_isa(name);
    if (!options.isa) {
      return fail(ErrorCode::kUsage, flags.isa ? "--isa" : "GEMMA_ISA",
                  fmt::format("unknown instruction set \"{}\"", name),
                  fmt::format("expected one of {}", fmt::join(isa_names(), ", ")));
    }
  }
  options.kernels.clear();
  const std::string kernel_variable = environment("GEMMA_KERNEL");
  const bool given = !flags.kernels.empty();
  for (const std::string& names : given ? flags.kernels : std::vector<std::string>{kernel_variable}) {
    for (const std::string& name : split(names)) {
      Result<void> known = check_kernel(given ? "--kernel" : "GEMMA_KERNEL", name);
      if (!known) return known;
      options.kernels.push_back(name);
    }
  }
  return {};
}

Result<std::string> list_kernels(const KernelFlags& flags) {
  ModelOptions options;
  if (Result<void> chosen = choose_kernels(flags, options); !chosen) return fail(chosen.error());
  const Result<kernels::KernelTable> table = kernel_table_of(options);
  if (!table) return fail(table.error());
  const std::vector<kernels::KernelVariant> called = kernels::chosen_variants(*table);
  std::string text;
  for (const kernels::KernelVariant& variant : kernels::kernel_variants()) {
    const bool is_called = std::find(called.begin(), called.end(), variant) != called.end();
    const std::string_view state = is_called ? "chosen" : variant.supported ? "supported" : "not on this CPU";
    text += fmt::format("{:<36} {}\n", variant.name(), state);
  }
  return text;
}

std::optional<ExitCode> handle_kernel_list(std::string_view program, const KernelFlags& flags) {
  if (!flags.list) return std::nullopt;
  const Result<std::string> text = list_kernels(flags);
  if (!text) return report(program, text.error());
  return print(program, *text);
}

}  // namespace gemma
