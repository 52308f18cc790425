// What tokenizer.json files are read, and what is said about the others.
#include "loader/tokenizer_json.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/tokenizer.h"
#include "tests/loader/tokenizer_json_text.h"

namespace gemma {
namespace {

Result<Tokenizer> parse(const TokenizerJsonText& json) {
  return Tokenizer::parse(json.text(), "t.json");
}

void check_refused(const Result<Tokenizer>& result, ErrorCode code, std::string_view what) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == code);
  CHECK(result.error().where == "t.json");
  INFO(result.error().what);
  CHECK(result.error().what.find(what) != std::string::npos);
}

void check_refused(const TokenizerJsonText& json, ErrorCode code, std::string_view what) {
  check_refused(parse(json), code, what);
}

constexpr ErrorCode kInvalid = ErrorCode::kInvalidFile;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

TEST_CASE("a file of Gemma's format is read") {
  const auto tokenizer = parse({});
  REQUIRE(tokenizer);
  CHECK(tokenizer->vocab_size() == 259);
  CHECK(tokenizer->encode("abba", SpecialTokens::kAsText) == std::vector<int32_t>{258, 257, 256});
  CHECK_FALSE(tokenizer->add_bos());
}

TEST_CASE("merges are read as pairs and as two words") {
  const auto tokenizer = parse({.merges = R"(["a b"])"});
  REQUIRE(tokenizer);
  CHECK(tokenizer->encode("ab", SpecialTokens::kAsText) == std::vector<int32_t>{258});
}

TEST_CASE("equivalent spellings of the pipeline are read") {
  CHECK(parse({.normalizer = R"({"type":"Sequence","normalizers":)"
                             R"([{"content":"▁","pattern":{"String":" "},"type":"Replace"}]})"}));
  CHECK(parse({.pre_tokenizer = "null", .decoder = "null"}));
  CHECK(parse(
      {.pre_tokenizer = R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"})"}));
  CHECK(parse({.options = R"("dropout":null,"ignore_merges":false,"continuing_subword_prefix":"",)"}));
}

TEST_CASE("add_bos is what the post-processor's template begins with") {
  const std::string template_json =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>","type_id":0}},)"
      R"({"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{}})";
  CHECK(parse({.post_processor = template_json})->add_bos());
  CHECK(parse({.post_processor = R"({"type":"Sequence","processors":[)" + template_json + "]}"})->add_bos());
  CHECK_FALSE(parse({.post_processor = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}}]})"})
                  ->add_bos());
  CHECK_FALSE(parse({.post_processor = R"({"type":"ByteLevel"})"})->add_bos());
}

TEST_CASE("another pipeline is refused by name") {
  check_refused({.normalizer = R"({"type":"NFKC"})"}, kUnsupported, R"(found {"type":"NFKC"})");
  check_refused({.normalizer = "null"}, kUnsupported, "expected the normalizer");
  check_refused({.normalizer = R"({"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"▁"})"},
                kUnsupported, "(a+)+$");
  check_refused({.normalizer = R"({"type":"Sequence","normalizers":[]})"}, kUnsupported,
                "expected the normalizer");
  check_refused({.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false})"}, kUnsupported,
                "ByteLevel");
  check_refused({.decoder = R"({"type":"Metaspace"})"}, kUnsupported, "expected the decoder");
  check_refused({.decoder = R"({"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]})"},
                kUnsupported, "expected the decoder");
}

