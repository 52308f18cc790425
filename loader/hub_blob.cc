#include "loader/hub_blob.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "loader/content_hash.h"
#include "loader/file_lock.h"
#include "loader/partial_file.h"
#include "loader/web_address.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

std::optional<uint64_t> size_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return std::nullopt;
  const uint64_t bytes = fs::file_size(path, error);
  return error ? std::nullopt : std::optional(bytes);
}

// The first byte and the whole size in "bytes 5-9/10"; nothing if it says anything else.
struct ContentRange {
  uint64_t first = 0, size = 0;
};
std::optional<ContentRange> parse_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto number = [](std::string_view digits, uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  };
  ContentRange range;
  if (!number(text.substr(0, dash), range.first) || !number(text.substr(slash + 1), range.size)) {
    return std::nullopt;
  }
  return range;
}

// One blob on its way. What has been appended to the partial file has gone through the hash as well.
class Download {
 public:
  Download(HubClient& client, const HubFile& file, std::string where, PartialFile partial, ContentHash hash,
           const std::function<void(const BlobProgress&)>& progress)
      : client_(client),
        file_(file),
        where_(std::move(where)),
        partial_(std::move(partial)),
        hash_(std::move(hash)),
        progress_(progress) {}

  Result<void> take_earlier_part();
  Result<void> fetch(const std::string& path);
  Result<void> finish(const std::string& final_path);

  uint64_t fetched() const { return fetched_; }

 private:
  HttpResult<void> begin(const HttpHead& head);
  HttpResult<void> take(std::span<const std::byte> piece);
  Result<void> start_over();
  tl::unexpected<HttpFailure> wrong(std::string what) const {
    return tl::unexpected(
        HttpFailure{Error{ErrorCode::kInvalidFile, where_, std::move(what), "run the same command again"}});
  }
  void report(bool checking, uint64_t bytes) const {
    if (progress_) progress_({bytes, checking});
  }

  HubClient& client_;
  const HubFile& file_;
  std::string where_;
  PartialFile partial_;
  ContentHash hash_;
  const std::function<void(const BlobProgress&)>& progress_;
  uint64_t fetched_ = 0;
};

ContentHash::Kind kind_of(const HubFile& file) {
  return file.large ? ContentHash::Kind::kSha256 : ContentHash::Kind::kGitBlob;
}

Result<void> Download::start_over() {
  Result<ContentHash> hash = ContentHash::create(kind_of(file_), file_.bytes);
  if (!hash) return fail(std::move(hash.error()));
  hash_ = std::move(*hash);
  return partial_.clear();
}

Result<void> Download::take_earlier_part() {
  if (partial_.bytes() > file_.bytes) return start_over();
  const auto& cancelled = client_.events().cancelled;
  uint64_t done = 0;
  bool stopped = false;
  Result<void> read = partial_.read([&](std::span<const std::byte> piece) {
    hash_.update(piece);
    done += piece.size();
    report(true, done);
    stopped = cancelled && cancelled();
    return !stopped;
  });
  if (!read) return read;
  if (stopped) return fail(ErrorCode::kResource, where_, "stopped");
  return {};
}

HttpResult<void> Download::begin(const HttpHead& head) {
  const auto failed = [](Error error) { return tl::unexpected(HttpFailure{std::move(error)}); };
  if (head.status == 206) {
    const std::optional<ContentRange> range = parse_range(head.field("content-range"));
    if (range && range->first == partial_.bytes() && range->size == file_.bytes) return {};
    if (Result<void> emptied = start_over(); !emptied) return failed(std::move(emptied.error()));
    // The next try asks for all of it.
    HttpFailure other{
        Error{ErrorCode::kIo, where_, "the server sent another part than it was asked for", {}}};
    other.temporary = true;
    return tl::unexpected(std::move(other));
  }
  if (head.status != 200)
    return wrong(fmt::format("expected the content, the server answered {}", head.status));
  if (partial_.bytes() > 0) {
    // A server that cannot resume, or whose content is a new one.
    if (Result<void> emptied = start_over(); !emptied) return failed(std::move(emptied.error()));
  }
  if (const std::optional<uint64_t> length = head.length(); length && *length != file_.bytes) {
    return wrong(fmt::format("expected {} bytes, the server offers {}", file_.bytes, *length));
  }
  return {};
}

