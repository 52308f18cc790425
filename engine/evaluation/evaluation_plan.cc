#include "engine/evaluation/evaluation_plan.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>

#include <fmt/format.h>
#include <xxhash.h>

#include "engine/chat_segment.h"
#include "engine/evaluation/wikitext.h"

namespace gemma {
namespace {

using Definition = PerplexityDefinition;

// A text's place in the tokens, <bos> and <eos> of its own included.
struct Piece {
  size_t begin, end;
};

class Planner {
 public:
  Planner(const Tokenizer& tokenizer, const EvaluationText& text, const PerplexityOptions& options)
      : tokenizer_(tokenizer), text_(text), options_(options) {
    plan_.options = options;
    plan_.texts = text.texts.size();
    plan_.words = text.words;
    plan_.bytes = text.bytes;
  }

  Result<EvaluationPlan> plan(std::span<const int32_t> chat_prefix) {
    if (Result<void> good = check_options(options_); !good) return fail(std::move(good.error()));
    Result<void> made = read_tokens();
    if (made && options_.definition == Definition::kChatPrefix) {
      plan_.prefix.assign(chat_prefix.begin(), chat_prefix.end());
    } else if (made && prefixes_bos()) {
      made = append_special(marker::kBos, plan_.prefix);
    }
    if (made) made = cut_windows();
    if (!made) return fail(std::move(made.error()));
    return finish();
  }

 private:
  bool prefixes_bos() const {
    return options_.bos == BosRule::kWindow || options_.definition == Definition::kHfEvaluate ||
           options_.definition == Definition::kLmEval;
  }

  // transformers finds special tokens that a text spells out; llama.cpp and `strict` leave them text.
  SpecialTokens special() const {
    const bool as_text =
        options_.definition == Definition::kStrict || options_.definition == Definition::kLlama;
    return as_text ? SpecialTokens::kAsText : SpecialTokens::kParse;
  }

  Result<void> append_special(std::string_view piece, std::vector<int32_t>& to) const {
    const std::optional<int32_t> id = tokenizer_.id_of(piece);
    if (!id) {
      return fail(ErrorCode::kMismatch, "tokenizer.json", fmt::format("there is no {} in it", piece),
                  piece == marker::kBos ? "--bos none goes without" : "leave --eos out");
    }
    to.push_back(*id);
    return {};
  }

  void append_text(const std::string& text) {
    const std::vector<int32_t> ids = tokenizer_.encode(text, special());
    plan_.tokens.insert(plan_.tokens.end(), ids.begin(), ids.end());
  }

  void hash_text(std::string_view text) {
    plan_.text_hash = XXH3_64bits_withSeed(text.data(), text.size(), plan_.text_hash);
  }

