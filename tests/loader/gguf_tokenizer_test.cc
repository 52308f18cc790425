#include "loader/gguf_tokenizer.h"

#include <doctest/doctest.h>

#include "tests/loader/gguf_model.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

Result<Tokenizer> tokenizer_of(const GgufModel& model) {
  TemporaryFolder folder;
  const auto file = GgufFile::open(model.write(folder.path("m.gguf")));
  REQUIRE_MESSAGE(file.has_value(), file.error().message());
  CHECK(has_gguf_tokenizer(*file));
  return read_gguf_tokenizer(*file);
}

std::string refusal(const GgufModel& model, ErrorCode code = ErrorCode::kInvalidFile) {
  const Result<Tokenizer> tokenizer = tokenizer_of(model);
  REQUIRE_FALSE(tokenizer);
  CHECK(tokenizer.error().code == code);
  return tokenizer.error().what;
}

using Ids = std::vector<int32_t>;

TEST_CASE("text is encoded by the merges, and by bytes where there is no piece") {
  const Result<Tokenizer> tokenizer = tokenizer_of(GgufModel());
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message());
  CHECK(tokenizer->vocab_size() == 300);
  CHECK(tokenizer->encode("abcab", SpecialTokens::kAsText) == Ids{10, 9});
  CHECK(tokenizer->encode("a!", SpecialTokens::kAsText) == Ids{6, 11 + '!'});
  CHECK(tokenizer->decode(Ids{10, 11 + '!'}, false) == "abc!");
}

TEST_CASE(
    "control pieces and Gemma's marks are special, other user-defined pieces are plain text found whole") {
  const Result<Tokenizer> tokenizer = tokenizer_of(GgufModel());
  REQUIRE(tokenizer);
  CHECK(tokenizer->is_special(3));
  CHECK(tokenizer->is_special(4));
  CHECK_FALSE(tokenizer->is_special(5));
  CHECK(tokenizer->encode("<bos>a<|tool_call><table>", SpecialTokens::kParse) == Ids{2, 6, 4, 5});
  const Ids as_text = tokenizer->encode("<|tool_call><table>", SpecialTokens::kAsText);
  CHECK(as_text.size() == 13);  // 12 bytes of what a user typed, and the tag
  CHECK(as_text.back() == 5);
}

TEST_CASE("a tokenizer is taken apart into what it was made of") {
  const Result<Tokenizer> tokenizer = tokenizer_of(GgufModel());
  REQUIRE(tokenizer);
  const TokenizerParts parts = tokenizer->parts();
  CHECK(parts.pieces == GgufModel().pieces);
  CHECK(parts.merges == std::vector<std::pair<std::string, std::string>>{{"a", "b"}, {"ab", "c"}});
  CHECK(parts.added.size() == 6);
  const Result<Tokenizer> again = Tokenizer::build(parts, "again");
  REQUIRE(again);
  CHECK(again->fingerprint() == tokenizer->fingerprint());
}

TEST_CASE("another kind of tokenizer is refused by name") {
  GgufModel model;
  model.string("tokenizer.ggml.model", "llama");
  CHECK(refusal(model, ErrorCode::kUnsupported) ==
        "tokenizer.ggml.model: expected \"gemma4\", found \"llama\"");
}

TEST_CASE("lists that contradict each other or hold no text are refused") {
  const auto with = [](auto change, ErrorCode code = ErrorCode::kInvalidFile) {
    GgufModel model;
    change(model);
    return refusal(model, code);
  };
  with([](GgufModel& m) { m.types.pop_back(); });
  with([](GgufModel& m) { m.pieces.clear(); });
  with([](GgufModel& m) { m.merges.clear(); });
  with([](GgufModel& m) { m.types[6] = 0; });
  with([](GgufModel& m) { m.types[6] = 7; });
  with([](GgufModel& m) { m.types[6] = -1; });
  with([](GgufModel& m) { m.types[6] = 6; });           // a byte that is none
  with([](GgufModel& m) { m.pieces[20] = "<0x-1>"; });  // as a byte: an index of -1 elsewhere
  with([](GgufModel& m) { m.pieces[20] = "<0xGG>"; });
  with([](GgufModel& m) { m.pieces[6] = "\xC3"; });
  with([](GgufModel& m) { m.pieces[6] = ""; });
  with([](GgufModel& m) { m.pieces[7] = "a"; });  // twice
  with([](GgufModel& m) { m.merges[0] = "ab"; });
  with([](GgufModel& m) { m.merges[0] = "a b c"; });
  with([](GgufModel& m) { m.merges[0] = " b"; });
  with([](GgufModel& m) { m.merges[0] = "a "; });
  with([](GgufModel& m) { m.merges[0] = "a z"; });  // of a piece that is not there
  with([](GgufModel& m) { m.merges.push_back("a b"); });
  with([](GgufModel& m) { m.types[9] = 3; },
       ErrorCode::kUnsupported);  // plain text would spell a control token
}

}  // namespace
}  // namespace gemma
