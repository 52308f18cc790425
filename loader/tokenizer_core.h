// What a tokenizer is made of once it is read: the checked, indexed form of a piece list, merges and added
// tokens. tokenizer_json.h and Tokenizer::build bring the lists, assemble_tokenizer() checks them and fills
// the tables, Tokenizer and StreamDecoder read them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/bpe.h"
#include "loader/result.h"
#include "loader/tokenizer_added_tokens.h"
#include "loader/tokenizer_vocabulary.h"

namespace gemma {

// The lists as they come, unchecked but for being UTF-8. Views into the caller's memory.
struct TokenizerLists {
  std::vector<std::pair<std::string_view, int64_t>> pieces;           // piece, id
  std::vector<std::pair<std::string_view, std::string_view>> merges;  // rank order
  std::vector<std::array<int32_t, 3>> merge_ids;  // instead of merges: ids of left, right and their product
  std::vector<AddedToken> added;
  bool add_bos = false;
};

struct TokenizerCore {
  Vocabulary vocabulary;
  Bpe bpe;
  AddedTokens added;
  std::vector<bool> special;        // by id
  std::vector<int32_t> added_only;  // added tokens that are no pieces of the model, ascending
  bool add_bos = false;
  uint64_t fingerprint = 0;
};

// Errors (kInvalidFile unless said): a piece or added token that is empty, there twice, or whose id is
// outside [0, Vocabulary::kMaxIds) or taken; a byte without a piece "<0xHH>"; a merge of pieces or into a
// piece that the vocabulary lacks, or there twice; an added token longer than AddedTokens::kLongest
// (kUnsupported); a byte or a merge's product that is special (kUnsupported): plain text could then spell a
// control token.
Result<TokenizerCore> assemble_tokenizer(TokenizerLists lists, const std::string& where);

}  // namespace gemma
