#include "loader/hub.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/gguf_checkpoint.h"
#include "loader/hub_cache.h"
#include "loader/hub_id.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

// The commit that refs/<revision> names. What stands in that file becomes part of a path.
Result<std::string> resolve(const HubRepository& repository, const HubId& id) {
  std::error_code error;
  const fs::path ref = repository.ref(id.revision);
  if (fs::exists(ref, error)) {
    Result<std::string> text = read_text(ref.string(), 256);
    if (!text) return fail(text.error());
    const size_t end = text->find_last_not_of(" \r\n");
    text->resize(end == text->npos ? 0 : end + 1);
    if (!text->empty() && std::all_of(text->begin(), text->end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        })) {
      return *text;
    }
    return fail(ErrorCode::kInvalidFile, ref.string(),
                "expected a commit hash, found " + in_quotes(*text, 60), id.pull_command());
  }
  // A commit given as such has no ref.
  if (fs::is_directory(repository.snapshot(id.revision), error)) return id.revision;
  return fail(ErrorCode::kNotFound, id.id(), fmt::format("revision {} is not in the cache", id.revision),
              id.pull_command());
}

// The folder, if it holds a checkpoint; else its .gguf file; empty if it holds neither.
Result<std::string> find_in_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return std::string();
  const bool config = fs::exists(folder / "config.json", error);
  const bool weights = fs::exists(folder / "model.safetensors", error) ||
                       fs::exists(folder / "model.safetensors.index.json", error);
  if (config && weights) return folder.string();
  Result<std::string> gguf = find_gguf(folder.string());
  if (!gguf || !gguf->empty()) return gguf;
  return config ? folder.string() : std::string();
}

Result<std::string> find_in_cache(const HubId& id) {
  const std::optional<fs::path> cache = hub_cache_folder();
  if (!cache) {
    return fail(ErrorCode::kNotFound, id.id(), "there is no cache to look in: HOME is not set",
                "set HF_HOME, or give the model's folder");
  }
  std::error_code error;
  const HubRepository repository(*cache, id);
  if (!fs::is_directory(repository.folder, error)) {
    return fail(ErrorCode::kNotFound, id.id(), "not in the cache " + cache->string(), id.pull_command());
  }
  Result<std::string> commit = resolve(repository, id);
  if (!commit) return fail(commit.error());
  const fs::path snapshot = repository.snapshot(*commit);
  Result<std::string> found = find_in_folder(snapshot);
  if (found && found->empty()) {
    return fail(ErrorCode::kNotFound, id.id(),
                "the download is incomplete: no config.json in " + snapshot.string(), id.pull_command());
  }
  return found;
}

}  // namespace

Result<std::string> find_model(const std::string& model) {
  if (model.empty()) {
    return fail(ErrorCode::kUsage, {}, "no model named",
                "give a folder or a hub id such as google/gemma-4-E2B-it");
  }
  std::error_code error;
  const fs::file_status status = fs::status(model, error);
  if (fs::is_directory(status)) {
    Result<std::string> found = find_in_folder(model);
    if (!found || !found->empty()) return found;
    return fail(ErrorCode::kNotFound, model, "the folder holds no config.json",
                "a model folder holds config.json, model.safetensors (or shards and their index) and "
                "tokenizer.json, or one .gguf file");
  }
  if (fs::exists(status)) {
    if (is_gguf_path(model)) return model;
    return fail(ErrorCode::kUsage, model, "expected a model's folder or a .gguf file, found another file",
                "give the folder that holds it");
  }
  if (const std::optional<HubId> id = parse_hub_id(model)) return find_in_cache(*id);
  return fail(ErrorCode::kNotFound, in_quotes(model),
              "no such folder, and no hub id (owner/name or owner/name@revision)",
              "check the path; to fetch a model: gemma-run pull google/gemma-4-E2B-it");
}

}  // namespace gemma
