// A text tokenizer for synthetic checkpoints: Gemma 4's special tokens, runs of newlines, spaces and tabs,
// HTML tags and bytes at their real ids, so that chat templates, stop tokens and byte fallback work as with
// the real one, and made-up words (engine/synthetic_words.h) where the real pieces are. English comes to some
// 3 characters per token; any text decodes to what was encoded.
#pragma once

#include <cstddef>

#include "loader/result.h"
#include "loader/tokenizer.h"

namespace gemma {

// Pieces 0..vocab_size-1 without a hole, merges and the 24 added tokens (those below vocab_size). With 262144
// pieces all ids from 255968 on are Gemma 4's; smaller vocabularies have words up to the end and no tab runs
// and media marks. Outside 1024..262144: kUsage.
Result<TokenizerParts> synthetic_tokenizer_parts(size_t vocab_size);

Result<Tokenizer> synthetic_tokenizer(size_t vocab_size);

}  // namespace gemma
