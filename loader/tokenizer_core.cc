#include "loader/tokenizer_core.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <tuple>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "loader/in_quotes.h"
#include "loader/utf8.h"

namespace gemma {

namespace {

Failure invalid(const std::string& where, std::string what) {
  return fail(ErrorCode::kInvalidFile, where, std::move(what), "the file is damaged: fetch it again");
}

// An id as our tables hold it.
Result<int32_t> checked_id(std::string_view piece, int64_t id, const std::string& where) {
  if (piece.empty()) return invalid(where, fmt::format("the piece with id {} is empty", id));
  if (id < 0 || id >= Vocabulary::kMaxIds) {
    return invalid(where, fmt::format("expected an id from 0 to {}, found {} for {}", Vocabulary::kMaxIds - 1,
                                      id, in_quotes(piece)));
  }
  return static_cast<int32_t>(id);
}

Result<void> insert_piece(Vocabulary& vocabulary, std::string_view piece, int32_t id,
                          const std::string& where) {
  if (const std::string_view other = vocabulary.piece(id); !other.empty()) {
    return invalid(where,
                   fmt::format("id {} has two pieces, {} and {}", id, in_quotes(other), in_quotes(piece)));
  }
  if (!vocabulary.insert(piece, id)) {
    return invalid(where,
                   fmt::format("{} has two ids, {} and {}", in_quotes(piece), *vocabulary.find(piece), id));
  }
  return {};
}

// The pieces of the model; the added tokens that it lacks come later, since plain text must not find them.
Result<Vocabulary> make_vocabulary(const TokenizerLists& lists, const std::string& where) {
  size_t ids = 0;
  size_t text_bytes = 0;
  for (const auto& [piece, id] : lists.pieces) {
    const Result<int32_t> checked = checked_id(piece, id, where);
    if (!checked) return fail(checked.error());
    ids = std::max(ids, static_cast<size_t>(id) + 1);
    text_bytes += piece.size();
  }
  for (const AddedToken& token : lists.added) {
    const Result<int32_t> checked = checked_id(token.content, token.id, where);
    if (!checked) return fail(checked.error());
    ids = std::max(ids, static_cast<size_t>(token.id) + 1);
    text_bytes += token.content.size();
  }
  if (text_bytes > UINT32_MAX) {
    return fail(ErrorCode::kUnsupported, where,
                fmt::format("the pieces have {} bytes, more than 4 GB", text_bytes));
  }
  Vocabulary vocabulary(lists.pieces.size() + lists.added.size(), ids, text_bytes);
  for (const auto& [piece, id] : lists.pieces) {
    if (const auto done = insert_piece(vocabulary, piece, static_cast<int32_t>(id), where); !done) {
      return fail(done.error());
    }
  }
  return vocabulary;
}

Result<void> set_symbols(Bpe& bpe, const Vocabulary& vocabulary, const std::vector<bool>& special,
                         const std::string& where) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string piece = byte_piece(static_cast<uint8_t>(byte));
    const std::optional<int32_t> id = vocabulary.find(piece);
    if (!id) {
      return invalid(where,
                     fmt::format("byte fallback needs a piece for each byte, but {} is missing", piece));
    }
    if (special[static_cast<size_t>(*id)]) {
      return fail(ErrorCode::kUnsupported, where, fmt::format("byte {} is marked as a special token", piece));
    }
    bpe.set_byte(static_cast<uint8_t>(byte), *id);
  }
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view piece = vocabulary.piece(static_cast<int32_t>(id));
    if (piece.empty() || piece.size() > 4 || special[id]) continue;
    const Utf8Scalar scalar = utf8_scalar(piece, 0);
    if (scalar.size == piece.size()) bpe.set_character(scalar.value, static_cast<int32_t>(id));
  }
  return {};
}

bool is_product(std::string_view product, std::string_view left, std::string_view right) {
  return !left.empty() && !right.empty() && product.size() == left.size() + right.size() &&
         product.starts_with(left) && product.ends_with(right);
}

