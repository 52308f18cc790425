// The nearest of a list of words: what "did you mean" suggests.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gemma {

// Levenshtein distance with swaps of neighbours: the fewest single-character insertions, removals, changes
// and swaps that turn one word into the other. Time and memory |a| * |b|.
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, or "" if none is near: near means that `word` (3 letters or more) begins
// it, or that at most a third of the letters (at least one) differ. The first of equals wins.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace gemma
