#include "tools/kv_type_option.h"

#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "tools/options_value.h"

namespace gemma {
namespace {

std::vector<std::string> words() {
  std::vector<std::string> all;
  for (const kernels::KvType type : kernels::all_kv_types()) all.emplace_back(kernels::to_string(type));
  return all;
}

}  // namespace

void add_kv_type_option(Options& options, OptionTarget word) {
  options.add({.name = "kv-type",
               .target = word,
               .words = words(),
               .value = "TYPE",
               .default_text = "f32 under f32 and fake schemes, else f16",
               .help = "type of the stored keys and values; int8 keeps a scale with every one"});
}

Result<std::optional<kernels::KvType>> kv_type_of(std::string_view word) {
  if (word.empty()) return std::optional<kernels::KvType>();
  if (const std::optional<kernels::KvType> type = kernels::parse_kv_type(word)) return type;
  return fail(ErrorCode::kUsage, "--kv-type",
              fmt::format("expected one of {}, found {}", fmt::join(words(), ", "), quote(word)));
}

}  // namespace gemma
