// What the hub says a model consists of: GET /api/models/ID/revision/REVISION?blobs=true.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct HubFile {
  std::string name;    // a plain relative path: "config.json", "original/params.json"
  uint64_t bytes = 0;  // below 2^50
  std::string hash;    // of the content, in hexadecimal digits
  bool large = false;  // kept by git-lfs: `hash` is the SHA-256 (64 digits); else git's SHA-1 (40 digits)
};

struct HubListing {
  std::string commit;          // 40 hexadecimal digits
  std::vector<HubFile> files;  // sorted by name, no name twice
};

// kInvalidFile for anything unexpected. Names become paths on our disk, so that the whole listing is refused
// if one of them is empty, absolute, longer than a file system allows, holds "..", ".", an empty part, a
// backslash or a control character, or ends in a slash.
Result<HubListing> parse_hub_listing(std::string_view json, const std::string& where);

// Whether a name may become a path below a folder of ours.
bool is_plain_path(std::string_view name);

}  // namespace gemma
