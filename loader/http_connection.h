// One GET after another over HTTP, by libcurl: no redirect is followed, nothing is tried twice, sizes and
// times are bounded. Who asks whom and what may be told (tokens) is decided above (loader/hub_client.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct HttpHead {
  int status = 0;
  std::map<std::string, std::string> fields;  // by lower-case name; of several equal ones the last
  std::string location;                       // of a redirect: where to, as an absolute address; else empty

  // The field's value, empty if absent.
  const std::string& field(const std::string& name) const;
  // content-length, where it is given.
  std::optional<uint64_t> length() const;
};

struct HttpFailure {
  Error error;
  bool temporary = false;              // another try may succeed: a connection that broke or stalled
  std::chrono::milliseconds pause{0};  // what the server wants to be waited, at least
};
template <typename T>
using HttpResult = tl::expected<T, HttpFailure>;

struct HttpRequest {
  std::string url;
  std::vector<std::string> fields;  // "Range: bytes=5-"
};

class HttpConnection {
 public:
  struct Timing {
    std::chrono::seconds connect, stall;  // stall: at less than 1 kB/s
  };
  // `cancelled` is asked at least once a second while a request runs; true ends it (kResource, not
  // temporary).
  static Result<HttpConnection> create(Timing timing, std::function<bool()> cancelled);
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;
  ~HttpConnection();

  // Receives a piece of the body; the head is complete by then. An error ends the request and is returned,
  // not temporary.
  using Body = std::function<HttpResult<void>(const HttpHead&, std::span<const std::byte>)>;

  // Any status is a success here. Errors name no place: the address may hold a signature, and whoever asks
  // knows what it was for.
  HttpResult<HttpHead> get(const HttpRequest& request, const Body& body);

 private:
  struct Impl;
  explicit HttpConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma
