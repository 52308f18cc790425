#include "loader/hub_id.h"

#include <algorithm>
#include <cstddef>

namespace gemma {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

// The hub's own rule for each half of an id.
bool is_hub_word(std::string_view word) {
  return !word.empty() && word.size() <= 96 && std::all_of(word.begin(), word.end(), is_word) &&
         word.front() != '-' && word.front() != '.' && word.back() != '-' && word.back() != '.' &&
         word.find("..") == word.npos && word.find("--") == word.npos;
}

bool is_revision(std::string_view revision) {
  if (revision.empty() || revision.size() > 200 || revision.front() == '-') return false;
  for (size_t start = 0; start <= revision.size();) {
    const size_t end = std::min(revision.find('/', start), revision.size());
    const std::string_view part = revision.substr(start, end - start);
    if (part.empty() || part.front() == '.' || !std::all_of(part.begin(), part.end(), is_word)) return false;
    start = end + 1;
  }
  return true;
}

}  // namespace

std::optional<HubId> parse_hub_id(std::string_view model) {
  HubId id;
  if (const size_t at = model.find('@'); at != model.npos) {
    id.revision = model.substr(at + 1);
    model = model.substr(0, at);
    if (!is_revision(id.revision)) return std::nullopt;
  }
  const size_t slash = model.find('/');
  if (slash == model.npos) return std::nullopt;
  id.owner = model.substr(0, slash);
  id.name = model.substr(slash + 1);
  if (!is_hub_word(id.owner) || !is_hub_word(id.name)) return std::nullopt;
  return id;
}

}  // namespace gemma
