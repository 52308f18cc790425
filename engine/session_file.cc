// Session::save and Session::load. The file, little-endian:
//   8 bytes   "GEMMASES"
//   header    version, fingerprint, context, chunk, rollback, kv type, tokens, furthest, cache bytes:
//             9 x uint64
//   tokens    int32 each
//   cache     KvCache::serialize
//   8 bytes   XXH3-64 of everything before
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>

#include <fmt/format.h>
#include <xxhash.h>

#include "engine/session.h"

namespace gemma {
namespace {

constexpr char kMagic[8] = {'G', 'E', 'M', 'M', 'A', 'S', 'E', 'S'};
constexpr uint64_t kVersion = 1;

enum Field {
  kFileVersion,
  kFingerprint,
  kContext,
  kChunk,
  kRollback,
  kKvType,
  kTokens,
  kFurthest,
  kCacheBytes
};
using Header = std::array<uint64_t, 9>;

Header header_of(const Session& session, uint64_t furthest, uint64_t cache_bytes) {
  const SessionOptions& options = session.options();
  return {kVersion,         session.model().fingerprint(),           options.context,    options.chunk,
          options.rollback, static_cast<uint64_t>(*options.kv_type), session.position(), furthest,
          cache_bytes};
}

// A header's number as a message says it, whatever a file holds there.
std::string value_text(Field field, uint64_t value) {
  const std::span<const kernels::KvType> types = kernels::all_kv_types();
  if (field != kKvType || value >= types.size()) return std::to_string(value);
  return std::string(kernels::to_string(types[value]));
}

// A file being written under a temporary name; without commit() nothing is left behind.
class PendingFile {
 public:
  explicit PendingFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".partial") {
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (descriptor_ >= 0) {
      close(descriptor_);
      unlink(temporary_.c_str());
    }
  }
  bool write(const void* data, size_t bytes) {
    const char* at = static_cast<const char*>(data);
    while (descriptor_ >= 0 && bytes > 0) {
      const ssize_t n = ::write(descriptor_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n;
      bytes -= static_cast<size_t>(n);
    }
    return descriptor_ >= 0;
  }
  bool commit() {
    const bool synced = fsync(descriptor_) == 0;
    const bool closed = close(descriptor_) == 0;
    descriptor_ = -1;
    if (synced && closed && rename(temporary_.c_str(), path_.c_str()) == 0) return true;
    unlink(temporary_.c_str());
    return false;
  }

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace

Result<void> Session::save(const std::string& path) const {
  Result<Snapshot> state = snapshot();
  if (!state) return fail(std::move(state.error()));
  const Header header = header_of(*this, furthest_, state->cache.bytes());
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash(XXH3_createState(), &XXH3_freeState);
  if (hash == nullptr) return fail(ErrorCode::kResource, path, "no memory for the checksum");
  XXH3_64bits_reset(hash.get());
  PendingFile file(path);
  const auto put = [&](const void* data, size_t bytes) {
    XXH3_64bits_update(hash.get(), data, bytes);
    return file.write(data, bytes);
  };
  bool written = put(kMagic, sizeof(kMagic)) && put(header.data(), sizeof(header)) &&
                 put(tokens_.data(), tokens_.size() * sizeof(int32_t)) &&
                 put(state->cache.data(), state->cache.bytes());
  const uint64_t checksum = XXH3_64bits_digest(hash.get());
  written = written && file.write(&checksum, sizeof(checksum)) && file.commit();
  if (!written) {
    return fail(ErrorCode::kIo, path, fmt::format("cannot write the session: {}", std::strerror(errno)),
                "is there room, and may you write there?");
  }
  return {};
}

Result<void> Session::load(const std::string& path) {
  std::error_code no_file;
  const uintmax_t size = std::filesystem::file_size(path, no_file);
  std::ifstream file(path, std::ios::binary);
  if (no_file || !file) return fail(ErrorCode::kNotFound, path, "cannot read the session file");
  char magic[sizeof(kMagic)];
  Header header{};
  constexpr uintmax_t kFixed = sizeof(kMagic) + sizeof(Header) + sizeof(uint64_t);
  if (size < kFixed || !file.read(magic, sizeof(magic)) || std::memcmp(magic, kMagic, sizeof(magic)) != 0 ||
      !file.read(reinterpret_cast<char*>(header.data()), sizeof(header))) {
    return fail(ErrorCode::kInvalidFile, path, "not a session file of gemma-run");
  }
  const char* const hint = "delete it to start anew";
  if (header[kFileVersion] != kVersion) {
    return fail(ErrorCode::kUnsupported, path,
                fmt::format("expected session format {}, found {}", kVersion, header[kFileVersion]), hint);
  }
  const Header own = header_of(*this, 0, 0);
  static constexpr std::pair<Field, const char*> kMustAgree[] = {
      {kFingerprint, "model and scheme fingerprint"},
      {kContext, "context"},
      {kChunk, "chunk"},
      {kRollback, "rollback limit"},
      {kKvType, "KV type"},
  };
  for (const auto& [field, name] : kMustAgree) {
    if (header[field] != own[field]) {
      if (field == kFingerprint) {
        return fail(
            ErrorCode::kMismatch, path,
            fmt::format(
                "saved by another model or scheme than {} in {}, or on a CPU with other float kernels",
                model_->name(), to_string(model_->scheme())),
            hint);
      }
      return fail(ErrorCode::kMismatch, path,
                  fmt::format("saved with another {}: expected {}, found {}", name,
                              value_text(field, own[field]), value_text(field, header[field])),
                  hint);
    }
  }
  // Lengths are bounded by the context before anything is allocated from them.
  const uint64_t tokens = header[kTokens];
  if (tokens > options_.context || header[kFurthest] > options_.context || header[kFurthest] < tokens ||
      header[kCacheBytes] != cache_.serialized_bytes(tokens) ||
      size != kFixed + tokens * sizeof(int32_t) + header[kCacheBytes]) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("{} bytes do not fit the {} tokens the header tells of", size, tokens), hint);
  }
  Snapshot state;
  state.tokens.resize(tokens);
  state.furthest = header[kFurthest];
  Result<Buffer> cache = Buffer::allocate(header[kCacheBytes], "session file");
  if (!cache) return fail(std::move(cache.error()));
  state.cache = std::move(*cache);
  uint64_t checksum = 0;
  const auto get = [&](void* data, size_t bytes) {
    return static_cast<bool>(file.read(static_cast<char*>(data), static_cast<std::streamsize>(bytes)));
  };
  if (!get(state.tokens.data(), tokens * sizeof(int32_t)) || !get(state.cache.data(), state.cache.bytes()) ||
      !get(&checksum, sizeof(checksum))) {
    return fail(ErrorCode::kIo, path, "the session file ended early", hint);
  }
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash(XXH3_createState(), &XXH3_freeState);
  if (hash == nullptr) return fail(ErrorCode::kResource, path, "no memory for the checksum");
  XXH3_64bits_reset(hash.get());
  XXH3_64bits_update(hash.get(), magic, sizeof(magic));
  XXH3_64bits_update(hash.get(), header.data(), sizeof(header));
  XXH3_64bits_update(hash.get(), state.tokens.data(), tokens * sizeof(int32_t));
  XXH3_64bits_update(hash.get(), state.cache.data(), state.cache.bytes());
  if (XXH3_64bits_digest(hash.get()) != checksum) {
    return fail(ErrorCode::kInvalidFile, path, "the checksum does not match: the file is damaged", hint);
  }
  for (int32_t token : state.tokens) {
    if (token < 0 || static_cast<size_t>(token) >= model_->config().vocab_size) {
      return fail(ErrorCode::kInvalidFile, path, fmt::format("token id {} is outside the vocabulary", token),
                  hint);
    }
  }
  return restore(state);
}

}  // namespace gemma
