#include "loader/http_connection.h"

#include <charconv>
#include <exception>
#include <string_view>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr long kBufferBytes = 256 << 10;
constexpr long kStallBytesPerSecond = 1000;
// libcurl ends a reply with more than 300 kB of header; this bounds what is kept of it.
constexpr size_t kMaxFields = 200;

struct DeleteEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct DeleteList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// libcurl wants to be told once per process before anything else.
bool initialised() {
  static const bool kDone = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return kDone;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Whether the same request may succeed in a moment.
bool is_temporary(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return true;
    default:
      return false;
  }
}

}  // namespace

const std::string& HttpHead::field(const std::string& name) const {
  static const std::string kNone;
  const auto found = fields.find(name);
  return found == fields.end() ? kNone : found->second;
}

std::optional<uint64_t> HttpHead::length() const {
  const std::string& text = field("content-length");
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

struct HttpConnection::Impl {
  std::unique_ptr<CURL, DeleteEasy> easy;
  std::function<bool()> cancelled;
  char message[CURL_ERROR_SIZE] = {};

  // Of the request that runs.
  HttpHead head;
  const Body* body = nullptr;
  std::optional<HttpFailure> refused;  // by the receiver of the body

  // Nothing may be thrown through libcurl: memory that is not there ends the request.
  template <typename Work>
  size_t guarded(size_t bytes, const Work& work) {
    try {
      if (HttpResult<void> done = work(); !done) refused = std::move(done.error());
    } catch (const std::exception& error) {
      refused = HttpFailure{Error{ErrorCode::kResource, {}, error.what(), {}}};
    }
    return refused ? bytes + 1 : bytes;  // anything but the count ends the request
  }

  void keep_field(std::string_view line) {
    // A reply may be preceded by others ("100 Continue"): only the last one counts.
    if (line.starts_with("HTTP/")) head.fields.clear();
    const size_t colon = line.find(':');
    if (colon == line.npos || head.fields.size() >= kMaxFields) return;
    std::string name(line.substr(0, colon));
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    head.fields[name] = trimmed(line.substr(colon + 1));
  }

  static size_t on_field(char* data, size_t size, size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    return impl.guarded(size * count, [&]() -> HttpResult<void> {
      impl.keep_field({data, size * count});
      return {};
    });
  }

  static size_t on_body(char* data, size_t size, size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    long status = 0;
    curl_easy_getinfo(impl.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    impl.head.status = static_cast<int>(status);
    return impl.guarded(size * count, [&] {
      return (*impl.body)(impl.head, std::as_bytes(std::span(static_cast<const char*>(data), size * count)));
    });
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& impl = *static_cast<Impl*>(self);
    return impl.cancelled && impl.cancelled() ? 1 : 0;
  }
};

HttpConnection::HttpConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;
HttpConnection::~HttpConnection() = default;

Result<HttpConnection> HttpConnection::create(Timing timing, std::function<bool()> cancelled) {
  auto impl = std::make_unique<Impl>();
  if (initialised()) impl->easy.reset(curl_easy_init());
  CURL* easy = impl->easy.get();
  if (easy == nullptr) return fail(ErrorCode::kInternal, "libcurl", "cannot be initialised");
  impl->cancelled = std::move(cancelled);
  bool set = true;
  const auto option = [&](CURLoption name, auto value) {
    set = set && curl_easy_setopt(easy, name, value) == CURLE_OK;
  };
  option(CURLOPT_PROTOCOLS_STR, "http,https");
  option(CURLOPT_FOLLOWLOCATION, 0L);
  option(CURLOPT_NOSIGNAL, 1L);
  option(CURLOPT_USERAGENT, "gemma-run");
  option(CURLOPT_BUFFERSIZE, kBufferBytes);
  option(CURLOPT_CONNECTTIMEOUT, static_cast<long>(timing.connect.count()));
  option(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
  option(CURLOPT_LOW_SPEED_TIME, static_cast<long>(timing.stall.count()));
  option(CURLOPT_ERRORBUFFER, impl->message);
  option(CURLOPT_HEADERFUNCTION, &Impl::on_field);
  option(CURLOPT_HEADERDATA, static_cast<void*>(impl.get()));
  option(CURLOPT_WRITEFUNCTION, &Impl::on_body);
  option(CURLOPT_WRITEDATA, static_cast<void*>(impl.get()));
  option(CURLOPT_NOPROGRESS, 0L);
  option(CURLOPT_XFERINFOFUNCTION, &Impl::on_progress);
  option(CURLOPT_XFERINFODATA, static_cast<void*>(impl.get()));
  if (!set) return fail(ErrorCode::kInternal, "libcurl", "refused an option");
  return HttpConnection(std::move(impl));
}

HttpResult<HttpHead> HttpConnection::get(const HttpRequest& request, const Body& body) {
  Impl& impl = *impl_;
  CURL* easy = impl.easy.get();
  impl.head = {};
  impl.body = &body;
  impl.refused.reset();
  impl.message[0] = '\0';

  std::unique_ptr<curl_slist, DeleteList> fields;
  for (const std::string& field : request.fields) {
    curl_slist* longer = curl_slist_append(fields.get(), field.c_str());
    if (longer == nullptr) {
      return tl::unexpected(HttpFailure{Error{ErrorCode::kResource, {}, "out of memory", {}}});
    }
    (void)fields.release();
    fields.reset(longer);
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields.get());
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  const CURLcode code = curl_easy_perform(easy);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);

  if (impl.refused) return tl::unexpected(std::move(*impl.refused));
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    return tl::unexpected(HttpFailure{Error{ErrorCode::kResource, {}, "stopped", {}}});
  }
  if (code != CURLE_OK) {
    const char* what = impl.message[0] != '\0' ? impl.message : curl_easy_strerror(code);
    // The message may quote what the server sent.
    return tl::unexpected(HttpFailure{
        Error{ErrorCode::kIo, {}, "the connection failed: " + in_quotes(what, 200), {}}, is_temporary(code)});
  }
  long status = 0;
  char* location = nullptr;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
  impl.head.status = static_cast<int>(status);
  if (location != nullptr) impl.head.location = location;
  return std::move(impl.head);
}

}  // namespace gemma
