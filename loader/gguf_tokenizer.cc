#include "loader/gguf_tokenizer.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "loader/gguf_fields.h"
#include "loader/in_quotes.h"
#include "loader/tokenizer_core.h"
#include "loader/tokenizer_vocabulary.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

constexpr char kPrefix[] = "tokenizer.ggml.";

}  // namespace

bool is_mark(std::string_view piece) {
  return piece.size() > 3 && piece.front() == '<' && piece.back() == '>' &&
         (piece[1] == '|' || piece[piece.size() - 2] == '|');
}

bool has_gguf_tokenizer(const GgufFile& file) {
  return file.find("tokenizer.ggml.model") != nullptr;
}

Result<Tokenizer> read_gguf_tokenizer(const GgufFile& file) {
  Problems problems;
  const GgufFields keys(file, kPrefix, problems);
  const std::string_view model = keys.string("model").value_or("");
  if (model != "gemma4") {
    keys.unsupported("model", "expected \"gemma4\", found " + in_quotes(model, 40));
    return problems.failure(file.path());
  }
  const std::vector<std::string_view> pieces = keys.strings("tokens");
  const std::vector<std::string_view> merges = keys.strings("merges");
  const std::vector<int64_t> types = keys.integers("token_type");
  TokenizerLists lists;
  lists.add_bos = keys.boolean("add_bos_token").value_or(true);
  if (pieces.empty()) keys.missing("tokens");
  if (merges.empty()) keys.missing("merges");
  if (types.size() != pieces.size()) {
    keys.invalid("token_type",
                 fmt::format("expected one for each of {} tokens, found {}", pieces.size(), types.size()));
  }
  if (!problems.empty()) return problems.failure(file.path());

  lists.pieces.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    const std::string_view piece = pieces[id];
    if (!is_utf8(piece)) {
      keys.invalid("tokens", fmt::format("piece {} of id {} is not UTF-8", in_quotes(piece), id));
      return problems.failure(file.path());
    }
    if (types[id] < kGgufNormal || types[id] > kGgufByte) {
      keys.invalid("token_type", fmt::format("expected {} to {}, found {} for id {}", kGgufNormal, kGgufByte,
                                             types[id], id));
      return problems.failure(file.path());
    }
    if (types[id] == kGgufByte && !piece_byte(piece)) {
      keys.invalid("token_type", fmt::format("id {} is a byte, but its piece is {}", id, in_quotes(piece)));
      return problems.failure(file.path());
    }
    lists.pieces.emplace_back(piece, static_cast<int64_t>(id));
    const bool control = types[id] == kGgufControl || types[id] == kGgufUnknown;
    if (control || types[id] == kGgufUserDefined) {
      lists.added.push_back({static_cast<int32_t>(id), std::string(piece), control || is_mark(piece)});
    }
  }
  lists.merges.reserve(merges.size());
  for (const std::string_view merge : merges) {
    const size_t space = merge.find(' ');
    if (space == merge.npos || merge.find(' ', space + 1) != merge.npos || space == 0 ||
        space + 1 == merge.size()) {
      keys.invalid("merges", fmt::format("expected \"left right\", found {} at {}", in_quotes(merge),
                                         lists.merges.size()));
      return problems.failure(file.path());
    }
    lists.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return Tokenizer::from_lists(std::move(lists), file.path() + ": tokenizer.ggml");
}

}  // namespace gemma
