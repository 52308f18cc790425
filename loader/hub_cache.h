// The Hugging Face cache on disk, in the layout that Python's huggingface_hub reads and writes too:
//
//   models--owner--name/blobs/HASH               content; HASH is the SHA-256 of large files (git-lfs), git's
//                                                SHA-1 of small ones
//   models--owner--name/blobs/HASH.incomplete    as far as a download came
//   models--owner--name/snapshots/COMMIT/FILE    a relative link to the blob
//   models--owner--name/refs/REVISION            the commit that a branch or tag stood at
//   .locks/models--owner--name/HASH.lock         held with flock while the blob is written
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "loader/hub_id.h"
#include "loader/result.h"

namespace gemma {

// $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
// Nothing if none of them nor HOME is set.
std::optional<std::filesystem::path> hub_cache_folder();

// Where huggingface_hub keeps its own files, the user's token among them: $HF_HOME and so on, without "hub".
std::optional<std::filesystem::path> hub_home_folder();

// The variable's value with "~/" resolved; nothing if it is unset or empty.
std::optional<std::filesystem::path> path_variable(const char* name);

// The paths of one model in the cache. Hashes and commits that go in are hexadecimal digits, file names are
// plain relative ones (loader/hub_listing.h): nothing leads out of the folder.
struct HubRepository {
  HubRepository(const std::filesystem::path& cache, const HubId& id);

  std::filesystem::path folder, locks;

  std::filesystem::path blob(const std::string& hash) const { return folder / "blobs" / hash; }
  std::filesystem::path partial(const std::string& hash) const {
    return folder / "blobs" / (hash + ".incomplete");
  }
  std::filesystem::path lock(const std::string& hash) const { return locks / (hash + ".lock"); }
  std::filesystem::path snapshot(const std::string& commit) const { return folder / "snapshots" / commit; }
  std::filesystem::path ref(const std::string& revision) const { return folder / "refs" / revision; }
};

// mkdir -p. kResource for a full disk, kIo otherwise.
Result<void> make_folders(const std::filesystem::path& folder);

// snapshots/COMMIT/FILE becomes a link to the blob; what stood there before is replaced in one step.
Result<void> link_into_snapshot(const HubRepository& repository, const std::string& commit,
                                const std::string& file, const std::string& hash);

// refs/REVISION holds the commit from here on, in one step. A revision that is the commit itself has no ref.
Result<void> write_ref(const HubRepository& repository, const std::string& revision,
                       const std::string& commit);

}  // namespace gemma