HttpResult<void> Download::take(std::span<const std::byte> piece) {
  if (piece.size() > file_.bytes - partial_.bytes()) {
    partial_.discard();
    return wrong(fmt::format("expected {} bytes, the server sends more", file_.bytes));
  }
  Result<void> written = partial_.append(piece);
  if (!written) {
    written.error().where = where_ + ": " + written.error().where;
    return tl::unexpected(HttpFailure{std::move(written.error())});
  }
  hash_.update(piece);
  fetched_ += piece.size();
  report(false, partial_.bytes());
  return {};
}

Result<void> Download::fetch(const std::string& path) {
  const auto attempt = [&]() -> HttpResult<void> {
    if (partial_.bytes() == file_.bytes) return {};
    const HubRequest request{path, file_.name, file_.hash, partial_.bytes()};
    HttpResult<void> got =
        client_.get(request, {[&](const HttpHead& head) { return begin(head); },
                              [&](std::span<const std::byte> piece) { return take(piece); }});
    if (!got || partial_.bytes() == file_.bytes) return got;
    // A reply without a length that ends too early looks like a whole one.
    HttpFailure cut{Error{ErrorCode::kIo,
                          where_,
                          fmt::format("expected {} bytes, the server sent {}", file_.bytes, partial_.bytes()),
                          {}}};
    cut.temporary = true;
    return tl::unexpected(std::move(cut));
  };
  return client_.persist(attempt, [&] { return fetched_; });
}

Result<void> Download::finish(const std::string& final_path) {
  const std::string found = hash_.hex();
  if (found == file_.hash) return partial_.publish(final_path);
  partial_.discard();
  return fail(ErrorCode::kInvalidFile, where_,
              fmt::format("expected {} {}, found {}; what had arrived is deleted",
                          file_.large ? "SHA-256" : "git's SHA-1", file_.hash, found),
              "run the same command again");
}

}  // namespace

bool has_blob(const HubRepository& repository, const HubFile& file) {
  return size_of(repository.blob(file.hash)) == file.bytes;
}

uint64_t missing_bytes(const HubRepository& repository, const HubFile& file) {
  if (has_blob(repository, file)) return 0;
  const uint64_t partial = size_of(repository.partial(file.hash)).value_or(0);
  return partial <= file.bytes ? file.bytes - partial : file.bytes;
}

Result<uint64_t> fetch_blob(HubClient& client, const HubRepository& repository, const std::string& commit,
                            const HubFile& file, const std::function<void(const BlobProgress&)>& progress) {
  if (has_blob(repository, file)) return 0;
  const HubEvents& events = client.events();
  bool told = false;
  Result<FileLock> lock = FileLock::take(repository.lock(file.hash).string(), [&] {
    if (!told && events.notice) events.notice(file.name + ": waiting for another program that fetches it");
    told = true;
    return !(events.cancelled && events.cancelled());
  });
  if (!lock) return fail(std::move(lock.error()));
  if (has_blob(repository, file)) return 0;

  const std::string where = client.id().id() + ": " + file.name;
  Result<PartialFile> partial = PartialFile::open(repository.partial(file.hash).string());
  if (!partial) return fail(std::move(partial.error()));
  Result<ContentHash> hash = ContentHash::create(kind_of(file), file.bytes);
  if (!hash) return fail(std::move(hash.error()));
  Download download(client, file, where, std::move(*partial), std::move(*hash), progress);
  if (Result<void> read = download.take_earlier_part(); !read) return fail(std::move(read.error()));
  const std::string path =
      fmt::format("/{}/resolve/{}/{}", client.id().id(), commit, percent_encoded(file.name, true));
  if (Result<void> got = download.fetch(path); !got) return fail(std::move(got.error()));
  if (Result<void> done = download.finish(repository.blob(file.hash).string()); !done) {
    return fail(std::move(done.error()));
  }
  return download.fetched();
}

}  // namespace gemma
