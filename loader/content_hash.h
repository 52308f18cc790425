// The hash by which the hub names a file's content, taken piece by piece.
//
//   Result<ContentHash> hash = ContentHash::create(ContentHash::Kind::kSha256, bytes);
//   hash->update(piece);
//   hash->hex()  ->  "e3b0c442..."
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "loader/result.h"

namespace gemma {

class ContentHash {
 public:
  enum class Kind {
    kSha256,   // files kept by git-lfs: SHA-256 of the content
    kGitBlob,  // files kept by git itself: SHA-1 of "blob <bytes>\0" and the content
  };

  // `bytes` is the size of the whole content, which git's hash begins with. kInternal if OpenSSL has no such
  // hash (it can be configured away).
  static Result<ContentHash> create(Kind kind, uint64_t bytes);

  void update(std::span<const std::byte> piece);
  // The hash of all pieces, in lower-case digits. Ends the object: nothing may be called after it.
  std::string hex();

 private:
  struct Delete {
    void operator()(void* context) const;
  };
  explicit ContentHash(std::unique_ptr<void, Delete> context) : context_(std::move(context)) {}

  std::unique_ptr<void, Delete> context_;  // an EVP_MD_CTX; OpenSSL stays out of this header
};

}  // namespace gemma
