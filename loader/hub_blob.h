// One file of the hub becomes one blob of the cache: resumed where an earlier try stopped, checked against
// its hash, and given its name only when it is whole and on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "loader/hub_cache.h"
#include "loader/hub_client.h"
#include "loader/hub_listing.h"
#include "loader/result.h"

namespace gemma {

// Whether the blob is there, in the size the hub announces. (What is inside was checked when it got its
// name.)
bool has_blob(const HubRepository& repository, const HubFile& file);

// Bytes that have to arrive yet; 0 for a blob that is there.
uint64_t missing_bytes(const HubRepository& repository, const HubFile& file);

// How far a blob is. `checking`: bytes of an earlier try are read again for the hash.
struct BlobProgress {
  uint64_t bytes = 0;
  bool checking = false;
};

// Returns the bytes that came over the network; 0 if nothing had to. A blob that another process fetches is
// waited for. Errors, beside those of the client: kInvalidFile for content with a wrong hash or size, whose
// partial file is deleted; kResource when the disk is full or `events().cancelled`, whose partial file stays.
Result<uint64_t> fetch_blob(HubClient& client, const HubRepository& repository, const std::string& commit,
                            const HubFile& file, const std::function<void(const BlobProgress&)>& progress);

}  // namespace gemma
