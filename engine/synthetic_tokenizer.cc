#include "engine/synthetic_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "engine/synthetic_words.h"

namespace gemma {
namespace {

constexpr size_t kSmallest = 1024, kGemmaSize = 262144;

// Where the parts of Gemma 4's vocabulary lie (gemma4.md 4.2).
constexpr size_t kNewlineRuns = 107;  // of 1..31
constexpr size_t kSpaceRuns = 138;    // of 2..31; the single one is an ordinary piece
constexpr size_t kHtmlTags = 168;
constexpr size_t kBytes = 238;
constexpr size_t kWords = 494;
constexpr size_t kTabRuns = 255968;  // of 1..31
constexpr size_t kUnusedAgain = 256001;
constexpr size_t kLongestRun = 31;

struct FixedPiece {
  int32_t id;
  const char* text;
};

// The added tokens, all of them special.
constexpr std::array<FixedPiece, 24> kAdded = {{
    {0, "<pad>"},
    {1, "<eos>"},
    {2, "<bos>"},
    {3, "<unk>"},
    {4, "<mask>"},
    {46, "<|tool>"},
    {47, "<tool|>"},
    {48, "<|tool_call>"},
    {49, "<tool_call|>"},
    {50, "<|tool_response>"},
    {51, "<tool_response|>"},
    {52, "<|\"|>"},
    {98, "<|think|>"},
    {100, "<|channel>"},
    {101, "<channel|>"},
    {105, "<|turn>"},
    {106, "<turn|>"},
    {255999, "<|image>"},
    {256000, "<|audio>"},
    {258880, "<|image|>"},
    {258881, "<|audio|>"},
    {258882, "<image|>"},
    {258883, "<audio|>"},
    {258884, "<|video|>"},
}};

constexpr std::array<const char*, 70> kTags = {
    "<table>", "<caption>",     "<thead>",    "<tbody>",  "<tfoot>",   "<tr>",      "<th>",
    "<td>",    "</table>",      "</caption>", "</thead>", "</tbody>",  "</tfoot>",  "</tr>",
    "</th>",   "</td>",         "<h1>",       "<h2>",     "<h3>",      "<h4>",      "<h5>",
    "<h6>",    "<blockquote>",  "</h1>",      "</h2>",    "</h3>",     "</h4>",     "</h5>",
    "</h6>",   "</blockquote>", "<strong>",   "<em>",     "<b>",       "<i>",       "<u>",
    "<s>",     "<sub>",         "<sup>",      "<code>",   "</strong>", "</em>",     "</b>",
    "</i>",    "</u>",          "</s>",       "</sub>",   "</sup>",    "</code>",   "<a>",
    "<html>",  "<body>",        "<img>",      "<span>",   "<bbox>",    "<ul>",      "<li>",
    "<div>",   "<iframe>",      "<footer>",   "</a>",     "</html>",   "</body>",   "</img>",
    "</span>", "</bbox>",       "</ul>",      "</li>",    "</div>",    "</iframe>", "</footer>"};

std::string repeated(const std::string& text, size_t times) {
  std::string run;
  for (size_t i = 0; i < times; ++i) run += text;
  return run;
}

// Runs of first_length..31 of one character, at ids from `id` on, and the merges that make them. Longer
// results come first, so that a run grows from the left by what is nearest: 64 newlines are 31, 31 and 2.
void add_runs(TokenizerParts& parts, const std::string& character, size_t id, size_t first_length) {
  for (size_t n = first_length; n <= kLongestRun; ++n)
    parts.pieces[id + n - first_length] = repeated(character, n);
  for (size_t n = kLongestRun; n >= 2; --n) {
    for (size_t left = 1; left < n; ++left) {
      parts.merges.emplace_back(repeated(character, left), repeated(character, n - left));
    }
  }
}

void add_fixed_pieces(TokenizerParts& parts) {
  const size_t size = parts.pieces.size();
  for (const FixedPiece& piece : kAdded) {
    if (static_cast<size_t>(piece.id) >= size) continue;
    parts.pieces[static_cast<size_t>(piece.id)] = piece.text;
    parts.added.push_back({piece.id, piece.text, true});
  }
  parts.pieces[5] = "[multimodal]";
  for (size_t i = 0; i < kTags.size(); ++i) parts.pieces[kHtmlTags + i] = kTags[i];
  for (size_t i = 0; i < 256; ++i) parts.pieces[kBytes + i] = fmt::format("<0x{:02X}>", i);
  add_runs(parts, "\n", kNewlineRuns, 1);
  add_runs(parts, kSpacePiece, kSpaceRuns, 2);
  if (size == kGemmaSize) add_runs(parts, "\t", kTabRuns, 1);
}

// Every id that is still without a piece becomes <unusedN>. N is what Gemma 3 called the id: its first was 6,
// and 256001 followed 104. Gemma 4 put tokens of its own on some of them, hence gaps in N.
void fill_unused(TokenizerParts& parts) {
  for (size_t id = 6; id < parts.pieces.size(); ++id) {
    if (!parts.pieces[id].empty()) continue;
    const size_t number = id < kUnusedAgain ? id - 6 : id - kUnusedAgain + 99;
    parts.pieces[id] = fmt::format("<unused{}>", number);
  }
}

}  // namespace

Result<TokenizerParts> synthetic_tokenizer_parts(size_t vocab_size) {
  if (vocab_size < kSmallest || vocab_size > kGemmaSize) {
    return fail(
        ErrorCode::kUsage, "synthetic tokenizer",
        fmt::format("expected a vocabulary of {} to {} tokens, found {}", kSmallest, kGemmaSize, vocab_size));
  }
  TokenizerParts parts;
  parts.pieces.resize(vocab_size);
  add_fixed_pieces(parts);
  const size_t words_end = vocab_size == kGemmaSize ? kTabRuns : vocab_size;
  SyntheticWords words = synthetic_words(words_end - kWords);
  std::move(words.pieces.begin(), words.pieces.end(), parts.pieces.begin() + kWords);
  parts.merges.insert(parts.merges.end(), std::make_move_iterator(words.merges.begin()),
                      std::make_move_iterator(words.merges.end()));
  fill_unused(parts);
  return parts;
}

Result<Tokenizer> synthetic_tokenizer(size_t vocab_size) {
  Result<TokenizerParts> parts = synthetic_tokenizer_parts(vocab_size);
  if (!parts) return fail(parts.error());
  return Tokenizer::build(std::move(*parts), "synthetic tokenizer");
}

}  // namespace gemma
