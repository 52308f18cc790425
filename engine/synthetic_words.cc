#include "engine/synthetic_words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace gemma {
namespace {

// Most common first: the place in a list is what a part costs.
constexpr std::array<std::string_view, 53> kOnsets = {
    "",   "t",  "s",  "r",  "l",   "d",  "m",  "n",  "c",  "th",  "w",  "b",  "p",  "f",
    "h",  "v",  "g",  "k",  "y",   "wh", "st", "sh", "ch", "pr",  "tr", "fr", "gr", "br",
    "cl", "pl", "sp", "j",  "qu",  "cr", "dr", "bl", "fl", "str", "gl", "sl", "sw", "sc",
    "kn", "sm", "sn", "sk", "thr", "ph", "wr", "tw", "x",  "z",   "spr"};
constexpr std::array<std::string_view, 18> kVowels = {"e",  "a",  "i",  "o",  "u",  "y",  "ea", "ou", "ee",
                                                      "oo", "ai", "io", "ow", "ay", "ie", "oi", "au", "ia"};
constexpr std::array<std::string_view, 40> kCodas = {
    "n",  "r",  "s",  "t",  "d",  "l",   "ng", "m",  "nt", "st", "nd", "c", "ll", "p",
    "ck", "g",  "rs", "ss", "ct", "ght", "ch", "th", "v",  "b",  "k",  "f", "w",  "x",
    "rt", "rd", "ld", "rk", "rn", "sh",  "ft", "mp", "nk", "pt", "tt", "ff"};
// Letter groups that merge before any syllable does, parts first.
constexpr std::array<std::string_view, 69> kClusters = {
    "th",  "ng", "ea", "ou", "st", "nd", "nt", "wh", "sh",  "ch",  "ee", "ll", "ck", "oo",
    "ai",  "io", "ow", "ss", "ay", "pr", "tr", "qu", "gh",  "ght", "fr", "gr", "br", "cl",
    "pl",  "ct", "rs", "sp", "ld", "ie", "rt", "rd", "cr",  "dr",  "bl", "fl", "rk", "rn",
    "str", "oi", "au", "ia", "tt", "ff", "gl", "sl", "sw",  "sc",  "kn", "sm", "sn", "sk",
    "thr", "ph", "wr", "tw", "ft", "mp", "nk", "pt", "spr", "pp",  "rr", "mm", "nn"};

// A vowel's place weighs more than an onset's and a coda's, because the list is shorter and falls off faster.
constexpr uint32_t kOnsetCost = 4, kVowelCost = 12, kCodaCost = 10;
// A coda comes after all but the rarest open syllables ("se-ven" before "sev-en"), a leading space and a
// capital after most closed ones, so that a word's inside has merged before its beginning does.
constexpr uint32_t kClosedCost = 250, kSpaceCost = 60, kCapitalCost = 150, kLetterCost = 500,
                   kVowelLetterCost = 100;

struct Syllable {
  std::string text;
  size_t left_bytes = 0;  // text = left + right, both pieces; a single letter is all left
  uint32_t cost = 0;
};

std::vector<Syllable> syllables() {
  std::vector<Syllable> list;
  for (char c = 'a'; c <= 'z'; ++c) {
    const std::string letter(1, c);
    const bool vowel = std::find(kVowels.begin(), kVowels.end(), letter) != kVowels.end();
    list.push_back({letter, 1, vowel ? kVowelLetterCost : kLetterCost});
  }
  for (size_t onset = 0; onset < kOnsets.size(); ++onset) {
    for (size_t vowel = 0; vowel < kVowels.size(); ++vowel) {
      const std::string open = std::string(kOnsets[onset]).append(kVowels[vowel]);
      const auto open_cost = static_cast<uint32_t>(onset * kOnsetCost + vowel * kVowelCost);
      if (onset > 0) list.push_back({open, kOnsets[onset].size(), open_cost});
      for (size_t coda = 0; coda < kCodas.size(); ++coda) {
        const auto cost = static_cast<uint32_t>(open_cost + kClosedCost + coda * kCodaCost);
        list.push_back({std::string(open).append(kCodas[coda]), open.size(), cost});
      }
    }
  }
  return list;
}

std::string capitalized(std::string text) {
  text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// UTF-8 of a code point from U+0080 to U+FFFF.
std::string utf8(uint32_t code) {
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
          static_cast<char>(0x80 | (code & 0x3f))};
}

class WordMaker {
 public:
  explicit WordMaker(size_t count) : count_(count) {
    words_.pieces.reserve(count);
    words_.merges.reserve(2 * count);
    seen_.reserve(count);
  }

  SyntheticWords make() {
    add_characters();
    for (std::string_view cluster : kClusters) add_cluster(cluster);
    // Half of what is left for syllables, the other half for words of two.
    const size_t half = words_.pieces.size() + (count_ - words_.pieces.size()) / 2;
    const std::vector<Syllable> list = syllables();
    const std::vector<Variant> order = by_cost(list);
    for (const Variant& variant : order) {
      if (words_.pieces.size() >= half) break;
      add_variant(list[variant.syllable], variant.spaced, variant.capital);
    }
    add_pairs(list);
    return std::move(words_);
  }

