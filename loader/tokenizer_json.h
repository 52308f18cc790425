// Reads the lists of a tokenizer out of a tokenizer.json (Hugging Face tokenizers' format). Exactly the
// pipeline of Gemma's files is accepted, since any other would give other ids without a word:
//
//   model          BPE with byte fallback; merges as pairs or as "left right"; nothing that changes the rules
//   normalizer     Replace " " by "▁"
//   pre_tokenizer  none, or Split on " " (which the normalizer has left none of)
//   decoder        none, or Replace "▁" by " ", ByteFallback, Fuse
//   added_tokens   plain: not single_word, lstrip, rstrip or normalized
//
// A Sequence of one stands for the one. The post-processor is only asked whether it puts <bos> first.
#pragma once

#include <string>
#include <string_view>

#include <simdjson.h>

#include "loader/result.h"
#include "loader/tokenizer_core.h"

namespace gemma {

class TokenizerJson {
 public:
  static constexpr size_t kMaxBytes = size_t{128} << 20;  // Gemma's file has 33 MB

  // The bytes of a regular file of at most kMaxBytes. Errors: File::open's and read_at's, kUnsupported,
  // kResource.
  static Result<TokenizerJson> load(const std::string& path);
  static Result<TokenizerJson> copy(std::string_view json, const std::string& where);

  // The lists, whose views last as long as this object. Errors: kInvalidFile if it is no JSON or not of the
  // format, kUnsupported for a pipeline other than the above; each names the part and what was expected.
  // Call once.
  Result<TokenizerLists> lists();

 private:
  TokenizerJson(simdjson::padded_string json, std::string where)
      : json_(std::move(json)), where_(std::move(where)) {}

  simdjson::padded_string json_;
  std::string where_;
  simdjson::dom::parser parser_;
};

}  // namespace gemma
