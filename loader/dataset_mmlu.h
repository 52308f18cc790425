// MMLU as published (Hendrycks et al. 2020): CSV without a header, question, A, B, C, D, the right letter.
//
// The subject, each item's group, is the file's name: high_school_physics_test.csv is "high school physics".
// Blanks around the question go, as in lm-evaluation-harness.
#pragma once

#include <string>
#include <string_view>

#include "loader/dataset.h"

namespace gemma {

Result<Dataset> read_mmlu(const std::string& path);

// Of a path, without folders, ending and _test, _dev or _val; underscores become blanks.
std::string mmlu_subject(std::string_view path);

}  // namespace gemma
