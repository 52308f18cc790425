#include "loader/web_address.h"

#include <memory>
#include <string_view>

#include <curl/curl.h>

namespace gemma {
namespace {

struct DeleteUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK || text == nullptr) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::optional<WebAddress> parse_web_address(const std::string& address) {
  if (address.find('\0') != address.npos) return std::nullopt;
  const std::unique_ptr<CURLU, DeleteUrl> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK) return std::nullopt;
  WebAddress out;
  out.scheme = lower(part(url.get(), CURLUPART_SCHEME));
  out.host = lower(part(url.get(), CURLUPART_HOST));
  out.port = part(url.get(), CURLUPART_PORT);
  if ((out.scheme != "http" && out.scheme != "https") || out.host.empty()) return std::nullopt;
  for (const CURLUPart extra : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    out.has_extras = out.has_extras || !part(url.get(), extra).empty();
  }
  return out;
}

std::string percent_encoded(const std::string& text, bool keep_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/');
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace gemma
