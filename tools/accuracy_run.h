// One variant of a model answers all questions, and every answer gets its scores.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/evaluation/choice_score.h"
#include "engine/evaluation/rouge.h"
#include "engine/evaluation/squad_score.h"
#include "engine/generator.h"
#include "tools/accuracy_prompt.h"

namespace gemma {

// What came of one question. Which half is filled depends on the kind of question.
struct ItemResult {
  uint64_t prompt_hash = 0;  // of the prompt's ids
  size_t prompt_tokens = 0;
  size_t cut_characters = 0;
  // free answer
  std::string answer;
  bool says_none = false;  // the answer is --no-answer's text
  size_t new_tokens = 0;
  FinishReason finish = FinishReason::kEos;
  SquadScore squad;
  RougeScores rouge;
  // multiple choice
  std::vector<ChoiceLikelihood> choices;
  ChoicePicks picks;
};

// A variant with its questions encoded, before its weights are loaded.
struct PreparedVariant {
  std::string name;    // of the model, as Model::load takes it
  std::string scheme;  // empty: what fits it
  AskingStyle style;
  std::vector<EncodedItem> items;
  size_t context = 0;         // positions that the session gets
  size_t longest = 0;         // tokens of the longest choice
  size_t longest_alone = 0;   // the same behind nothing but <bos>; 0: not asked for
  uint64_t prompts_hash = 0;  // of all prompts and choices
};

// Opens the model without weights and encodes every question: whatever is wrong with a question or the
// template is told before gigabytes are read.
Result<PreparedVariant> prepare_variant(const AccuracyFlags& flags, const std::string& model,
                                        const std::string& scheme, const Questions& questions);

struct VariantResult {
  std::string model, scheme, scheme_reason, isa, kv_type, prompt_template;
  size_t threads = 0, context = 0;
  bool chat = false, letters = false;
  uint64_t prompts_hash = 0;
  double load_seconds = 0, seconds = 0;
  std::vector<ItemResult> items;
  std::vector<std::string> notes;  // for the user
};

// Called after each item; an error ends the run.
using OnItem = std::function<Result<void>(size_t index, const ItemResult& result)>;

// Frees the encoded questions as it goes. Progress of loading goes to `loading`.
Result<VariantResult> run_variant(const AccuracyFlags& flags, PreparedVariant prepared,
                                  const Questions& questions, const Progress& loading, const OnItem& on_item);

}  // namespace gemma
