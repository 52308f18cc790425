#include "loader/tokenizer.h"

#include <utility>

#include <fmt/format.h>

#include "loader/bpe_encoder.h"
#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/tokenizer_compiled.h"
#include "loader/tokenizer_core.h"
#include "loader/tokenizer_json.h"

namespace gemma {

namespace {

// The JSON reader knows its text to be UTF-8; parts may hold anything.
const std::string* first_invalid(const TokenizerParts& parts) {
  for (const std::string& piece : parts.pieces) {
    if (!is_utf8(piece)) return &piece;
  }
  for (const auto& token : parts.added) {
    if (!is_utf8(token.content)) return &token.content;
  }
  return nullptr;
}

Result<TokenizerCore> assemble(Result<TokenizerJson> json, const std::string& where) {
  if (!json) return fail(json.error());
  Result<TokenizerLists> lists = json->lists();
  if (!lists) return fail(lists.error());
  return assemble_tokenizer(std::move(*lists), where);
}

}  // namespace

Tokenizer::Tokenizer(TokenizerCore core) : core_(std::make_unique<const TokenizerCore>(std::move(core))) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::read(const std::string& path) {
  Result<TokenizerCore> core = assemble(TokenizerJson::load(path), path);
  if (!core) return fail(core.error());
  return Tokenizer(std::move(*core));
}

Result<Tokenizer> Tokenizer::parse(std::string_view json, const std::string& where) {
  Result<TokenizerCore> core = assemble(TokenizerJson::copy(json, where), where);
  if (!core) return fail(core.error());
  return Tokenizer(std::move(*core));
}

Result<Tokenizer> Tokenizer::from_lists(TokenizerLists lists, const std::string& where) {
  Result<TokenizerCore> core = assemble_tokenizer(std::move(lists), where);
  if (!core) return fail(core.error());
  return Tokenizer(std::move(*core));
}

Result<Tokenizer> Tokenizer::build(const TokenizerParts& parts, const std::string& where) {
  if (const std::string* invalid = first_invalid(parts)) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("the piece {} is not UTF-8", in_quotes(*invalid)));
  }
  TokenizerLists lists;
  lists.add_bos = parts.add_bos;
  lists.pieces.reserve(parts.pieces.size());
  for (size_t id = 0; id < parts.pieces.size(); ++id) {
    if (!parts.pieces[id].empty()) lists.pieces.emplace_back(parts.pieces[id], static_cast<int64_t>(id));
  }
  lists.merges.assign(parts.merges.begin(), parts.merges.end());
  for (const auto& [id, content, special] : parts.added) lists.added.push_back({id, content, special});
  return from_lists(std::move(lists), where);
}

TokenizerParts Tokenizer::parts() const {
  TokenizerParts parts;
  const auto text = [&](int32_t id) { return std::string(core_->vocabulary.piece(id)); };
  for (size_t id = 0; id < vocab_size(); ++id) parts.pieces.push_back(text(static_cast<int32_t>(id)));
  for (const BpePairs::Merge& merge : core_->bpe.pairs().by_rank()) {
    parts.merges.emplace_back(text(merge.left), text(merge.right));
  }
  for (const AddedToken& token : core_->added.tokens()) {
    parts.added.push_back({token.id, token.content, token.special});
  }
  parts.add_bos = core_->add_bos;
  return parts;
}

Result<Tokenizer> Tokenizer::parse_compiled(std::span<const std::byte> bytes, const std::string& where) {
  Result<TokenizerLists> lists = parse_compiled_tokenizer(bytes, where);
  if (!lists) return fail(lists.error());
  for (const auto& [piece, id] : lists->pieces) {
    if (!is_utf8(piece)) {
      return fail(ErrorCode::kInvalidFile, where, fmt::format("the piece {} is not UTF-8", in_quotes(piece)));
    }
  }
  Result<TokenizerCore> core = assemble_tokenizer(std::move(*lists), where);
  if (!core) return fail(core.error());
  return Tokenizer(std::move(*core));
}

Result<Tokenizer> Tokenizer::read_compiled(const std::string& path) {
  Result<File> file = File::open(path);
  if (!file) return fail(file.error());
  // Copied rather than read in place: a file that shrinks must be an error.
  if (file->bytes() > TokenizerJson::kMaxBytes) {
    return fail(ErrorCode::kUnsupported, path,
                fmt::format("expected at most {} bytes, found {}", TokenizerJson::kMaxBytes, file->bytes()));
  }
  std::vector<std::byte> bytes(file->bytes());
  if (Result<void> read = file->read_at(0, bytes); !read) return fail(read.error());
  return parse_compiled(bytes, path);
}

std::vector<std::byte> Tokenizer::compile() const {
  return compile_tokenizer(*core_);
}

// Added tokens are found in all of the text first, special ones too: a special token that stays text still
// hides the shorter tokens inside it, as in the reference. What lies between is one BPE word each.
std::vector<int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 1);
  BpeEncoder encoder(core_->bpe, text.size());
  size_t begin = 0;
  size_t from = 0;
  while (const auto match = core_->added.next(text, from)) {
    from = match->begin + match->token->content.size();
    if (match->token->special && special == SpecialTokens::kAsText) continue;
    encoder.append(text.substr(begin, match->begin - begin), ids);
    ids.push_back(match->token->id);
    begin = from;
  }
  encoder.append(text.substr(begin), ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  StreamDecoder decoder(*core_, skip_special);
  std::string text;
  for (const int32_t id : ids) decoder.push(id, text);
  decoder.end_run(text);
  return text;
}

size_t Tokenizer::vocab_size() const {
  return core_->vocabulary.size();
}
std::optional<int32_t> Tokenizer::id_of(std::string_view piece) const {
  return core_->vocabulary.find(piece);
}
std::string_view Tokenizer::piece(int32_t id) const {
  return core_->vocabulary.piece(id);
}
bool Tokenizer::add_bos() const {
  return core_->add_bos;
}
void Tokenizer::list_memory(const std::function<void(const void* begin, size_t bytes)>& visit) const {
  core_->vocabulary.list_memory(visit);
  core_->bpe.list_memory(visit);
  visit(core_->added.tokens().data(), core_->added.tokens().size() * sizeof(AddedToken));
}

uint64_t Tokenizer::fingerprint() const {
  return core_->fingerprint;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < core_->special.size() &&
         core_->special[static_cast<size_t>(id)];
}

}  // namespace gemma
