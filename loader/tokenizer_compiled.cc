#include "loader/tokenizer_compiled.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as memory holds it");

constexpr char kMagic[8] = {'G', 'E', 'M', 'M', 'A', 'T', 'O', 'K'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kAddBos = 1;
constexpr uint32_t kSpecial = 1, kNoPiece = 2;

struct Header {
  char magic[8];
  uint32_t version, ids, merges, added, flags, reserved;
  uint64_t text_bytes, checksum;
};
static_assert(sizeof(Header) == 48);

Failure damaged(const std::string& where, std::string what) {
  return fail(ErrorCode::kInvalidFile, where, std::move(what),
              "the file is damaged: make it again with gemma-quantize");
}

}  // namespace

std::vector<std::byte> compile_tokenizer(const TokenizerCore& core) {
  const size_t ids = core.vocabulary.size();
  const std::vector<BpePairs::Merge> merges = core.bpe.pairs().by_rank();
  std::vector<uint32_t> numbers;
  std::string text;
  for (size_t id = 0; id < ids; ++id) {
    const bool added_only =
        std::binary_search(core.added_only.begin(), core.added_only.end(), static_cast<int32_t>(id));
    const std::string_view piece =
        added_only ? std::string_view() : core.vocabulary.piece(static_cast<int32_t>(id));
    numbers.push_back(static_cast<uint32_t>(piece.size()));
    text += piece;
  }
  for (const BpePairs::Merge& merge : merges) {
    for (int32_t id : {merge.left, merge.right, merge.product}) numbers.push_back(static_cast<uint32_t>(id));
  }
  for (const AddedToken& token : core.added.tokens()) {
    const bool no_piece = std::binary_search(core.added_only.begin(), core.added_only.end(), token.id);
    numbers.push_back(static_cast<uint32_t>(token.id));
    numbers.push_back((token.special ? kSpecial : 0) | (no_piece ? kNoPiece : 0));
    numbers.push_back(static_cast<uint32_t>(token.content.size()));
    text += token.content;
  }
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.ids = static_cast<uint32_t>(ids);
  header.merges = static_cast<uint32_t>(merges.size());
  header.added = static_cast<uint32_t>(core.added.tokens().size());
  header.flags = core.add_bos ? kAddBos : 0;
  header.text_bytes = text.size();
  std::vector<std::byte> bytes(sizeof(header) + numbers.size() * sizeof(uint32_t) + text.size());
  std::byte* body = bytes.data() + sizeof(header);
  std::memcpy(body, numbers.data(), numbers.size() * sizeof(uint32_t));
  std::memcpy(body + numbers.size() * sizeof(uint32_t), text.data(), text.size());
  header.checksum = XXH3_64bits(body, bytes.size() - sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

Result<TokenizerLists> parse_compiled_tokenizer(std::span<const std::byte> bytes, const std::string& where) {
  Header header;
  if (bytes.size() < sizeof(header))
    return damaged(where, fmt::format("{} bytes are no tokenizer", bytes.size()));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
    return damaged(where, "it is no compiled tokenizer");
  if (header.version != kVersion) {
    return fail(ErrorCode::kUnsupported, where,
                fmt::format("expected version {}, found {}", kVersion, header.version),
                "make the packed folder again with gemma-quantize");
  }
  const std::span<const std::byte> body = bytes.subspan(sizeof(header));
  // 32-bit counts: their sum cannot overflow 64 bits.
  const uint64_t numbers = uint64_t{header.ids} + 3 * (uint64_t{header.merges} + header.added);
  if (header.text_bytes > body.size() || numbers * sizeof(uint32_t) != body.size() - header.text_bytes) {
    return damaged(where, fmt::format("expected {} numbers and {} bytes of text, found {} bytes", numbers,
                                      header.text_bytes, body.size()));
  }
  if (XXH3_64bits(body.data(), body.size()) != header.checksum)
    return damaged(where, "its checksum is wrong");

  const auto number = [&](uint64_t i) {
    uint32_t value;
    std::memcpy(&value, body.data() + i * sizeof(value), sizeof(value));
    return value;
  };
  std::string_view text(reinterpret_cast<const char*>(body.data()) + numbers * sizeof(uint32_t),
                        header.text_bytes);
  const auto take = [&](uint32_t length) {
    const std::string_view taken = text.substr(0, length);
    text.remove_prefix(taken.size());
    return taken;
  };
  TokenizerLists lists;
  lists.add_bos = (header.flags & kAddBos) != 0;
  lists.pieces.reserve(header.ids);
  uint64_t at = 0;
  for (uint32_t id = 0; id < header.ids; ++id) {
    const uint32_t length = number(at++);
    if (length > text.size()) return damaged(where, fmt::format("the piece with id {} is cut off", id));
    if (length > 0) lists.pieces.emplace_back(take(length), id);
  }
  lists.merge_ids.reserve(header.merges);
  for (uint32_t m = 0; m < header.merges; ++m, at += 3) {
    lists.merge_ids.push_back({static_cast<int32_t>(number(at)), static_cast<int32_t>(number(at + 1)),
                               static_cast<int32_t>(number(at + 2))});
  }
  for (uint32_t a = 0; a < header.added; ++a, at += 3) {
    const uint32_t length = number(at + 2);
    if (length > text.size()) return damaged(where, fmt::format("the added token {} is cut off", a));
    lists.added.push_back(
        {static_cast<int32_t>(number(at)), std::string(take(length)), (number(at + 1) & kSpecial) != 0});
  }
  if (!text.empty()) return damaged(where, fmt::format("{} bytes of text are left over", text.size()));
  return lists;
}

}  // namespace gemma
