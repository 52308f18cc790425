// The parts of an http or https address that decide who may hear what.
#pragma once

#include <optional>
#include <string>

namespace gemma {

struct WebAddress {
  std::string scheme;       // "http" or "https"
  std::string host;         // lower-case
  std::string port;         // also where it is the scheme's own: "443"
  bool has_extras = false;  // user, password, query or fragment

  // Secrets of the one may be told to the other.
  bool same_origin(const WebAddress& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// Nothing for what is no address, or one of another scheme.
std::optional<WebAddress> parse_web_address(const std::string& address);

// Everything but letters, digits and "-._~" as %XX; a slash stays where `keep_slashes`.
std::string percent_encoded(const std::string& text, bool keep_slashes);

}  // namespace gemma
