#include "loader/hub_client.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "loader/hub_refusal.h"
#include "loader/in_quotes.h"
#include "loader/web_address.h"

namespace gemma {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxRedirectBytes = 64 << 10;
constexpr uint64_t kProgressBytes = uint64_t{1} << 20;
constexpr std::chrono::milliseconds kLongestPause{60'000};
// How soon a pause notices that the user wants to stop.
constexpr std::chrono::milliseconds kBlink{50};

tl::unexpected<HttpFailure> failure(ErrorCode code, std::string where, std::string what,
                                    std::string hint = {}) {
  return tl::unexpected(HttpFailure{Error{code, std::move(where), std::move(what), std::move(hint)}});
}

// The hash in an ETag: W/"abc" -> abc. Empty for what is no hash of the length wanted: a server in between
// may have names of its own.
std::string hash_in_etag(std::string_view etag, size_t digits) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() != digits + 2 || etag.front() != '"' || etag.back() != '"') return {};
  etag = etag.substr(1, digits);
  const bool hex = std::all_of(etag.begin(), etag.end(),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hex ? std::string(etag) : std::string();
}

// What the hub says the file holds: for large files, which it redirects, in a field of its own.
std::string announced_hash(const HttpHead& head, size_t digits) {
  const std::string& linked = head.field("x-linked-etag");
  return hash_in_etag(linked.empty() ? head.field("etag") : linked, digits);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

HubClient::HubClient(HubSettings settings, HubId id, HubPatience patience, HubEvents events,
                     HttpConnection connection)
    : settings_(std::move(settings)),
      id_(std::move(id)),
      patience_(patience),
      events_(std::move(events)),
      connection_(std::move(connection)) {}

Result<HubClient> HubClient::create(HubSettings settings, HubId id, HubPatience patience, HubEvents events) {
  Result<HttpConnection> connection =
      HttpConnection::create({patience.connect, patience.stall}, events.cancelled);
  if (!connection) return fail(std::move(connection.error()));
  return HubClient(std::move(settings), std::move(id), patience, std::move(events), std::move(*connection));
}

HttpResult<void> HubClient::get(const HubRequest& request, const HubReceiver& receiver) {
  const std::string what = request.file.empty() ? id_.id() : id_.id() + ": " + request.file;
  const std::optional<WebAddress> home = parse_web_address(settings_.endpoint);
  if (!home) return failure(ErrorCode::kUsage, settings_.endpoint, "expected an http or https address");
  std::string url = settings_.endpoint + request.path;
  WebAddress here = *home;
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    const bool at_home = here.same_origin(*home);
    HttpRequest step{url, {"Accept-Encoding: identity"}};
    if (request.offset > 0) step.fields.push_back(fmt::format("Range: bytes={}-", request.offset));
    if (at_home && request.offset > 0 && !request.etag.empty()) {
      // Whoever the hub redirects to has other names for the content; there the hash of the whole decides.
      step.fields.push_back(fmt::format("If-Range: \"{}\"", request.etag));
    }
    if (at_home && !settings_.token.empty()) {
      step.fields.push_back("Authorization: Bearer " + settings_.token);
    }

    const auto refusal = [&](const HttpHead& head) {
      return at_home ? hub_refusal(head, settings_, id_, request.file)
                     : storage_refusal(head, id_, request.file, here.host);
    };
    bool begun = false;
    size_t discarded = 0;
    const auto begin = [&](const HttpHead& head) -> HttpResult<void> {
      begun = true;
      const std::string announced = at_home ? announced_hash(head, request.etag.size()) : "";
      if (!request.etag.empty() && !announced.empty() && announced != request.etag) {
        return failure(ErrorCode::kMismatch, what,
                       fmt::format("expected the content {}, the hub offers {}", request.etag, announced),
                       "run the same command again");
      }
      if (head.status / 100 != 2) return {};
      return receiver.begin(head);
    };
    const auto body = [&](const HttpHead& head, std::span<const std::byte> piece) -> HttpResult<void> {
      if (!begun) {
        HttpResult<void> good = begin(head);
        if (!good) return good;
      }
      if (is_redirect(head.status)) {
        discarded += piece.size();
        if (discarded <= kMaxRedirectBytes) return {};
        return failure(ErrorCode::kIo, what, "a redirect with a body that does not end");
      }
      // What a refusal says in its body is for browsers.
      if (head.status / 100 != 2) return tl::unexpected(refusal(head));
      return receiver.piece(piece);
    };
    HttpResult<HttpHead> head = connection_.get(step, body);
    if (!head) {
      HttpFailure failed = std::move(head.error());
      if (failed.error.where.empty()) {
        failed.error.where = at_home ? what : fmt::format("{} from {}", what, in_quotes(here.host));
      }
      return tl::unexpected(std::move(failed));
    }
    if (!begun) {
      HttpResult<void> good = begin(*head);
      if (!good) return good;
    }
    if (head->status / 100 == 2) return {};
    if (!is_redirect(head->status)) {
      return tl::unexpected(refusal(*head));
    }
    const std::optional<WebAddress> there = parse_web_address(head->location);
    if (!there) {
      return failure(ErrorCode::kIo, what,
                     "expected a redirect to an http or https address, found " + in_quotes(head->location));
    }
    if (here.scheme == "https" && there->scheme == "http") {
      return failure(ErrorCode::kIo, what,
                     "redirected from https to http, to " + in_quotes(there->host) + ": not followed");
    }
    url = head->location;
    here = *there;
  }
  return failure(ErrorCode::kIo, what, fmt::format("more than {} redirects", kMaxRedirects));
}

Result<void> HubClient::pause(std::chrono::milliseconds time) const {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    if (events_.cancelled && events_.cancelled()) return fail(ErrorCode::kResource, id_.id(), "stopped");
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return {};
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, kBlink));
  }
}

Result<void> HubClient::persist(const std::function<HttpResult<void>()>& attempt,
                                const std::function<uint64_t()>& progress) {
  uint64_t before = progress();
  for (size_t failures = 0;;) {
    HttpResult<void> done = attempt();
    if (done) return {};
    HttpFailure failed = std::move(done.error());
    if (!failed.temporary) return fail(std::move(failed.error));
    if (const uint64_t now = progress(); now >= before + kProgressBytes) {
      failures = 0;
      before = now;
    }
    if (++failures >= patience_.attempts) {
      failed.error.what += fmt::format(" ({} tries)", failures);
      if (failed.error.hint.empty()) failed.error.hint = "the same command goes on where it stopped";
      return fail(std::move(failed.error));
    }
    const auto doubled = patience_.first_pause * (int64_t{1} << std::min<size_t>(failures - 1, 16));
    const std::chrono::milliseconds time = std::max(std::min(doubled, kLongestPause), failed.pause);
    if (events_.notice) {
      events_.notice(fmt::format("{}; trying again in {:.1f} s", failed.error.what,
                                 static_cast<double>(time.count()) / 1000));
    }
    Result<void> waited = pause(time);
    if (!waited) return waited;
  }
}

}  // namespace gemma
