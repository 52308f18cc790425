// The tokenizer of a checkpoint: rank-based byte-pair encoding as tokenizer.json states it, with byte
// fallback and exactly the added tokens of the file. Source of the rules: Hugging Face tokenizers' BPE model;
// the normalizer (" " -> "▁"), pre-tokenizer and decoder of Gemma's files are the ones accepted, any other is
// an error that names it. docs/how-tokenizer-works.md explains the method; tokenizer_json.h lists what is
// accepted.
//
//   Result<Tokenizer> tokenizer = Tokenizer::read("model/tokenizer.json");
//   std::vector<int32_t> ids = tokenizer->encode("Once upon a time", SpecialTokens::kAsText);
//   std::string text = tokenizer->decode(ids, /*skip_special=*/false);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/result.h"
#include "loader/utf8.h"

namespace gemma {

struct TokenizerCore;
struct TokenizerLists;

// Whether special tokens that are spelled out in a text become their ids (a rendered template) or stay text
// (what a user typed: "<turn|>" in a prompt must not end the turn).
enum class SpecialTokens { kParse, kAsText };

// A piece list in id order and the merges, best first: what a BPE tokenizer is made of. All text is UTF-8.
// The pieces "<0x00>" to "<0xFF>" must be there, so that every text has an encoding. Limits: 2^24 ids, 2^24 -
// 1 merges.
struct TokenizerParts {
  struct Added {
    int32_t id;
    std::string content;
    bool special;
  };
  std::vector<std::string> pieces;  // index = id; an empty piece is a hole
  std::vector<std::pair<std::string, std::string>>
      merges;                // rank order; both sides and the product are pieces
  std::vector<Added> added;  // in pieces under that id, or not in pieces at all
  bool add_bos =
      false;  // the file's post-processor puts <bos> first (information only: encode never adds it)
};

// Immutable once made: all functions may be called from many threads.
class Tokenizer {
 public:
  // Errors: kNotFound, kIo, kResource; kInvalidFile (no JSON, not the format, lists that contradict each
  // other); kUnsupported (another model, normalizer, pre-tokenizer or decoder; more than 128 MB).
  static Result<Tokenizer> read(const std::string& path);
  static Result<Tokenizer> parse(std::string_view json,
                                 const std::string& where);  // `where` names it in errors
  static Result<Tokenizer> build(const TokenizerParts& parts, const std::string& where);
  // The compiled form of loader/tokenizer_compiled.h, and its bytes for a file.
  static Result<Tokenizer> read_compiled(const std::string& path);
  static Result<Tokenizer> parse_compiled(std::span<const std::byte> bytes, const std::string& where);
  std::vector<std::byte> compile() const;
  // The same from lists of views (loader/tokenizer_core.h), which must be UTF-8: for readers of other
  // formats.
  static Result<Tokenizer> from_lists(TokenizerLists lists, const std::string& where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ids of `text`. Never adds <bos>. With kAsText, added tokens that are special stay text, and no text at
  // all yields the id of one; those that are not special (HTML tags, runs of newlines in some files) are
  // still matched, as the reference does. Text should be UTF-8; a byte that is no part of valid UTF-8 becomes
  // its byte token, so nothing is lost. O(n log n).
  std::vector<int32_t> encode(std::string_view text, SpecialTokens special) const;

  // Text of `ids`, valid UTF-8: pieces with "▁" as space, byte tokens as their byte. A run of byte tokens
  // that is not valid UTF-8 as a whole gives one U+FFFD per byte of the run. skip_special leaves out special
  // tokens. Ids out of range and holes give nothing and, like skipped tokens, do not end a run.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  // What build() makes this tokenizer of again: for writing it in another format.
  TokenizerParts parts() const;

  size_t vocab_size() const;                                   // highest id + 1
  std::optional<int32_t> id_of(std::string_view piece) const;  // exact piece or added token
  std::string_view piece(int32_t id) const;  // raw ("▁the", "<0x0A>"); empty for holes and out of range
  bool is_special(int32_t id) const;
  bool add_bos() const;
  // visit(begin, bytes) of every block of memory held, but for the few added tokens' texts.
  void list_memory(const std::function<void(const void* begin, size_t bytes)>& visit) const;
  uint64_t fingerprint() const;  // of ids, pieces, merges and added tokens; the same on every machine

 private:
  explicit Tokenizer(TokenizerCore core);

  std::unique_ptr<const TokenizerCore> core_;
  friend class StreamDecoder;
};

// Decoding while tokens arrive: push() returns the text that is final, finish() what is left, and starts
// anew. The concatenation equals Tokenizer::decode of all ids: it is how decode works. Byte tokens are held
// back until their run ends, since one invalid byte spoils all of it, or until it cannot become valid any
// more. The tokenizer must outlive the decoder; it may be moved.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special);
  std::string push(int32_t id);
  std::string finish();

 private:
  friend class Tokenizer;
  StreamDecoder(const TokenizerCore& core, bool skip_special);
  void push(int32_t id, std::string& text);
  void end_run(std::string& text);

  const TokenizerCore* core_;
  bool skip_special_;
  std::string run_;      // byte tokens held back: the run so far, unless it is hopeless
  Utf8Prefix validity_;  // of the whole run
};

}  // namespace gemma