  Result<void> read_tokens() {
    if (!scores_texts_apart(options_)) return read_joined();
    std::vector<size_t> order(text_.texts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    size_t enough = 0;  // 0: all
    if (options_.definition == Definition::kMlx) {
      order = numpy_permutation(order.size(), options_.seed);
      enough = options_.window_limit * options_.max_length;
    }
    const bool own_bos = options_.bos == BosRule::kText && !prefixes_bos();
    std::optional<int32_t> eos;
    if (options_.end_of_text) {
      std::vector<int32_t> id;
      if (Result<void> found = append_special(marker::kEos, id); !found) return found;
      eos = id.front();
    }
    for (const size_t index : order) {
      if (enough != 0 && plan_.tokens.size() >= enough) break;
      const size_t begin = plan_.tokens.size();
      if (own_bos) {
        if (Result<void> found = append_special(marker::kBos, plan_.tokens); !found) return found;
      }
      append_text(text_.texts[index]);
      // mlx-lm adds no second <eos>.
      const bool ended = options_.definition == Definition::kMlx && plan_.tokens.size() > begin &&
                         plan_.tokens.back() == eos;
      if (eos && !ended) plan_.tokens.push_back(*eos);
      hash_text(text_.texts[index]);
      pieces_.push_back({begin, plan_.tokens.size()});
    }
    return {};
  }

  Result<void> read_joined() {
    std::string joined;
    for (size_t i = 0; i < text_.texts.size(); ++i) joined += (i > 0 ? options_.join : "") + text_.texts[i];
    hash_text(joined);
    // llama.cpp tokenizes with <bos> in front before it counts its chunks.
    if (options_.bos == BosRule::kStart || options_.definition == Definition::kLlama) {
      if (Result<void> found = append_special(marker::kBos, plan_.tokens); !found) return found;
      if (!tokenizer_.add_bos() && options_.definition != Definition::kLlama &&
          options_.definition != Definition::kStrict) {
        plan_.notes.push_back(
            "<bos> stands in front though tokenizer.json adds none: without it a Gemma's perplexity means "
            "nothing "
            "(--bos none does what transformers would)");
      }
    }
    append_text(joined);
    return {};
  }

  Result<void> cut_windows() {
    switch (options_.definition) {
      case Definition::kStrict:
      case Definition::kTutorial:
      case Definition::kHfDoc:
        slide(options_.max_length);
        return {};
      case Definition::kChatPrefix:
        return cut_chat();
      case Definition::kHfEvaluate:
        return cut_texts();
      case Definition::kLlama:
        return cut_chunks();
      case Definition::kLmEval:
        for (const Piece& piece : pieces_) roll(piece);
        return {};
      case Definition::kMlx:
        cut_sequences();
        return {};
    }
    return {};
  }

  // Windows of `length` every `stride`, up to the first that reaches the end.
  void slide(size_t length) {
    const size_t total = plan_.tokens.size();
    const bool prefixed = !plan_.prefix.empty();
    for (size_t begin = 0, previous_end = 0; previous_end < total; begin += options_.stride) {
      const size_t end = std::min(begin + length, total);
      EvaluationWindow window{.begin = begin, .target_end = end, .prefixed = prefixed};
      // Without a prefix the first token of a window has nothing in front to be predicted from.
      const size_t first = begin + (prefixed ? 0 : 1);
      window.fresh_begin = std::max(first, previous_end);
      window.target_begin = window.fresh_begin;
      const size_t size = end - begin;
      if (options_.definition == Definition::kTutorial) {
        // labels[:, :begin - previous_end]: from the second window on a negative index, counted from the
        // window's end. In a full window that masks the tokens already scored; in a short last one fewer; and
        // without any overlap it is [:0], nothing.
        const size_t kept = begin == 0 ? 0 : previous_end - begin;
        const size_t masked = kept == 0 ? 0 : size - std::min(size, kept);
        window.target_begin = std::max(first, begin + masked);
        window.weight = 1;
      } else if (options_.definition == Definition::kHfDoc) {
        window.weight =
            static_cast<double>(end - previous_end - 1);  // valid labels - 1, right only in the first
      }
      add(window);
      previous_end = end;
    }
  }

  Result<void> cut_chat() {
    if (plan_.prefix.size() >= options_.max_length) {
      return fail(ErrorCode::kUsage, "--max-length",
                  fmt::format("the chat prompt alone has {} tokens, a window {}", plan_.prefix.size(),
                              options_.max_length));
    }
    const size_t length = options_.max_length - plan_.prefix.size();
    if (options_.stride > length) {
      return fail(
          ErrorCode::kUsage, "--stride",
          fmt::format("expected at most the {} tokens that the chat prompt leaves of a window, found {}",
                      length, options_.stride));
    }
    slide(length);
    return {};
  }

  // <bos> and the first max_length - 1 tokens of every text.
  Result<void> cut_texts() {
    size_t cut = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const auto [begin, end] = pieces_[i];
      if (begin == end) {
        return fail(ErrorCode::kUsage, fmt::format("text {}", i + 1),
                    "it has no tokens, and so no perplexity", "--skip-blank leaves such texts out");
      }
      const size_t stop = std::min(end, begin + options_.max_length - 1);
      cut += stop < end;
      add({.begin = begin,
           .target_begin = begin,
           .target_end = stop,
           .fresh_begin = begin,
           .prefixed = true});
    }
    if (cut > 0) {
      plan_.notes.push_back(fmt::format("{} of {} texts are longer than {} tokens and were cut", cut,
                                        pieces_.size(), options_.max_length - 1));
    }
    return {};
  }

  // Disjoint chunks; of each the targets behind its middle. What does not fill a chunk is left out.
  Result<void> cut_chunks() {
    const size_t size = options_.max_length;
    if (plan_.tokens.size() / 2 < size) {
      return fail(ErrorCode::kUsage, "text",
                  fmt::format("llama wants at least two chunks of {} tokens, the text has {}", size,
                              plan_.tokens.size()),
                  "take a smaller --max-length or a longer text");
    }
    for (size_t begin = 0; begin + size <= plan_.tokens.size(); begin += size) {
      const size_t first = begin + size / 2 + 1;
      add({.begin = begin + 1,
           .target_begin = first,
           .target_end = begin + size,
           .fresh_begin = first,
           .prefixed = true});
    }
    return {};
  }

  // The first window scores everything from <bos> on, each later one what is left, at most max_length tokens,
  // with as much in front as makes max_length inputs.
  void roll(const Piece& piece) {
    const size_t length = options_.max_length;
    const size_t total = piece.end - piece.begin;
    size_t done = std::min(length, total);
    if (done == 0) return;
    add({.begin = piece.begin,
         .target_begin = piece.begin,
         .target_end = piece.begin + done,
         .fresh_begin = piece.begin,
         .prefixed = true});
    while (done < total) {
      const size_t end = done + std::min(length, total - done);
      add({.begin = piece.begin + end - length - 1,
           .target_begin = piece.begin + done,
           .target_end = piece.begin + end,
           .fresh_begin = piece.begin + done});
      done = end;
    }
  }

  void cut_sequences() {
    const size_t size = options_.max_length;
    for (size_t begin = 0; begin + size <= plan_.tokens.size(); begin += size) {
      add({.begin = begin, .target_begin = begin + 1, .target_end = begin + size, .fresh_begin = begin + 1});
    }
    if (options_.window_limit > plan_.windows.size()) {
      plan_.notes.push_back(fmt::format("the texts fill {} sequences of the {} wanted", plan_.windows.size(),
                                        options_.window_limit));
    }
  }

  void add(EvaluationWindow window) {
    if (options_.window_limit != 0 && plan_.windows.size() == options_.window_limit) return;
    if (window.target_begin >= window.target_end) {
      plan_.notes.push_back(
          fmt::format("the window at token {} has nothing to score and was left out{}", window.begin,
                      options_.definition == Definition::kStrict ? "" : "; the original prints nan"));
      return;
    }
    plan_.windows.push_back(window);
  }

  Result<EvaluationPlan> finish() {
    for (const EvaluationWindow& window : plan_.windows) {
      const size_t inputs = plan_.input_size(window);
      plan_.longest_input = std::max(plan_.longest_input, inputs);
      plan_.input_tokens += inputs;
      plan_.targets += window.targets();
      plan_.fresh_targets += window.target_end - window.fresh_begin;
    }
    if (plan_.targets == 0) {
      return fail(ErrorCode::kUsage, "text",
                  fmt::format("its {} tokens leave nothing to score in windows of {}", plan_.tokens.size(),
                              options_.max_length),
                  "take a longer text");
    }
    uint64_t hash = XXH3_64bits(plan_.tokens.data(), plan_.tokens.size() * sizeof(int32_t));
    hash = XXH3_64bits_withSeed(plan_.prefix.data(), plan_.prefix.size() * sizeof(int32_t), hash);
    for (const EvaluationWindow& window : plan_.windows) {
      const uint64_t fields[] = {window.begin, window.target_begin, window.target_end,
                                 uint64_t{window.prefixed}};
      hash = XXH3_64bits_withSeed(fields, sizeof(fields), hash);
    }
    plan_.token_hash = hash;
    return std::move(plan_);
  }

  const Tokenizer& tokenizer_;
  const EvaluationText& text_;
  const PerplexityOptions& options_;
  EvaluationPlan plan_;
  std::vector<Piece> pieces_;
};

}  // namespace

EvaluationText evaluation_text(std::vector<std::string> texts) {
  EvaluationText text;
  for (const std::string& one : texts) {
    text.words += count_words(one);
    text.bytes += one.size();
  }
  text.texts = std::move(texts);
  return text;
}

size_t EvaluationPlan::input_size(const EvaluationWindow& window) const {
  return (window.prefixed ? prefix.size() : 0) + window.target_end - 1 - window.begin;
}

void EvaluationPlan::input(const EvaluationWindow& window, std::vector<int32_t>& out) const {
  out.clear();
  if (window.prefixed) out = prefix;
  out.insert(out.end(), tokens.begin() + static_cast<std::ptrdiff_t>(window.begin),
             tokens.begin() + static_cast<std::ptrdiff_t>(window.target_end - 1));
}

Result<EvaluationPlan> plan_evaluation(const Tokenizer& tokenizer, const EvaluationText& text,
                                       std::span<const int32_t> chat_prefix,
                                       const PerplexityOptions& options) {
  return Planner(tokenizer, text, options).plan(chat_prefix);
}

std::vector<size_t> numpy_permutation(size_t n, uint64_t seed) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  // NumPy's legacy generator: MT19937 seeded as std::mt19937 is, bounded draws by masking and rejection,
  // Fisher and Yates from the end.
  std::mt19937 random(static_cast<uint32_t>(seed));
  for (size_t last = n; last-- > 1;) {
    size_t mask = last;
    for (const unsigned shift : {1u, 2u, 4u, 8u, 16u}) mask |= mask >> shift;
    size_t pick = random() & mask;
    while (pick > last) pick = random() & mask;
    std::swap(order[last], order[pick]);
  }
  return order;
}

}  // namespace gemma