// The piece that two pieces make. Files list the merges of one product one after the other and the products
// by id (Gemma's: all but 0.3 %), so the last one or the one after it is tried before the table.
std::optional<int32_t> find_product(const Vocabulary& vocabulary, std::string_view left,
                                    std::string_view right, int32_t last) {
  for (const int32_t id : {last, last + 1}) {
    if (is_product(vocabulary.piece(id), left, right)) return id;
  }
  return vocabulary.find(std::string(left).append(right));
}

// In blocks: a merge's place in the table is asked for from memory while the others are worked on.
// Returns left and right of each as ids.
Result<std::vector<int32_t>> add_merges(Bpe& bpe, const TokenizerLists& lists, const Vocabulary& vocabulary,
                                        const std::vector<bool>& special, const std::string& where) {
  constexpr size_t kBlock = 64;
  std::array<std::string_view, 2 * kBlock> pieces;
  std::vector<int32_t> sides(2 * lists.merges.size());
  int32_t product = 0;
  for (size_t first = 0; first < lists.merges.size(); first += kBlock) {
    const size_t count = std::min(kBlock, lists.merges.size() - first);
    for (size_t i = 0; i < count; ++i) {
      std::tie(pieces[2 * i], pieces[2 * i + 1]) = lists.merges[first + i];
    }
    const std::span<int32_t> ids = std::span(sides).subspan(2 * first, 2 * count);
    vocabulary.find_all(std::span(pieces).first(2 * count), ids);
    for (size_t i = 0; i < count; ++i) bpe.prefetch_merge(ids[2 * i], ids[2 * i + 1]);
    for (size_t i = 0; i < count; ++i) {
      const size_t rank = first + i;
      const auto& [left, right] = lists.merges[rank];
      const auto lacks = [&, left = left, right = right](std::string_view piece) {
        return invalid(where, fmt::format("merge {} of {} and {} needs {}, which the vocabulary lacks", rank,
                                          in_quotes(left), in_quotes(right), in_quotes(piece)));
      };
      if (ids[2 * i] < 0) return lacks(left);
      if (ids[2 * i + 1] < 0) return lacks(right);
      const std::optional<int32_t> found = find_product(vocabulary, left, right, product);
      if (!found) return lacks(std::string(left).append(right));
      product = *found;
      if (special[static_cast<size_t>(product)]) {
        return fail(ErrorCode::kUnsupported, where,
                    fmt::format("merge {} makes the special token {} out of plain text", rank,
                                in_quotes(vocabulary.piece(product))));
      }
      const BpePairs::Merge merge{ids[2 * i], ids[2 * i + 1], static_cast<uint32_t>(rank), product};
      if (!bpe.add_merge(merge, left, right)) {
        return invalid(where, fmt::format("merge {} of {} and {} is there twice", rank, in_quotes(left),
                                          in_quotes(right)));
      }
    }
  }
  return sides;
}

// The same for merges that come as ids, which nothing vouches for.
Result<std::vector<int32_t>> add_merge_ids(Bpe& bpe, const TokenizerLists& lists,
                                           const Vocabulary& vocabulary, const std::vector<bool>& special,
                                           const std::string& where) {
  std::vector<int32_t> sides;
  sides.reserve(2 * lists.merge_ids.size());
  for (size_t rank = 0; rank < lists.merge_ids.size(); ++rank) {
    const auto& [left, right, product] = lists.merge_ids[rank];
    const std::string_view a = vocabulary.piece(left), b = vocabulary.piece(right),
                           ab = vocabulary.piece(product);
    if (!is_product(ab, a, b)) {
      return invalid(where,
                     fmt::format("merge {} of ids {} and {} does not give {}", rank, left, right, product));
    }
    if (special[static_cast<size_t>(product)]) {
      return fail(ErrorCode::kUnsupported, where,
                  fmt::format("merge {} makes the special token {} out of plain text", rank, in_quotes(ab)));
    }
    if (!bpe.add_merge({left, right, static_cast<uint32_t>(rank), product}, a, b)) {
      return invalid(where,
                     fmt::format("merge {} of {} and {} is there twice", rank, in_quotes(a), in_quotes(b)));
    }
    sides.insert(sides.end(), {left, right});
  }
  return sides;
}

