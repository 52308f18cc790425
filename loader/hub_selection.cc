#include "loader/hub_selection.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include <fmt/format.h>
#include <fnmatch.h>

#include "loader/format_bytes.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr std::array<std::string_view, 7> kSmallFiles = {"README.md",
                                                         "chat_template.jinja",
                                                         "config.json",
                                                         "generation_config.json",
                                                         "processor_config.json",
                                                         "tokenizer.json",
                                                         "tokenizer_config.json"};
constexpr size_t kMostListed = 20;

bool matches(const HubFile& file, const char* pattern) {
  return ::fnmatch(pattern, file.name.c_str(), 0) == 0;
}

bool is_small(const HubFile& file) {
  return std::find(kSmallFiles.begin(), kSmallFiles.end(), file.name) != kSmallFiles.end();
}

bool at_top(const HubFile& file) {
  return file.name.find('/') == std::string::npos;
}

// The projector of images beside a GGUF is no model.
bool is_gguf_model(const HubFile& file) {
  return at_top(file) && matches(file, "*.gguf") && !matches(file, "*mmproj*");
}

using Files = std::vector<HubFile>;

Files those(const HubListing& listing, const std::function<bool(const HubFile&)>& wanted) {
  Files out;
  std::copy_if(listing.files.begin(), listing.files.end(), std::back_inserter(out), wanted);
  return out;
}

// "a.gguf" (2.3 GB), "b.gguf" (5.0 GB)
std::string listed(const Files& files) {
  std::string out;
  for (size_t i = 0; i < std::min(files.size(), kMostListed); ++i) {
    out +=
        fmt::format("{}{} ({})", i == 0 ? "" : ", ", in_quotes(files[i].name), format_bytes(files[i].bytes));
  }
  return files.size() <= kMostListed ? out : out + fmt::format(" and {} more", files.size() - kMostListed);
}

Files safetensors(const HubListing& listing) {
  Files found = those(listing, [](const HubFile& file) {
    return file.name == "model.safetensors.index.json" ||
           (at_top(file) && matches(file, "model-*-of-*.safetensors"));
  });
  const bool sharded = std::any_of(found.begin(), found.end(), [](const HubFile& file) {
    return file.name == "model.safetensors.index.json";
  });
  if (sharded && found.size() > 1) return found;
  found = those(listing, [](const HubFile& file) { return file.name == "model.safetensors"; });
  if (!found.empty()) return found;
  return those(listing, [](const HubFile& file) { return at_top(file) && matches(file, "*.safetensors"); });
}

Result<Files> weights(const HubListing& listing, const std::string& where) {
  Files found = safetensors(listing);
  if (!found.empty()) return found;
  found = those(listing, is_gguf_model);
  if (found.size() == 1) return found;
  if (found.empty()) {
    return fail(ErrorCode::kNotFound, where, "no weights in the top folder: neither .safetensors nor .gguf",
                "name others with --include PATTERN");
  }
  return fail(ErrorCode::kUsage, where, "several models in one place: " + listed(found),
              "choose with --include PATTERN");
}

}  // namespace

Result<Files> select_files(const HubListing& listing, std::span<const std::string> include,
                           const std::string& where) {
  Files chosen;
  if (include.empty()) {
    Result<Files> found = weights(listing, where);
    if (!found) return fail(std::move(found.error()));
    chosen = std::move(*found);
  }
  for (const std::string& pattern : include) {
    const Files found = those(listing, [&](const HubFile& file) { return matches(file, pattern.c_str()); });
    if (found.empty()) {
      return fail(ErrorCode::kNotFound, where,
                  fmt::format("no file matches {}; there are {}", in_quotes(pattern), listed(listing.files)));
    }
    chosen.insert(chosen.end(), found.begin(), found.end());
  }
  const Files small = those(listing, is_small);
  chosen.insert(chosen.end(), small.begin(), small.end());
  std::sort(chosen.begin(), chosen.end(), [](const HubFile& a, const HubFile& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.name < b.name;
  });
  // What two patterns match is fetched once.
  chosen.erase(std::unique(chosen.begin(), chosen.end(),
                           [](const HubFile& a, const HubFile& b) { return a.name == b.name; }),
               chosen.end());
  return chosen;
}

}  // namespace gemma
