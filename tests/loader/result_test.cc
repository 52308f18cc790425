#include "loader/result.h"

#include <set>
#include <string>

#include <doctest/doctest.h>

namespace gemma {
namespace {

TEST_CASE("an error's line is where, what and hint, as far as they are there") {
  CHECK(Error{ErrorCode::kUsage, "a", "b", "c"}.message() == "a: b (c)");
  CHECK(Error{ErrorCode::kUsage, "", "b", "c"}.message() == "b (c)");
  CHECK(Error{ErrorCode::kUsage, "a", "b", ""}.message() == "a: b");
  CHECK(Error{ErrorCode::kUsage, "", "b", ""}.message() == "b");
}

TEST_CASE("every code has a name of its own") {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.insert(to_string(static_cast<ErrorCode>(code)));
  }
  CHECK(names.size() == static_cast<size_t>(ErrorCode::kInternal) + 1);
  CHECK(to_string(ErrorCode::kNotFound) == "not-found");
}

}  // namespace
}  // namespace gemma
