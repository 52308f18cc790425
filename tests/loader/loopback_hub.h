// A small Hugging Face hub on 127.0.0.1 that a test fills with files and then lets misbehave. It speaks just
// enough HTTP/1.1: GET, one request per connection, Range with If-Range. Large files are redirected to a
// second server, as the real hub does with its storage.
//
//   LoopbackHub hub;
//   hub.add("config.json", "{}");
//   hub.add("model.safetensors", content, LoopbackHub::kLarge);
//   hub.faults().cut_after["model.safetensors"] = 1000;
//   ... HF_ENDPOINT=hub.address() ...
//   hub.requests("model.safetensors")[1].range == "bytes=1000-"
#pragma once

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/content_hash.h"

namespace gemma::tests {

// What came in. Field names in lower case.
struct LoopbackRequest {
  std::string path;
  std::map<std::string, std::string> fields;
  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
};

// Answers each connection with what `answer` writes; one thread per connection.
class LoopbackServer {
 public:
  using Send = std::function<void(const std::string&)>;
  using Answer = std::function<void(const LoopbackRequest&, const Send&)>;

  explicit LoopbackServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(listener_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& worker : workers_) worker.join();
    ::close(listener_);
  }

  std::string address() const { return fmt::format("http://127.0.0.1:{}", port_); }
  // For answers that wait: whether the test is over.
  bool stopping() const { return stopping_; }

 private:
  bool readable(int socket) const {
    pollfd poll{socket, POLLIN, 0};
    while (!stopping_) {
      if (::poll(&poll, 1, 10) > 0) return true;
    }
    return false;
  }

  void accept_all() {
    while (readable(listener_)) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket >= 0) workers_.emplace_back([this, socket] { serve(socket); });
    }
  }

  void serve(int socket) {
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == head.npos && readable(socket)) {
      const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      head.append(buffer, static_cast<size_t>(n));
    }
    answer_(parse(head), [socket](const std::string& text) {
      for (size_t sent = 0; sent < text.size();) {
        const ssize_t n = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<size_t>(n);
      }
    });
    // Without this a close while the peer still sends would destroy what it has not read yet.
    ::shutdown(socket, SHUT_WR);
    ::close(socket);
  }

  static LoopbackRequest parse(const std::string& head) {
    LoopbackRequest request;
    size_t start = head.find(' ') + 1;
    request.path = head.substr(start, head.find(' ', start) - start);
    for (start = head.find("\r\n"); start != head.npos; start = head.find("\r\n", start + 2)) {
      const size_t colon = head.find(": ", start), end = head.find("\r\n", start + 2);
      if (colon == head.npos || end == head.npos || colon > end) continue;
      std::string name = head.substr(start + 2, colon - start - 2);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      request.fields[name] = head.substr(colon + 2, end - colon - 2);
    }
    return request;
  }

  Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
  std::vector<std::thread> workers_;
};

class LoopbackHub {
 public:
  static constexpr bool kLarge = true;
  static constexpr char kId[] = "google/gemma-4-test";

  // By file name; each applies once and is gone, unless it says otherwise.
  struct Faults {
    std::map<std::string, size_t> cut_after;        // closes the connection after so many bytes of the body
    std::map<std::string, size_t> stall_after;      // sends nothing more
    std::map<std::string, int> fail_times;          // so many 503 before the answer
    std::map<std::string, std::string> instead;     // another content, always
    std::map<std::string, std::string> location;    // redirects there, always
    std::map<std::string, std::string> other_etag;  // X-Linked-Etag or ETag, always
    std::map<std::string, std::string> storage_error;  // "403 Forbidden", of the storage, always
    std::map<std::string, std::string> error;  // "404 Not Found\r\nX-Error-Code: EntryNotFound", always
    std::string listing;                       // what /api answers, always
    std::string listing_error;                 // the same with a status
    bool no_ranges = false;                    // answers a Range with everything
    std::string wants_token;                   // 401 for everything without it
  };

  LoopbackHub()
      : storage_([this](const LoopbackRequest& request, const LoopbackServer::Send& send) {
          note(request, true);
          const std::string name = request.path.substr(1);
          if (faults_.storage_error.contains(name))
            return send_whole(send, faults_.storage_error[name], "no");
          answer_file(request, name, send, storage_);
        }),
        hub_([this](const LoopbackRequest& request, const LoopbackServer::Send& send) {
          note(request, false);
          answer(request, send);
        }) {}

