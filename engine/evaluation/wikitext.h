// WikiText as published (wiki.test.raw), cut and cleaned the ways that perplexities of it are computed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

// The rows of the data set on the Hugging Face hub: every line with its line feed, blank lines as empty
// texts.
std::vector<std::string> wikitext_rows(std::string_view file);

// The pages that lm-evaluation-harness scores: a line like " = Title = " begins one; sub-headings, with more
// equals signs, do not.
std::vector<std::string> wikitext_pages(std::string_view file);

// A page with the data set's tokenization undone (" @-@ " -> "-", " , " -> ", ", "( a )" -> "(a)" ...), rule
// by rule as lm-evaluation-harness does it, its quirks included.
std::string wikitext_detokenize(std::string_view page);

// len(re.split(r"\s+", text)): runs of Unicode white space, plus one. White space at an end counts as a word.
uint64_t count_words(std::string_view text);

}  // namespace gemma
