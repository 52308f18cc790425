// From a question to the ids that a model reads: template, examples, chat turns, and what to do when that is
// too long.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/evaluation/continuation_likelihood.h"
#include "engine/evaluation/prompt_template.h"
#include "engine/model.h"
#include "tools/accuracy_options.h"
#include "tools/run_prompt.h"

namespace gemma {

// All questions of a run: of several files, one after the other.
struct Questions {
  struct File {
    std::string path;
    size_t first = 0, count = 0;        // in items
    std::vector<DatasetItem> examples;  // answered ones, for every question of the file
  };
  DatasetFormat format = DatasetFormat::kJsonl;
  std::vector<File> files;
  std::vector<DatasetItem> items;  // not empty, all of one kind

  bool multiple_choice() const { return !items.front().choices.empty(); }
};

// Reads --data, --examples; applies --shuffle and --limit. kUsage if files are of different kinds, for too
// few examples, and for options that do not fit the kind of question.
Result<Questions> read_questions(const AccuracyFlags& flags);

// How this model is asked.
struct AskingStyle {
  PromptFormat format;  // chat or raw
  PromptTemplate prompt, header;
  std::string choice_prefix;
  bool letters = false;  // a choice is scored by its letter
};
// kUsage for a template that does not parse or cannot be asked with.
Result<AskingStyle> asking_style(const Model& model, const AccuracyFlags& flags, const Questions& questions);

// What stands behind the prompt for choice i: its letter or its text.
std::string choice_text(const AskingStyle& style, const DatasetItem& item, size_t i);

struct EncodedItem {
  Continuations ids;          // free answers have a context only
  Continuations alone;        // the choices behind nothing but <bos>; with --mutual-info only
  bool in_thought = false;    // the prompt ends inside an open thought
  size_t cut_characters = 0;  // of {context}, taken off its end to fit
  size_t needed = 0;          // positions: prompt and longest choice, or prompt and --max-new-tokens
};

// Encodes one question. `room`: positions that there are. kUsage if it does not fit and must not be cut, or
// cannot be cut enough.
Result<EncodedItem> encode_item(const Model& model, const AskingStyle& style, const AccuracyFlags& flags,
                                const Questions::File& file, const DatasetItem& item, size_t room);

}  // namespace gemma
