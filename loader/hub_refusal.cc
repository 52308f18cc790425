#include "loader/hub_refusal.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr std::chrono::seconds kLongestPause{60};

// Retry-After in seconds; its other form, a date, is not used by the hub.
std::chrono::milliseconds wanted_pause(const HttpHead& head) {
  const std::string& text = head.field("retry-after");
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) return {};
  return std::min<std::chrono::milliseconds>(kLongestPause,
                                             std::chrono::seconds(std::min<int64_t>(seconds, 60)));
}

bool passes(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

}  // namespace

HttpFailure hub_refusal(const HttpHead& head, const HubSettings& settings, const HubId& id,
                        const std::string& file) {
  const std::string page = settings.endpoint + "/" + id.id();
  const std::string& code = head.field("x-error-code");
  Error error{ErrorCode::kIo, file.empty() ? id.id() : id.id() + ": " + file, {}, {}};
  if (head.status == 401 || (head.status == 403 && settings.token.empty())) {
    // The hub does not tell strangers whether a model exists.
    if (settings.token.empty()) {
      error.what = fmt::format(
          "the hub wants to know who asks ({}): the model needs an agreement, is private "
          "or does not exist",
          head.status);
      error.hint = fmt::format(
          "check the name and agree to its terms on {}, then set HF_TOKEN to a token of "
          "yours (Settings, Access Tokens)",
          page);
    } else {
      error.what = fmt::format("the hub refused the token ({}): it is not valid, or the model does not exist",
                               head.status);
      error.hint = fmt::format("check the name on {} and the token in HF_TOKEN", page);
    }
  } else if (head.status == 403) {
    error.what = "the hub refused access (403): the owner of the token may not read this model";
    error.hint = fmt::format(
        "agree to its terms on {}; a fine-grained token in HF_TOKEN needs the right to "
        "read gated models",
        page);
  } else if (head.status == 404) {
    error.code = ErrorCode::kNotFound;
    if (code == "RevisionNotFound") {
      error.what = fmt::format("the hub has no revision {} of this model", id.revision);
      error.hint = fmt::format("see {}/tree/main for branches and tags", page);
    } else if (!file.empty()) {
      error.what = fmt::format("the hub has no such file in revision {}", id.revision);
      error.hint = fmt::format("see {}/tree/{}", page, id.revision);
    } else {
      error.what = fmt::format("the hub has no such model or no revision {} of it", id.revision);
      error.hint = fmt::format("check the name: {}", page);
    }
  } else {
    error.what = fmt::format("the hub answered {}", head.status);
    const std::string& message = head.field("x-error-message");
    if (!message.empty()) error.what += ": " + in_quotes(message, 200);
    if (passes(head.status)) error.hint = "try again later; what has arrived is kept";
  }
  return HttpFailure{std::move(error), passes(head.status), wanted_pause(head)};
}

HttpFailure storage_refusal(const HttpHead& head, const HubId& id, const std::string& file,
                            const std::string& host) {
  // The hub signs such an address for some minutes: with a new one, what was refused (403) may be given.
  const bool temporary = passes(head.status) || head.status == 403;
  return HttpFailure{Error{ErrorCode::kIo, id.id() + ": " + file,
                           fmt::format("the storage {} answered {}", in_quotes(host), head.status),
                           temporary ? "try again later; what has arrived is kept" : ""},
                     temporary, wanted_pause(head)};
}

}  // namespace gemma
