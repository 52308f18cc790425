// Ordinary pieces for a synthetic vocabulary: letters, syllables and two-syllable words that look like
// English, with the merges that build them. Nothing is learned from text: a word is onset + vowel + coda
// ("th" + "e" + "r"), and the lists of those are ordered by how common they are in English, so that the most
// useful pieces come first and any prefix of the list makes a working vocabulary.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace gemma {

// What Gemma's tokenizer writes for a space.
inline constexpr const char* kSpacePiece = "\xE2\x96\x81";  // ▁, U+2581

struct SyntheticWords {
  std::vector<std::string> pieces;                          // distinct; parts before wholes
  std::vector<std::pair<std::string, std::string>> merges;  // best first; every part and result is a piece
};

// The fewest pieces: printable ASCII and ▁.
inline constexpr size_t kFewestSyntheticWords = 95;

// `count` pieces, at least kFewestSyntheticWords; single characters take an eighth of them or as many as
// that. The supply ends somewhere above 300000: fewer may come back.
SyntheticWords synthetic_words(size_t count);

}  // namespace gemma
