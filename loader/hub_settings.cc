#include "loader/hub_settings.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/hub_cache.h"
#include "loader/in_quotes.h"
#include "loader/web_address.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTokenBytes = 4096;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_yes(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  constexpr std::array<std::string_view, 4> kYes = {"1", "on", "yes", "true"};
  return std::find(kYes.begin(), kYes.end(), value) != kYes.end();
}

Result<std::string> read_endpoint() {
  std::string endpoint = variable("HF_ENDPOINT");
  if (endpoint.empty()) return HubSettings{}.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::optional<WebAddress> address = parse_web_address(endpoint);
  if (!address || address->has_extras) {
    return fail(ErrorCode::kUsage, "HF_ENDPOINT",
                fmt::format("expected an address such as {}, found {}", HubSettings{}.endpoint,
                            // What may be a password is not shown.
                            address && address->has_extras ? "one with a user, query or fragment"
                                                           : in_quotes(endpoint)));
  }
  return endpoint;
}

// Control characters would let a token add headers of its own.
Result<std::string> checked_token(std::string token, const std::string& where) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && is_space(token.back())) token.pop_back();
  token.erase(token.begin(), std::find_if_not(token.begin(), token.end(), is_space));
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return fail(ErrorCode::kUsage, where, "expected a token of printable characters without spaces",
                "a token begins with hf_");
  }
  return token;
}

Result<std::string> read_token() {
  if (std::string token = variable("HF_TOKEN"); !token.empty())
    return checked_token(std::move(token), "HF_TOKEN");
  std::optional<fs::path> path = path_variable("HF_TOKEN_PATH");
  if (!path) {
    const std::optional<fs::path> home = hub_home_folder();
    if (!home) return std::string();
    path = *home / "token";
  }
  std::error_code error;
  if (!fs::exists(*path, error)) return std::string();
  Result<std::string> text = read_text(path->string(), kMaxTokenBytes);
  if (!text) return fail(std::move(text.error()));
  return checked_token(std::move(*text), path->string());
}

}  // namespace

Result<HubSettings> hub_settings() {
  HubSettings settings;
  settings.offline = is_yes(variable("HF_HUB_OFFLINE"));
  Result<std::string> endpoint = read_endpoint();
  if (!endpoint) return fail(std::move(endpoint.error()));
  settings.endpoint = std::move(*endpoint);
  Result<std::string> token = read_token();
  if (!token) return fail(std::move(token.error()));
  settings.token = std::move(*token);
  const std::optional<fs::path> cache = hub_cache_folder();
  if (!cache) {
    return fail(ErrorCode::kNotFound, "cache", "there is no place for it: HOME is not set",
                "set HF_HOME to a folder");
  }
  settings.cache = cache->string();
  return settings;
}

}  // namespace gemma