  void add(const std::string& name, const std::string& content, bool large = false) {
    const std::lock_guard lock(mutex_);
    files_[name] = {content, hash(content, large), large};
  }
  void remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    files_.erase(name);
  }
  void move_to(const std::string& commit) { commit_ = commit; }
  const std::string& commit() const { return commit_; }
  std::string hash_of(const std::string& name) { return files_.at(name).hash; }
  Faults& faults() { return faults_; }
  std::string address() const { return hub_.address(); }
  std::string storage_address() const { return storage_.address(); }

  // Requests for a file's content: those that carried it, wherever they went.
  std::vector<LoopbackRequest> requests(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return requests_[name];
  }
  std::vector<LoopbackRequest> hub_requests() {
    const std::lock_guard lock(mutex_);
    return hub_requests_;
  }
  std::vector<LoopbackRequest> storage_requests() {
    const std::lock_guard lock(mutex_);
    return storage_requests_;
  }
  void forget_requests() {
    const std::lock_guard lock(mutex_);
    requests_.clear();
    hub_requests_.clear();
    storage_requests_.clear();
  }

  static std::string hash(const std::string& content, bool large) {
    Result<ContentHash> hash =
        ContentHash::create(large ? ContentHash::Kind::kSha256 : ContentHash::Kind::kGitBlob, content.size());
    REQUIRE(hash);
    hash->update(std::as_bytes(std::span(content)));
    return hash->hex();
  }

  std::string listing() {
    std::string text = fmt::format(R"({{"id":"{}","sha":"{}","siblings":[)", kId, commit_);
    for (bool first = true; const auto& [name, file] : files_) {
      text += fmt::format(R"({}{{"rfilename":"{}","size":{},"blobId":"{}")", first ? "" : ",", name,
                          file.content.size(), file.large ? std::string(40, '7') : file.hash);
      if (file.large) {
        text += fmt::format(R"(,"lfs":{{"sha256":"{}","size":{},"pointerSize":130}})", file.hash,
                            file.content.size());
      }
      text += "}";
      first = false;
    }
    return text + "]}";
  }

 private:
  struct File {
    std::string content, hash;
    bool large = false;
  };

  void note(const LoopbackRequest& request, bool storage) {
    const std::lock_guard lock(mutex_);
    (storage ? storage_requests_ : hub_requests_).push_back(request);
  }

  static void send_whole(const LoopbackServer::Send& send, const std::string& status,
                         const std::string& body) {
    send(fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status, body.size(),
                     body));
  }

  void answer(const LoopbackRequest& request, const LoopbackServer::Send& send) {
    if (!faults_.wants_token.empty() && request.field("authorization") != "Bearer " + faults_.wants_token) {
      return send_whole(send, "401 Unauthorized\r\nX-Error-Code: RepoNotFound", "who are you?");
    }
    if (request.path.starts_with("/api/models/")) {
      if (!request.path.starts_with(fmt::format("/api/models/{}/revision/", kId))) {
        return send_whole(send, "404 Not Found\r\nX-Error-Code: RepoNotFound", "{}");
      }
      if (!faults_.listing_error.empty()) return send_whole(send, faults_.listing_error, "{}");
      const std::lock_guard lock(mutex_);
      return send_whole(send, "200 OK", faults_.listing.empty() ? listing() : faults_.listing);
    }
    const std::string prefix = fmt::format("/{}/resolve/{}/", kId, commit_);
    if (!request.path.starts_with(prefix)) return send_whole(send, "404 Not Found", "");
    const std::string name = request.path.substr(prefix.size());
    if (faults_.fail_times[name] > 0) {
      --faults_.fail_times[name];
      return send_whole(send, "503 Service Unavailable\r\nRetry-After: 0", "");
    }
    if (faults_.error.contains(name)) return send_whole(send, faults_.error[name], "");
    if (faults_.location.contains(name)) {
      return send_whole(send, "302 Found\r\nLocation: " + faults_.location[name], "");
    }
    bool large = false;
    std::string etag;
    {
      const std::lock_guard lock(mutex_);
      if (!files_.contains(name)) return send_whole(send, "404 Not Found\r\nX-Error-Code: EntryNotFound", "");
      large = files_[name].large;
      etag = files_[name].hash;
    }
    if (faults_.other_etag.contains(name)) etag = faults_.other_etag[name];
    if (!large) return answer_file(request, name, send, hub_);
    send_whole(
        send,
        fmt::format("302 Found\r\nX-Linked-Etag: \"{}\"\r\nLocation: {}/{}", etag, storage_.address(), name),
        "moved");
  }

  void answer_file(const LoopbackRequest& request, const std::string& name, const LoopbackServer::Send& send,
                   const LoopbackServer& server) {
    File file;
    size_t cut = std::string::npos, stall = std::string::npos;
    {
      const std::lock_guard lock(mutex_);
      requests_[name].push_back(request);
      file = files_[name];
      const auto take = [&](std::map<std::string, size_t>& faults, size_t& value) {
        if (const auto found = faults.find(name); found != faults.end()) {
          value = found->second;
          faults.erase(found);
        }
      };
      take(faults_.cut_after, cut);
      take(faults_.stall_after, stall);
    }
    const std::string& content = faults_.instead.contains(name) ? faults_.instead[name] : file.content;
    // The storage has names of its own for what it holds.
    const std::string etag = file.large ? "storage-1" : file.hash;
    const std::string range = request.field("range"), condition = request.field("if-range");
    size_t first = 0;
    if (range.starts_with("bytes=") && !faults_.no_ranges &&
        (condition.empty() || condition == "\"" + etag + "\"")) {
      first = static_cast<size_t>(std::stoull(range.substr(6)));
    }
    std::string head =
        fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nETag: \"{}\"\r\nConnection: close\r\n",
                    first > 0 ? "206 Partial Content" : "200 OK", content.size() - first, etag);
    if (first > 0) {
      head += fmt::format("Content-Range: bytes {}-{}/{}\r\n", first, content.size() - 1, content.size());
    }
    send(head + "\r\n" + content.substr(first, std::min(cut, stall)));
    while (stall != std::string::npos && !server.stopping())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  std::mutex mutex_;
  std::map<std::string, File> files_;
  std::map<std::string, std::vector<LoopbackRequest>> requests_;
  std::vector<LoopbackRequest> hub_requests_, storage_requests_;
  std::string commit_ = "0123456789abcdef0123456789abcdef01234567";
  Faults faults_;
  // Last, so that nothing they use ends before their threads.
  LoopbackServer storage_, hub_;
};

}  // namespace gemma::tests
