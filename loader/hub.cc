#include "loader/hub.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/gguf_checkpoint.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

struct HubId {
  std::string owner, name;
  std::string revision = "main";

  std::string id() const { return owner + "/" + name; }
  // The command that brings the model here.
  std::string download() const {
    return "hf download " + id() + (revision == "main" ? "" : " --revision " + revision);
  }
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

// The hub's own rule for each half of an id. It also keeps ids from leaving the cache folder.
bool is_hub_word(std::string_view word) {
  return !word.empty() && word.size() <= 96 && std::all_of(word.begin(), word.end(), is_word) &&
         word.front() != '-' && word.front() != '.' && word.back() != '-' && word.back() != '.' &&
         word.find("..") == word.npos && word.find("--") == word.npos;
}

// A branch, tag, commit or "refs/pr/7".
bool is_revision(std::string_view revision) {
  if (revision.empty() || revision.size() > 200 || revision.front() == '-') return false;
  for (size_t start = 0; start <= revision.size();) {
    const size_t end = std::min(revision.find('/', start), revision.size());
    const std::string_view part = revision.substr(start, end - start);
    if (part.empty() || part.front() == '.' || !std::all_of(part.begin(), part.end(), is_word)) return false;
    start = end + 1;
  }
  return true;
}

std::optional<HubId> parse_id(std::string_view model) {
  HubId id;
  if (const size_t at = model.find('@'); at != model.npos) {
    id.revision = model.substr(at + 1);
    model = model.substr(0, at);
    if (!is_revision(id.revision)) return std::nullopt;
  }
  const size_t slash = model.find('/');
  if (slash == model.npos) return std::nullopt;
  id.owner = model.substr(0, slash);
  id.name = model.substr(slash + 1);
  if (!is_hub_word(id.owner) || !is_hub_word(id.name)) return std::nullopt;
  return id;
}

// The variable's value with "~/" resolved; nothing if unset or empty.
std::optional<fs::path> path_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const char* home = std::getenv("HOME");
  if (std::string_view(value).starts_with("~/") && home != nullptr) return fs::path(home) / (value + 2);
  return fs::path(value);
}

std::optional<fs::path> cache_folder() {
  if (auto path = path_variable("HF_HUB_CACHE")) return path;
  if (auto path = path_variable("HF_HOME")) return *path / "hub";
  if (auto path = path_variable("XDG_CACHE_HOME")) return *path / "huggingface" / "hub";
  if (auto path = path_variable("HOME")) return *path / ".cache" / "huggingface" / "hub";
  return std::nullopt;
}

// The commit that refs/<revision> names. What stands in that file becomes part of a path.
Result<std::string> resolve(const fs::path& repository, const HubId& id) {
  std::error_code error;
  const fs::path ref = repository / "refs" / id.revision;
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
                "expected a commit hash, found " + in_quotes(*text, 60), id.download());
  }
  // A commit given as such has no ref.
  if (fs::is_directory(repository / "snapshots" / id.revision, error)) return id.revision;
  return fail(ErrorCode::kNotFound, id.id(), fmt::format("revision {} is not in the cache", id.revision),
              id.download());
}

// The folder, if it holds a checkpoint; else its .gguf file; empty if it holds neither.
Result<std::string> find_in_folder(const fs::path& folder) {
  std::error_code error;
  const bool config = fs::exists(folder / "config.json", error);
  const bool weights = fs::exists(folder / "model.safetensors", error) ||
                       fs::exists(folder / "model.safetensors.index.json", error);
  if (config && weights) return folder.string();
  Result<std::string> gguf = find_gguf(folder.string());
  if (!gguf || !gguf->empty()) return gguf;
  return config ? folder.string() : std::string();
}

Result<std::string> find_in_cache(const HubId& id) {
  const std::optional<fs::path> cache = cache_folder();
  if (!cache) {
    return fail(ErrorCode::kNotFound, id.id(), "there is no cache to look in: HOME is not set",
                "set HF_HOME, or give the model's folder");
  }
  std::error_code error;
  const fs::path repository = *cache / ("models--" + id.owner + "--" + id.name);
  if (!fs::is_directory(repository, error)) {
    return fail(ErrorCode::kNotFound, id.id(), "not in the cache " + cache->string(), id.download());
  }
  Result<std::string> commit = resolve(repository, id);
  if (!commit) return fail(commit.error());
  const fs::path snapshot = repository / "snapshots" / *commit;
  Result<std::string> found = find_in_folder(snapshot);
  if (found && found->empty()) {
    return fail(ErrorCode::kNotFound, id.id(),
                "the download is incomplete: no config.json in " + snapshot.string(), id.download());
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
  if (const std::optional<HubId> id = parse_id(model)) return find_in_cache(*id);
  return fail(ErrorCode::kNotFound, in_quotes(model),
              "no such folder, and no hub id (owner/name or owner/name@revision)",
              "check the path; to fetch a model: hf download google/gemma-4-E2B-it");
}

}  // namespace gemma
