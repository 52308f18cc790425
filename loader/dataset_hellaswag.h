// HellaSwag as published: a JSON object a line with activity_label, ctx_a, ctx_b, endings (four) and label.
//
// Source of the text rules: lm-evaluation-harness, task hellaswag, so that figures compare:
//
//   question = clean(activity_label + ": " + ctx_a + " " + capitalize(ctx_b)), choices = clean(each ending)
//   clean       blanks at both ends off; " [title]" becomes ". "; "[...]" goes; two blanks become one
//   capitalize  first letter large (ASCII only), all others small
#pragma once

#include <string>
#include <string_view>

#include "loader/dataset.h"

namespace gemma {

// kInvalidFile also for a line without label: the published test file has none.
Result<Dataset> read_hellaswag(const std::string& path);

// The two rules, for tests.
std::string clean_hellaswag(std::string_view text);
std::string capitalize_hellaswag(std::string_view text);

}  // namespace gemma
