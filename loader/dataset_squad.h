// SQuAD 1.1 and 2.0 as published: {"version": ..., "data": [{"title", "paragraphs": [{"context", "qas":
// [{"id", "question", "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}.
//
// Each question becomes an item with its paragraph as context and its title as group. A question with
// is_impossible (or without answers) has no references. Errors name the place: data[3].paragraphs[0].qas[1].
// Each item holds its paragraph: kResource if these copies together pass kLargestDataset (SQuAD's own
// training file makes 0.1 GB of them).
#pragma once

#include <string>

#include "loader/dataset.h"

namespace gemma {

Result<Dataset> read_squad(const std::string& path);

}  // namespace gemma
