// gemma-eval tokenize: JSON that parses and decodes back; ids that are not there are refused.
#include "tools/eval_tokenize.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/loader/temporary_folder.h"

using gemma::SpecialTokens;
using gemma::TemporaryFolder;
using gemma::Tokenizer;

namespace {

Tokenizer shipped() {
  gemma::Result<Tokenizer> tokenizer =
      Tokenizer::read(std::string(GEMMA_SOURCE_DIR) + "/models/stories-qat/tokenizer.json");
  REQUIRE(tokenizer);
  return std::move(*tokenizer);
}

// The program's stdout (and stderr) and exit status.
int run_program(const std::string& arguments, const TemporaryFolder& folder, std::string* output) {
  const std::string log = folder.path("output.txt");
  const int status = std::system(
      (std::string(GEMMA_EVAL) + " tokenize " + arguments + " </dev/null >" + log + " 2>&1").c_str());
  std::ifstream file(log, std::ios::binary);
  output->assign(std::istreambuf_iterator<char>(file), {});
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("the JSON of a text has its ids, their pieces, how many, and the text again") {
  const Tokenizer tokenizer = shipped();
  const std::string text = "Once upon a \"time\"\n\xC3\xAF";
  const std::vector<int32_t> ids = tokenizer.encode(text, SpecialTokens::kAsText);
  const nlohmann::json json = nlohmann::json::parse(gemma::token_json(tokenizer, ids));
  CHECK(json["ids"] == ids);
  CHECK(json["count"] == ids.size());
  CHECK(json["text"] == text);
  REQUIRE(json["pieces"].size() == ids.size());
  CHECK(json["pieces"][0] == tokenizer.piece(ids[0]));
}

TEST_CASE("no ids give empty lists and an empty text") {
  const nlohmann::json json = nlohmann::json::parse(gemma::token_json(shipped(), {}));
  CHECK(json == nlohmann::json{{"count", 0},
                               {"ids", nlohmann::json::array()},
                               {"pieces", nlohmann::json::array()},
                               {"text", ""}});
}

TEST_CASE("an id that the tokenizer does not have is refused with its place") {
  const gemma::Result<void> result = gemma::check_ids(shipped(), std::vector<int32_t>{2, 4096});
  REQUIRE(!result);
  CHECK(result.error().code == gemma::ErrorCode::kUsage);
  CHECK(result.error().where == "--ids: entry 1");
  CHECK(result.error().what == "expected an id from 0 to 4095, found 4096");
}

TEST_CASE("the program keeps spelled special tokens as text unless told to parse them") {
  const TemporaryFolder folder;
  std::string output;
  CHECK(run_program("--text '<bos>'", folder, &output) == 0);
  CHECK(nlohmann::json::parse(output)["count"] > 1);
  CHECK(run_program("--special parse --text '<bos>'", folder, &output) == 0);
  CHECK(nlohmann::json::parse(output)["ids"] == std::vector<int32_t>{2});
}

TEST_CASE("the program encodes a file and decodes its own output") {
  const TemporaryFolder folder;
  std::string output;
  CHECK(run_program("--file " + folder.write("story.txt", "Tom had a cat.\n"), folder, &output) == 0);
  const nlohmann::json encoded = nlohmann::json::parse(output);
  CHECK(encoded["text"] == "Tom had a cat.\n");
  CHECK(run_program("--ids @" + folder.write("ids.json", output), folder, &output) == 0);
  CHECK(nlohmann::json::parse(output) == encoded);
}

TEST_CASE("the program asks for exactly one input, and for a tokenizer") {
  const TemporaryFolder folder;
  std::string output;
  CHECK(run_program("", folder, &output) == 2);
  CHECK(output ==
        "gemma-eval tokenize: there is nothing to tokenize (give one of --text TEXT, --file FILE, --ids "
        "2,5,9)\n");
  CHECK(run_program("--text a --ids 2", folder, &output) == 2);
  CHECK(output.find("more than one input") != std::string::npos);
  CHECK(run_program("-m " GEMMA_TEST_DATA "/goldens/tiny-ple --text a", folder, &output) == 3);
  CHECK(output.find("tiny-ple/tokenizer.json: no such file") != std::string::npos);
}
