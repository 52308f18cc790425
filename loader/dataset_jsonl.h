// Our own data: one JSON object a line, with fields of the names in DatasetFields.
//
//   {"id": "7", "question": "Who found it?", "context": "...", "references": ["Marie Curie", "Curie"]}
//   {"question": "2 + 2 =", "choices": ["3", "4"], "answer": 1}
//
// question, context  texts; at least one is there and not empty
// references         right answers: a text or a list of texts; an empty list says that there is none
// choices            2 to 26 texts, none empty, no two alike; then references are ignored
// answer             the right choice: its text, its letter, or its number from 0
// id                 a text or a whole number; if absent, the number of the item from 1
//
// Other fields are ignored, and null is the same as absent. A field that is there under its name but of
// another type is an error.
#pragma once

#include <string>

#include "loader/dataset.h"

namespace gemma {

Result<Dataset> read_jsonl_dataset(const std::string& path, const DatasetFields& fields);

}  // namespace gemma
