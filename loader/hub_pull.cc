#include "loader/hub_pull.h"

#include <cerrno>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "loader/disk_error.h"
#include "loader/format_bytes.h"
#include "loader/hub_blob.h"
#include "loader/hub_cache.h"
#include "loader/hub_id.h"
#include "loader/hub_listing.h"
#include "loader/hub_selection.h"
#include "loader/in_quotes.h"
#include "loader/web_address.h"

namespace gemma {
namespace {

constexpr size_t kMaxListingBytes = size_t{32} << 20;

Result<uint64_t> free_bytes_of(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0)
    return disk_failure(folder, "cannot tell its free space", errno);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(uint64_t{status.f_bavail}, uint64_t{status.f_frsize}, &bytes)) {
    return std::numeric_limits<uint64_t>::max();
  }
  return bytes;
}

Result<HubListing> fetch_listing(HubClient& client) {
  const HubId& id = client.id();
  const std::string path =
      fmt::format("/api/models/{}/revision/{}?blobs=true", id.id(), percent_encoded(id.revision, false));
  const std::string where = client.settings().endpoint + path;
  std::string text;
  const HubReceiver receiver{
      [&](const HttpHead&) -> HttpResult<void> {
        text.clear();
        return {};
      },
      [&](std::span<const std::byte> piece) -> HttpResult<void> {
        if (piece.size() > kMaxListingBytes - text.size()) {
          return tl::unexpected(HttpFailure{
              Error{ErrorCode::kInvalidFile,
                    where,
                    fmt::format("expected at most {} bytes, the server sends more", kMaxListingBytes),
                    {}}});
        }
        text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return {};
      }};
  Result<void> got =
      client.persist([&] { return client.get({.path = path}, receiver); }, [] { return uint64_t{0}; });
  if (!got) return fail(std::move(got.error()));
  return parse_hub_listing(text, where);
}

Result<void> check_room(const HubRepository& repository, const std::vector<HubFile>& files,
                        const PullOptions& options, const std::string& id) {
  uint64_t missing = 0;
  for (const HubFile& file : files)
    missing += missing_bytes(repository, file);  // 10^5 files of 2^50: no overflow
  if (missing == 0) return {};
  const std::string folder = repository.folder.string();
  const Result<uint64_t> free = options.free_bytes ? options.free_bytes(folder) : free_bytes_of(folder);
  if (!free) return fail(free.error());
  if (missing <= *free) return {};
  return fail(ErrorCode::kResource, id,
              fmt::format("{} have to be fetched, and {} has room for {}", format_bytes(missing),
                          options.settings.cache, format_bytes(*free)),
              "make room, or set HF_HOME to a folder on another disk");
}

}  // namespace

Result<PulledModel> pull_model(const std::string& model, const PullOptions& options) {
  const std::optional<HubId> id = parse_hub_id(model);
  if (!id) {
    return fail(ErrorCode::kUsage, in_quotes(model), "expected owner/name or owner/name@revision",
                "for example google/gemma-4-E2B-it");
  }
  if (options.settings.offline) {
    return fail(ErrorCode::kUsage, id->id(), "HF_HUB_OFFLINE is set: the hub is not asked", "unset it");
  }
  Result<HubClient> client = HubClient::create(options.settings, *id, options.patience, options.events);
  if (!client) return fail(std::move(client.error()));
  Result<HubListing> listing = fetch_listing(*client);
  if (!listing) return fail(std::move(listing.error()));
  Result<std::vector<HubFile>> files = select_files(*listing, options.include, id->id());
  if (!files) return fail(std::move(files.error()));

  const HubRepository repository(options.settings.cache, *id);
  for (const auto& folder : {repository.folder / "blobs", repository.locks}) {
    if (Result<void> made = make_folders(folder); !made) return fail(std::move(made.error()));
  }
  if (Result<void> room = check_room(repository, *files, options, id->id()); !room) {
    return fail(std::move(room.error()));
  }

  PulledModel pulled;
  pulled.commit = listing->commit;
  pulled.folder = repository.snapshot(listing->commit).string();
  PullProgress progress;
  for (const HubFile& file : *files) progress.total_bytes += file.bytes;
  for (const HubFile& file : *files) {
    progress.file = file.name;
    const auto report = [&](const BlobProgress& blob) {
      if (!options.progress) return;
      PullProgress now = progress;
      now.bytes = pulled.bytes + blob.bytes;
      now.checking = blob.checking;
      options.progress(now);
    };
    Result<uint64_t> fetched = fetch_blob(*client, repository, listing->commit, file, report);
    if (!fetched) return fail(std::move(fetched.error()));
    pulled.files.push_back({file.name, file.bytes, *fetched});
    pulled.bytes += file.bytes;
    pulled.fetched_bytes += *fetched;
  }
  for (const HubFile& file : *files) {
    Result<void> linked = link_into_snapshot(repository, listing->commit, file.name, file.hash);
    if (!linked) return fail(std::move(linked.error()));
  }
  if (Result<void> written = write_ref(repository, id->revision, listing->commit); !written) {
    return fail(std::move(written.error()));
  }
  return pulled;
}

}  // namespace gemma