Result<void> add_added(Vocabulary& vocabulary, const std::vector<AddedToken>& added,
                       std::vector<int32_t>& added_only, const std::string& where) {
  for (size_t i = 0; i < added.size(); ++i) {
    const auto& [id, content, special] = added[i];
    if (content.size() > AddedTokens::kLongest) {
      return fail(ErrorCode::kUnsupported, where,
                  fmt::format("expected added tokens of at most {} bytes, found {} of {}",
                              AddedTokens::kLongest, in_quotes(content), content.size()));
    }
    if (vocabulary.piece(id) == content) continue;  // as usual: an added token of the vocabulary
    if (const auto done = insert_piece(vocabulary, content, id, where); !done) return fail(done.error());
    added_only.push_back(id);
  }
  std::sort(added_only.begin(), added_only.end());
  return {};
}

// Over ids and texts, not over the order in a file; holes count as empty pieces.
uint64_t fingerprint_of(const Vocabulary& vocabulary, const std::vector<AddedToken>& added,
                        const std::vector<int32_t>& merge_sides) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  const auto add = [&state](std::span<const int32_t> numbers) {
    XXH3_64bits_update(&state, numbers.data(), numbers.size_bytes());
  };
  std::vector<int32_t> sizes(vocabulary.size());
  for (size_t id = 0; id < sizes.size(); ++id) {
    const std::string_view piece = vocabulary.piece(static_cast<int32_t>(id));
    sizes[id] = static_cast<int32_t>(piece.size());
    XXH3_64bits_update(&state, piece.data(), piece.size());
  }
  std::vector<int32_t> marks;
  for (const AddedToken& token : added) marks.push_back(2 * token.id + token.special);
  std::sort(marks.begin(), marks.end());
  const int32_t counts[] = {static_cast<int32_t>(sizes.size()), static_cast<int32_t>(marks.size())};
  add(counts);
  add(sizes);
  add(marks);
  add(merge_sides);
  return XXH3_64bits_digest(&state);
}

}  // namespace

Result<TokenizerCore> assemble_tokenizer(TokenizerLists lists, const std::string& where) {
  const size_t merges = std::max(lists.merges.size(), lists.merge_ids.size());
  if (merges > Bpe::kMaxMerges) {
    return fail(ErrorCode::kUnsupported, where,
                fmt::format("expected at most {} merges, found {}", Bpe::kMaxMerges, merges));
  }
  Result<Vocabulary> vocabulary = make_vocabulary(lists, where);
  if (!vocabulary) return fail(vocabulary.error());

  std::vector<bool> special(vocabulary->size());
  for (const AddedToken& token : lists.added) {
    if (token.special) special[static_cast<size_t>(token.id)] = true;
  }
  Bpe bpe(merges);
  if (const auto done = set_symbols(bpe, *vocabulary, special, where); !done) return fail(done.error());
  const Result<std::vector<int32_t>> sides = lists.merge_ids.empty()
                                                 ? add_merges(bpe, lists, *vocabulary, special, where)
                                                 : add_merge_ids(bpe, lists, *vocabulary, special, where);
  if (!sides) return fail(sides.error());
  std::vector<int32_t> added_only;
  if (const auto done = add_added(*vocabulary, lists.added, added_only, where); !done)
    return fail(done.error());

  AddedTokens added(lists.added);
  const auto twice =
      std::adjacent_find(added.tokens().begin(), added.tokens().end(),
                         [](const AddedToken& a, const AddedToken& b) { return a.content == b.content; });
  if (twice != added.tokens().end()) {
    return invalid(where, fmt::format("the added token {} is there twice", in_quotes(twice->content)));
  }
  const uint64_t fingerprint = fingerprint_of(*vocabulary, lists.added, *sides);
  return TokenizerCore{std::move(*vocabulary), std::move(bpe), std::move(added), std::move(special),
                       std::move(added_only),  lists.add_bos,  fingerprint};
}

}  // namespace gemma
