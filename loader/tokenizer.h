// The tokenizer of a checkpoint: rank-based byte-pair encoding as tokenizer.json states it, with byte fallback
// and exactly the added tokens of the file. Source of the rules: Hugging Face tokenizers' BPE model; the
// normalizer (" " -> "▁"), pre-tokenizer and decoder of Gemma's files are the ones accepted, any other is an
// error that names it.
//
//   Result<Tokenizer> tokenizer = Tokenizer::read("model/tokenizer.json");
//   std::vector<int32_t> ids = tokenizer->encode("Once upon a time", SpecialTokens::kAsText);
//   std::string text = tokenizer->decode(ids, {});
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

// Whether added tokens that are spelled out in a text become their ids (a rendered template) or stay text
// (what a user typed: "<turn|>" in a prompt must not end the turn).
enum class SpecialTokens { kParse, kAsText };

// A piece list in id order and the merges, best first: what a BPE tokenizer is made of.
struct TokenizerParts {
  struct Added {
    int32_t id;
    std::string content;
    bool special;
  };
  std::vector<std::string> pieces;                           // index = id
  std::vector<std::pair<std::string, std::string>> merges;   // rank order
  std::vector<Added> added;
  bool add_bos = false;  // the file's post-processor puts <bos> first (information only: encode never adds it)
};

class Tokenizer {
 public:
  static Result<Tokenizer> read(const std::string& path);
  static Result<Tokenizer> parse(std::string_view json, const std::string& where);
  static Result<Tokenizer> build(TokenizerParts parts, const std::string& where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ids of `text` (UTF-8; each invalid byte counts as U+FFFD would in the reference: it becomes its own byte
  // token). Never adds <bos>. With kAsText, added tokens that are special stay text; those that are not
  // special (HTML tags, runs of newlines in some files) are still matched, as the reference does.
  std::vector<int32_t> encode(std::string_view text, SpecialTokens special) const;

  // Bytes of `ids`: pieces with "▁" as space, byte tokens as their byte, invalid UTF-8 as U+FFFD per byte of a
  // run of byte tokens. skip_special leaves out added tokens marked special. Ids out of range give nothing.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  size_t vocab_size() const;                             // highest id + 1
  std::optional<int32_t> id_of(std::string_view piece) const;  // exact piece or added token
  std::string_view piece(int32_t id) const;              // raw piece ("▁the", "<0x0A>"); empty if out of range
  bool is_special(int32_t id) const;
  bool add_bos() const;
  uint64_t fingerprint() const;                          // of pieces, merges and added tokens

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  friend class StreamDecoder;
};

// Decoding while tokens arrive: push() returns the text that is final; bytes of an unfinished UTF-8 character
// are held back until it is whole (or found invalid); finish() returns what is left. The concatenation equals
// Tokenizer::decode of all ids.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special);
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string held_;  // bytes of byte tokens not yet decided
};

}  // namespace gemma
