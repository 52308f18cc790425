#include "tools/model_choice.h"

#include <fmt/format.h>

namespace gemma {

Result<ModelChoice> parse_model_choice(const std::string& text) {
  const size_t at = text.rfind('#');
  if (at == text.npos) return ModelChoice{text, {}, text};
  ModelChoice choice{text.substr(0, at), text.substr(at + 1), text};
  if (choice.scheme.empty()) return choice;
  Result<Scheme> scheme = parse_scheme(choice.scheme);
  if (!scheme) {
    scheme.error().where = fmt::format("{}: {}", text, scheme.error().where);
    return fail(std::move(scheme.error()));
  }
  return choice;
}

}  // namespace gemma
