// Fetches a model from the hub into the local cache (loader/hub_cache.h), where find_model() and Python's
// huggingface_hub find it.
//
//   Result<HubSettings> settings = hub_settings();
//   Result<PulledModel> model = pull_model("google/gemma-4-E2B-it", {.settings = *settings});
//   // model->folder holds config.json, model.safetensors, tokenizer.json ...
//
// The order is: listing, room on the disk, contents smallest first, links, ref. Stopped anywhere it leaves
// blobs that are whole and at most one partial file per blob, which the next run takes up; a revision that
// was in the cache before stays usable until the new one is complete.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "loader/hub_client.h"
#include "loader/hub_settings.h"
#include "loader/result.h"

namespace gemma {

struct PullProgress {
  std::string file;
  uint64_t bytes = 0, total_bytes = 0;  // of all files, with what was here before
  bool checking = false;                // reads again what an earlier run left, for its hash
};

struct PullOptions {
  HubSettings settings;
  HubPatience patience = {};
  HubEvents events = {};
  std::vector<std::string> include = {};                   // which weights (loader/hub_selection.h)
  std::function<void(const PullProgress&)> progress = {};  // called for every piece that arrives
  // Bytes that may be written below a folder; by default what the file system leaves to this user.
  std::function<Result<uint64_t>(const std::string&)> free_bytes = {};
};

struct PulledFile {
  std::string name;
  uint64_t bytes = 0;
  uint64_t fetched_bytes = 0;  // over the network, this time
};

struct PulledModel {
  std::string folder;  // of the snapshot
  std::string commit;
  std::vector<PulledFile> files;
  uint64_t bytes = 0, fetched_bytes = 0;  // of all files
};

// `model` is "owner/name" or "owner/name@revision". Errors: kUsage for another form, for HF_HUB_OFFLINE and
// where a choice is needed; kNotFound for what the hub does not have; kInvalidFile for a listing or content
// that is not what it should be; kResource for a disk without room, and when events.cancelled says so; kIo
// for everything between us and the hub.
Result<PulledModel> pull_model(const std::string& model, const PullOptions& options);

}  // namespace gemma
