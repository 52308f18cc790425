// Asks the hub: follows its redirects, gives the user's token to nobody else, tries again what failed for a
// while, and says in the user's words what the hub refused.
//
//   HubClient client = ...;
//   client.persist([&] { return client.get(request, receiver); }, [&] { return bytes_so_far; });
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "loader/http_connection.h"
#include "loader/hub_id.h"
#include "loader/hub_settings.h"
#include "loader/result.h"

namespace gemma {

// What a program wants to know and to decide while it waits. Any may be empty.
struct HubEvents {
  std::function<bool()> cancelled;               // true ends what runs with kResource
  std::function<void(std::string_view)> notice;  // "connection lost, trying again in 2 s"
};

struct HubRequest {
  std::string path = {};  // below the endpoint, encoded: "/google/gemma/resolve/COMMIT/config.json"
  std::string file = {};  // what it is for, in messages; empty: the model itself
  std::string etag = {};  // the hub's name for the content wanted; empty: unknown
  uint64_t offset = 0;    // the first byte wanted
};

// Takes a successful reply (2xx): the head once, then the body, which may be empty.
struct HubReceiver {
  std::function<HttpResult<void>(const HttpHead&)> begin;
  std::function<HttpResult<void>(std::span<const std::byte>)> piece;
};

class HubClient {
 public:
  static Result<HubClient> create(HubSettings settings, HubId id, HubPatience patience, HubEvents events);

  // One try. Redirects are followed, ten at most, never from https to http; the token and If-Range go to the
  // endpoint's own scheme, host and port only. A reply that names another content than `etag` is kMismatch.
  HttpResult<void> get(const HubRequest& request, const HubReceiver& receiver);

  // Tries until it succeeds, fails for good, or failed HubPatience::attempts times without `progress()`
  // having grown by 1 MiB in between.
  Result<void> persist(const std::function<HttpResult<void>()>& attempt,
                       const std::function<uint64_t()>& progress);

  const HubSettings& settings() const { return settings_; }
  const HubId& id() const { return id_; }
  const HubEvents& events() const { return events_; }

 private:
  HubClient(HubSettings settings, HubId id, HubPatience patience, HubEvents events,
            HttpConnection connection);
  Result<void> pause(std::chrono::milliseconds time) const;

  HubSettings settings_;
  HubId id_;
  HubPatience patience_;
  HubEvents events_;
  HttpConnection connection_;
};

}  // namespace gemma