TEST_CASE("another model is refused by name") {
  check_refused({.type = R"("Unigram")"}, kUnsupported,
                R"(expected model.type to be "BPE", found "Unigram")");
  check_refused({.byte_fallback = "false"}, kUnsupported,
                "expected model.byte_fallback to be true, found false");
  check_refused({.options = R"("ignore_merges":true,)"}, kUnsupported, "model.ignore_merges");
  check_refused({.options = R"("dropout":0.5,)"}, kUnsupported, "model.dropout");
  check_refused({.options = R"("end_of_word_suffix":"</w>",)"}, kUnsupported, "model.end_of_word_suffix");
  check_refused({.options = R"("continuing_subword_prefix":"##",)"}, kUnsupported,
                "model.continuing_subword_prefix");
}

TEST_CASE("an id must be a whole number from 0 to 2^24 - 1, and one piece's") {
  check_refused({.vocab = R"("a":-1)", .merges = "[]"}, kInvalid, "found -1 for \"a\"");
  check_refused({.vocab = R"("a":16777216)", .merges = "[]"}, kInvalid, "expected an id from 0 to 16777215");
  check_refused({.vocab = R"("a":2147483648)", .merges = "[]"}, kInvalid, "found 2147483648");
  check_refused({.vocab = R"("a":1.5)", .merges = "[]"}, kInvalid,
                "expected a whole number as the id of \"a\"");
  check_refused({.vocab = R"("a":"1")", .merges = "[]"}, kInvalid,
                "expected a whole number as the id of \"a\"");
  check_refused({.vocab = R"("a":18446744073709551615)", .merges = "[]"}, kInvalid,
                "expected a whole number");
  check_refused({.vocab = R"("a":300,"b":300)", .merges = "[]"}, kInvalid,
                "id 300 has two pieces, \"a\" and \"b\"");
  check_refused({.vocab = R"("a":300,"a":301)", .merges = "[]"}, kInvalid, "\"a\" has two ids, 300 and 301");
  check_refused({.vocab = R"("":300)", .merges = "[]"}, kInvalid, "the piece with id 300 is empty");
}

TEST_CASE("ids may have holes") {
  const auto tokenizer = parse({.vocab = R"("a":16777215)", .merges = "[]"});
  REQUIRE(tokenizer);
  CHECK(tokenizer->vocab_size() == 16777216);
  CHECK(tokenizer->piece(300).empty());
  CHECK(tokenizer->encode("a", SpecialTokens::kAsText) == std::vector<int32_t>{16777215});
}

TEST_CASE("a merge of absent pieces is refused") {
  check_refused({.merges = R"([["a","c"]])"}, kInvalid, "merge 0 of \"a\" and \"c\" needs \"c\"");
  check_refused({.merges = R"([["a","b"],["b","a"]])"}, kInvalid, "merge 1 of \"b\" and \"a\" needs \"ba\"");
  check_refused({.merges = R"([["a","b"],["a","b"]])"}, kInvalid,
                "merge 1 of \"a\" and \"b\" is there twice");
}

TEST_CASE("a merge that is no pair is refused") {
  for (const char* merges : {R"([["a"]])", R"([["a","b","c"]])", R"([[1,2]])", R"(["ab"])", R"(["a b c"])",
                             R"(["a "])", R"([["","a"]])", "[7]"}) {
    check_refused({.merges = merges}, kInvalid, "expected merge 0 to be [left, right]");
  }
  check_refused({.merges = "{}"}, kInvalid, "expected model.merges to be an array");
}

TEST_CASE("a missing byte piece is refused by name") {
  TokenizerJsonText json;
  json.bytes.replace(json.bytes.find("<0x7F>"), 6, "<0x7f>");
  check_refused(json, kInvalid, "a piece for each byte, but <0x7F> is missing");
}

TEST_CASE("pieces that only look like bytes are pieces") {
  const auto tokenizer =
      parse({.vocab = R"("<0xGG>":256,"<0x-1>":257,"<0x>":258,"<0x0A":259,"<0x0a>":260)", .merges = "[]"});
  REQUIRE(tokenizer);
  const int32_t ids[] = {256, 257, 258, 259};
  CHECK(tokenizer->decode(ids, false) == "<0xGG><0x-1><0x><0x0A");
  const int32_t lower_case[] = {260};  // a byte in the reference's decoder
  CHECK(tokenizer->decode(lower_case, false) == "\n");
}

TEST_CASE("added tokens that contradict the vocabulary or each other are refused") {
  check_refused({.added_tokens = "[" + added_token(256, "x", true) + "]"}, kInvalid,
                "id 256 has two pieces, \"a\" and \"x\"");
  check_refused({.added_tokens = "[" + added_token(999, "ab", true) + "]", .merges = "[]"}, kInvalid,
                "\"ab\" has two ids, 258 and 999");
  check_refused(
      {.added_tokens = "[" + added_token(300, "x", true) + "," + added_token(300, "x", false) + "]"},
      kInvalid, "the added token \"x\" is there twice");
  check_refused({.added_tokens = "[" + added_token(-1, "x", true) + "]"}, kInvalid,
                "expected an id from 0 to");
  check_refused({.added_tokens = "[" + added_token(1 << 24, "x", true) + "]"}, kInvalid,
                "expected an id from 0 to");
  check_refused({.added_tokens = "[" + added_token(300, "", true) + "]"}, kInvalid,
                "the piece with id 300 is empty");
  check_refused({.added_tokens = R"([{"id":300}])"}, kInvalid, "expected an added token with id and content");
  check_refused({.added_tokens = R"([{"id":300,"content":"x","special":1}])"}, kInvalid,
                "expected special to be true or false");
  check_refused({.added_tokens = "7"}, kInvalid, "expected added_tokens to be an array");
}

TEST_CASE("added tokens with rules of their own are refused") {
  for (const std::string flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
    check_refused({.added_tokens = R"([{"id":300,"content":"x","special":true,")" + flag + R"(":true}])"},
                  kUnsupported, "found \"x\" to be " + flag);
  }
  CHECK(parse({.added_tokens = "[" + added_token(300, std::string(256, 'x'), true) + "]"}));
  check_refused({.added_tokens = "[" + added_token(300, std::string(257, 'x'), true) + "]"}, kUnsupported,
                "expected added tokens of at most 256 bytes");
}

TEST_CASE("a file whose plain text could spell a special token is refused") {
  check_refused({.added_tokens = "[" + added_token(258, "ab", true) + "]"}, kUnsupported,
                "merge 0 makes the special token \"ab\" out of plain text");
  check_refused({.added_tokens = "[" + added_token(10, "<0x0A>", true) + "]"}, kUnsupported,
                "byte <0x0A> is marked as a special token");
}

TEST_CASE("what is no JSON, or no object where one is due, is refused") {
  check_refused(Tokenizer::parse("", "t.json"), kInvalid, "not valid JSON");
  check_refused(Tokenizer::parse("{\"model\":", "t.json"), kInvalid, "not valid JSON");
  check_refused(Tokenizer::parse("[1]", "t.json"), kInvalid, "expected a JSON object, found [1]");
  check_refused(Tokenizer::parse("{}", "t.json"), kUnsupported, "expected the normalizer");
  TokenizerJsonText lone_surrogate{.vocab = R"("\ud800":300)", .merges = "[]"};
  check_refused(lone_surrogate, kInvalid, "not valid JSON");
  TokenizerJsonText not_utf8{.vocab = "\"\xFF\":300", .merges = "[]"};
  check_refused(not_utf8, kInvalid, "not valid JSON");
}

TEST_CASE("JSON 100 000 levels deep is refused, not followed") {
  check_refused({.post_processor = std::string(100'000, '[') + std::string(100'000, ']')}, kInvalid,
                "not valid JSON");
}

TEST_CASE("every truncation of a file is refused") {
  const std::string text = TokenizerJsonText{}.text();
  size_t accepted = 0;
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    accepted += Tokenizer::parse(std::string_view(text).substr(0, bytes), "t.json").has_value();
  }
  CHECK(accepted == 0);
}

TEST_CASE("what a file says is cut and escaped in messages") {
  check_refused({.merges = R"([["\u001b[2J","a"]])"}, kInvalid, R"(needs "\x1b[2J")");
  check_refused({.merges = "[[\"" + std::string(1000, 'x') + "\",\"a\"]]"}, kInvalid, "...\" (1000 bytes)");
  check_refused({.normalizer = R"({"type":"\u009b2J\u001b"})"}, kUnsupported,
                R"(found {"type":"\xc2\x9b2J\u001b"})");
  check_refused({.normalizer = "\"" + std::string(1000, 'x') + "\""}, kUnsupported,
                std::string(159, 'x') + "...");
}

TEST_CASE("a path that is no regular file is refused") {
  const auto missing = Tokenizer::read("/nonexistent/tokenizer.json");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);

  const auto folder = Tokenizer::read(GEMMA_TEST_DATA);
  REQUIRE_FALSE(folder);
  CHECK(folder.error().code == kInvalid);

  const std::string pipe = "tokenizer_test_pipe_" + std::to_string(::getpid());
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const auto read = Tokenizer::read(pipe);
  ::unlink(pipe.c_str());
  REQUIRE_FALSE(read);
  CHECK(read.error().code == kInvalid);
}

TEST_CASE("a file beyond the limit is refused before it is read") {
  const std::string path = "tokenizer_test_sparse_" + std::to_string(::getpid());
  FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  std::fclose(file);
  REQUIRE(::truncate(path.c_str(), off_t{1} << 40) == 0);
  const auto read = Tokenizer::read(path);
  ::unlink(path.c_str());
  REQUIRE_FALSE(read);
  CHECK(read.error().code == kUnsupported);
  CHECK(read.error().what == "expected a tokenizer of at most 134217728 bytes, found 1099511627776");
}

}  // namespace
}  // namespace gemma
