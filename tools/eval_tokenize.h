// gemma-eval tokenize: text to token ids and back, as JSON.
//
//   gemma-eval tokenize --text "Once upon a time"
//   {
//     "count": 4,
//     "ids": [...],
//     "pieces": [...],
//     "text": "Once upon a time"
//   }
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loader/result.h"
#include "loader/tokenizer.h"
#include "tools/exit_code.h"

namespace gemma {

// How many ids, the ids, their raw pieces and the text they decode to, special tokens included: an object
// with one line per key. Ids must be in range (check_ids).
std::string token_json(const Tokenizer& tokenizer, std::span<const int32_t> ids);

// kUsage naming the first id that the tokenizer does not have.
Result<void> check_ids(const Tokenizer& tokenizer, std::span<const int32_t> ids);

ExitCode eval_tokenize(int argc, const char* const* argv);

}  // namespace gemma
