#include "loader/content_hash.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace gemma {

void ContentHash::Delete::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Result<ContentHash> ContentHash::create(Kind kind, uint64_t bytes) {
  const char* name = kind == Kind::kSha256 ? "SHA-256" : "SHA-1";
  std::unique_ptr<void, Delete> context(EVP_MD_CTX_new());
  auto* evp = static_cast<EVP_MD_CTX*>(context.get());
  if (evp == nullptr ||
      EVP_DigestInit_ex(evp, kind == Kind::kSha256 ? EVP_sha256() : EVP_sha1(), nullptr) != 1) {
    return fail(ErrorCode::kInternal, "OpenSSL", fmt::format("{} is not available", name));
  }
  ContentHash hash(std::move(context));
  if (kind == Kind::kGitBlob) {
    const std::string head = fmt::format("blob {}", bytes);
    // With the zero that ends it.
    hash.update(std::as_bytes(std::span(head.c_str(), head.size() + 1)));
  }
  return hash;
}

void ContentHash::update(std::span<const std::byte> piece) {
  // Cannot fail for these hashes: it only mixes bytes into memory that exists.
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), piece.data(), piece.size());
}

std::string ContentHash::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), digest.data(), &size);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : std::span(digest).first(size)) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace gemma