 private:
  // A syllable as it is, after a space, with a capital, or both.
  struct Variant {
    uint32_t cost = 0;
    uint32_t syllable = 0;
    bool spaced = false, capital = false;
  };

  static std::vector<Variant> by_cost(const std::vector<Syllable>& list) {
    std::vector<Variant> order;
    order.reserve(list.size() * 4);
    for (uint32_t i = 0; i < list.size(); ++i) {
      for (bool spaced : {false, true}) {
        for (bool capital : {false, true}) {
          const uint32_t cost = list[i].cost + (spaced ? kSpaceCost : 0) + (capital ? kCapitalCost : 0);
          order.push_back({cost, i, spaced, capital});
        }
      }
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const Variant& a, const Variant& b) { return a.cost < b.cost; });
    return order;
  }

  // False if the piece is there already or the vocabulary is full.
  bool add_piece(const std::string& piece) {
    if (words_.pieces.size() >= count_ || !seen_.insert(piece).second) return false;
    words_.pieces.push_back(piece);
    return true;
  }

  bool has(const std::string& piece) const { return seen_.contains(piece); }

  void add_merge(std::string left, std::string right) {
    words_.merges.emplace_back(std::move(left), std::move(right));
  }

  // left + right as a new piece, if both are pieces.
  void add_whole(const std::string& left, const std::string& right) {
    if (has(left) && has(right) && add_piece(left + right)) add_merge(left, right);
  }

  void add_characters() {
    for (char c = '!'; c <= '~'; ++c) add_piece(std::string(1, c));
    add_piece(kSpacePiece);
    // Latin-1, typographic marks, other Latin, Greek, Cyrillic, marks and currencies, arrows, mathematics,
    // kana, CJK.
    constexpr std::array<std::pair<uint32_t, uint32_t>, 11> kRanges = {{{0xa1, 0xff},
                                                                        {0x2013, 0x2026},
                                                                        {0x100, 0x17f},
                                                                        {0x391, 0x3c9},
                                                                        {0x401, 0x45f},
                                                                        {0x2030, 0x205e},
                                                                        {0x20a0, 0x20c0},
                                                                        {0x2190, 0x21ff},
                                                                        {0x2200, 0x22ff},
                                                                        {0x3041, 0x30ff},
                                                                        {0x4e00, 0x9fff}}};
    const size_t most = count_ / 8;
    for (const auto& [first, last] : kRanges) {
      for (uint32_t code = first; code <= last && words_.pieces.size() < most; ++code) add_piece(utf8(code));
    }
  }

  void add_cluster(std::string_view cluster) {
    // Three letters are two and one ("gh" + "t").
    const std::string left(cluster.substr(0, cluster.size() - 1)), right(cluster.substr(cluster.size() - 1));
    add_whole(left, right);
    add_whole(capitalized(left), right);
  }

  void add_variant(const Syllable& syllable, bool spaced, bool capital) {
    const std::string text = capital ? capitalized(syllable.text) : syllable.text;
    const std::string left = text.substr(0, syllable.left_bytes), right = text.substr(syllable.left_bytes);
    if (!spaced) {
      if (!right.empty()) add_whole(left, right);
      return;
    }
    const std::string space = kSpacePiece;
    if (!has(text) || !add_piece(space + text)) return;
    add_merge(space, text);
    // The space may have merged with the left part first.
    if (!right.empty() && has(space + left)) add_merge(space + left, right);
  }

  // Words of two syllables, the commonest with the commonest, until the vocabulary is full: diagonals of the
  // table whose rows and columns are the syllables in order of cost.
  void add_pairs(const std::vector<Syllable>& list) {
    std::vector<Syllable> heads;
    for (const Syllable& syllable : list) {
      if (syllable.cost < kLetterCost && has(syllable.text)) heads.push_back(syllable);
    }
    std::stable_sort(heads.begin(), heads.end(),
                     [](const Syllable& a, const Syllable& b) { return a.cost < b.cost; });
    constexpr size_t kMostHeads = 2000;
    const size_t n = std::min(heads.size(), kMostHeads);
    for (size_t sum = 0; sum + 1 < 2 * n; ++sum) {
      for (size_t i = sum < n ? 0 : sum - n + 1; i <= std::min(sum, n - 1); ++i) {
        const std::string &head = heads[i].text, &tail = heads[sum - i].text;
        add_whole(kSpacePiece + head, tail);
        add_whole(head, tail);
      }
      if (words_.pieces.size() >= count_) return;
    }
  }

  size_t count_;
  SyntheticWords words_;
  std::unordered_set<std::string> seen_;  // pieces
};

}  // namespace

SyntheticWords synthetic_words(size_t count) {
  return WordMaker(std::max(count, kFewestSyntheticWords)).make();
}

}  // namespace gemma
