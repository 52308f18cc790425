#include "tools/eval_tokenize.h"

#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "loader/file.h"
#include "tools/eval_logits.h"
#include "tools/eval_model.h"
#include "tools/options.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval tokenize";
constexpr uint64_t kLargestFile = uint64_t{1} << 30;

// A JSON string; what is no UTF-8 is replaced, so that the output always parses.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct Request {
  std::optional<std::string> text, file, ids;
  std::string special = "text";
};

Result<std::vector<int32_t>> ids_of(const Tokenizer& tokenizer, const Request& request) {
  if (request.ids) {
    Result<std::vector<int32_t>> ids = parse_token_list(*request.ids, "--ids");
    if (!ids) return ids;
    if (Result<void> known = check_ids(tokenizer, *ids); !known) return fail(std::move(known.error()));
    return ids;
  }
  std::string text = request.text.value_or("");
  if (request.file) {
    Result<std::string> read = read_text(*request.file, kLargestFile);
    if (!read) return fail(std::move(read.error()));
    text = std::move(*read);
  }
  return tokenizer.encode(text, request.special == "parse" ? SpecialTokens::kParse : SpecialTokens::kAsText);
}

}  // namespace

std::string token_json(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const int32_t id : ids) pieces.push_back(json_string(tokenizer.piece(id)));
  return fmt::format("{{\n  \"count\": {},\n  \"ids\": [{}],\n  \"pieces\": [{}],\n  \"text\": {}\n}}\n",
                     ids.size(), fmt::join(ids, ", "), fmt::join(pieces, ", "),
                     json_string(tokenizer.decode(ids, false)));
}

Result<void> check_ids(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<size_t>(ids[i]) >= tokenizer.vocab_size()) {
      return fail(ErrorCode::kUsage, fmt::format("--ids: entry {}", i),
                  fmt::format("expected an id from 0 to {}, found {}", tokenizer.vocab_size() - 1, ids[i]),
                  "were these ids made with this model's tokenizer?");
    }
  }
  return {};
}

ExitCode eval_tokenize(int argc, const char* const* argv) {
  std::string model_name;
  Request request;
  Options options(std::string(kProgram), "Turns text into token ids, or ids into text; prints JSON.");
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &model_name,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a .gguf file, a hub id such as google/gemma-4-E2B-it, or synthetic:SIZE"});
  options.group("Input, one of");
  options.add({.name = "text", .target = &request.text, .help = "the text to encode; <bos> is not added"});
  options.add(
      {.name = "file", .letter = 'f', .target = &request.file, .value = "FILE", .help = "a file to encode"});
  options.add({.name = "ids",
               .target = &request.ids,
               .value = "IDS",
               .help = "ids to decode: 2,5,9 or @FILE with a JSON list"});
  options.group("Encoding");
  options.add({.name = "special",
               .target = &request.special,
               .words = {"parse", "text"},
               .value = "HOW",
               .help = "special tokens spelled out in the text, such as <bos>: parse makes them their id, "
                       "text leaves them text, as in a user's prompt"});
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  const int inputs =
      int{request.text.has_value()} + int{request.file.has_value()} + int{request.ids.has_value()};
  if (inputs != 1) {
    return report(kProgram, Error{ErrorCode::kUsage,
                                  {},
                                  inputs == 0 ? "there is nothing to tokenize" : "more than one input",
                                  "give one of --text TEXT, --file FILE, --ids 2,5,9"});
  }
  const Result<std::unique_ptr<Model>> model = open_model(model_name, /*tokenizer=*/true);
  if (!model) return report(kProgram, model.error());
  const Tokenizer* tokenizer = (*model)->tokenizer();
  if (tokenizer == nullptr) {
    return report(kProgram, Error{ErrorCode::kNotFound, (*model)->folder() + "/tokenizer.json",
                                  "no such file", "the folder needs the tokenizer of its model"});
  }
  const Result<std::vector<int32_t>> ids = ids_of(*tokenizer, request);
  if (!ids) return report(kProgram, ids.error());
  return print(kProgram, token_json(*tokenizer, *ids));
}

}  // namespace gemma
