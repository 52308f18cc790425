#include "tools/shipped_model.h"

#include <fmt/format.h>

#include <string>
#include <system_error>
#include <vector>

namespace gemma {

namespace {

constexpr int kFoldersUp = 4;

}  // namespace

Result<std::filesystem::path> shipped_model(std::string_view name) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(ErrorCode::kIo, "/proc/self/exe", error.message(), "give a model with --model");
  return shipped_model(name, program.parent_path());
}

Result<std::filesystem::path> shipped_model(std::string_view name, const std::filesystem::path& beside) {
  std::vector<std::filesystem::path> candidates = {beside.parent_path() / "share" / "gemma-run" / "models" /
                                                   name};
  std::filesystem::path folder = beside;
  for (int up = 0; up < kFoldersUp; ++up) {
    folder = folder.parent_path();
    candidates.push_back(folder / "models" / name);
  }
  std::string tried;
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate / "config.json", error)) return candidate;
    tried += (tried.empty() ? "" : ", ") + candidate.string();
  }
  return fail(ErrorCode::kNotFound, fmt::format("the shipped model {}", name), "expected in one of " + tried,
              "give a model with --model");
}

}  // namespace gemma
