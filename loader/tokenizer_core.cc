#include "loader/tokenizer_core.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

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

// One merge on its way into the table: left, right and their product.
struct PendingMerge {
  std::array<std::string_view, 3> pieces;
  std::string product;
  uint64_t hashes[3];
  int32_t ids[3];
};

Result<void> find_pieces(PendingMerge& merge, size_t rank, const Vocabulary& vocabulary,
                         const std::string& where) {
  for (size_t i = 0; i < 3; ++i) {
    const std::optional<int32_t> id = vocabulary.find(merge.pieces[i], merge.hashes[i]);
    if (!id) {
      return invalid(where, fmt::format("merge {} of {} and {} needs {}, which the vocabulary lacks", rank,
                                        in_quotes(merge.pieces[0]), in_quotes(merge.pieces[1]),
                                        in_quotes(merge.pieces[i])));
    }
    merge.ids[i] = *id;
  }
  return {};
}

// Each merge costs four lookups at random places of tables that no cache holds. In blocks, each step's memory
// is asked for while the others are worked on: half the time of the plain loop.
// Returns left and right of each as ids.
Result<std::vector<int32_t>> add_merges(Bpe& bpe, const TokenizerLists& lists, const Vocabulary& vocabulary,
                                        const std::vector<bool>& special, const std::string& where) {
  std::vector<int32_t> sides;
  sides.reserve(2 * lists.merges.size());
  constexpr size_t kBlock = 32;
  std::vector<PendingMerge> block(kBlock);
  for (size_t first = 0; first < lists.merges.size(); first += kBlock) {
    const size_t count = std::min(kBlock, lists.merges.size() - first);
    for (size_t i = 0; i < count; ++i) {
      const auto& [left, right] = lists.merges[first + i];
      block[i].product.assign(left).append(right);
      block[i].pieces = {left, right, block[i].product};
      for (size_t k = 0; k < 3; ++k) {
        block[i].hashes[k] = Vocabulary::hash(block[i].pieces[k]);
        vocabulary.prefetch(block[i].hashes[k]);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      if (const auto done = find_pieces(block[i], first + i, vocabulary, where); !done)
        return fail(done.error());
      bpe.prefetch_merge(block[i].ids[0], block[i].ids[1]);
    }
    for (size_t i = 0; i < count; ++i) {
      const size_t rank = first + i;
      const auto& [pieces, product, hashes, ids] = block[i];
      if (special[static_cast<size_t>(ids[2])]) {
        return fail(
            ErrorCode::kUnsupported, where,
            fmt::format("merge {} makes the special token {} out of plain text", rank, in_quotes(product)));
      }
      if (!bpe.add_merge({ids[0], ids[1], static_cast<uint32_t>(rank), ids[2]}, pieces[0], pieces[1])) {
        return invalid(where, fmt::format("merge {} of {} and {} is there twice", rank, in_quotes(pieces[0]),
                                          in_quotes(pieces[1])));
      }
      sides.insert(sides.end(), {ids[0], ids[1]});
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
    if (a.empty() || b.empty() || ab.size() != a.size() + b.size() || !ab.starts_with(a) ||
        !ab.ends_with(b)) {
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
