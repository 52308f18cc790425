#include "tools/mmap_option.h"

namespace gemma {

void add_mmap_option(Options& options, std::optional<std::string>& word) {
  options.add({.name = "mmap",
               .target = &word,
               .words = {"auto", "on", "off"},
               .value = "WHEN",
               .default_text = "auto: on if a copy takes more than half of the available memory",
               .help =
                   "read weights in the mapped file, which processes share, instead of a copy on huge pages, "
                   "which is faster"});
}

std::optional<Placement> placement_of(const std::optional<std::string>& word) {
  if (!word || *word == "auto") return std::nullopt;
  return *word == "on" ? Placement::kMapped : Placement::kCopied;
}

}  // namespace gemma
