// A tokenizer.json for tests: Gemma's pipeline around lists of the test's own. Each field is JSON text, so
// that a test can break exactly one thing. Ids 0..255 are the bytes; `vocab` goes on from 256.
#pragma once

#include <string>

#include <fmt/format.h>

namespace gemma {

struct TokenizerJsonText {
  std::string added_tokens = "[]";
  std::string normalizer = R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})";
  std::string pre_tokenizer =
      R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})";
  std::string post_processor = "null";
  std::string decoder =
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
      R"({"type":"ByteFallback"},{"type":"Fuse"}]})";
  std::string type = R"("BPE")";
  std::string byte_fallback = "true";
  std::string options = "";  // further keys of the model, each followed by a comma
  std::string bytes = all_bytes();
  std::string vocab = R"("a":256,"b":257,"ab":258)";
  std::string merges = R"([["a","b"]])";

  std::string text() const {
    return fmt::format(R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":{},)"
                       R"("post_processor":{},"decoder":{},"model":{{"type":{},{}"byte_fallback":{},)"
                       R"("vocab":{{{},{}}},"merges":{}}}}})",
                       added_tokens, normalizer, pre_tokenizer, post_processor, decoder, type, options,
                       byte_fallback, bytes, vocab, merges);
  }

  static std::string all_bytes() {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
      bytes += fmt::format(R"({}"<0x{:02X}>":{})", byte == 0 ? "" : ",", byte, byte);
    }
    return bytes;
  }
};

// One entry of added_tokens.
inline std::string added_token(int64_t id, const std::string& content, bool special) {
  return fmt::format(R"({{"id":{},"content":"{}","single_word":false,"lstrip":false,"rstrip":false,)"
                     R"("normalized":false,"special":{}}})",
                     id, content, special);
}

}  // namespace gemma
