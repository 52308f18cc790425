// From what the user typed to the ids the model reads: a user turn of the chat template if the model has one,
// else the raw text.
#pragma once

#include <string>
#include <vector>

#include "engine/chat_encode.h"
#include "engine/model.h"
#include "tools/run_options.h"

namespace gemma {

struct PromptFormat {
  bool chat = false;  // the model has a template and --raw was not given
  ChatOptions options;
  std::string note;  // for the user; empty if all is as expected
};
// Looks at the model's template. kUsage for --thinking, --system, --messages or --chat where there is no
// template, and for --thinking where the template knows none.
Result<PromptFormat> prompt_format(const Model& model, const RunFlags& flags);

// One conversation to answer, or one text: the user's only turn, or raw.
struct Prompt {
  std::vector<Message> messages;  // empty: take the text
  std::vector<Json> tools;
  std::string text;
};
// All prompts: --messages, --prompt, --prompt-file, else standard input (kUsage if that is a terminal or
// empty). Needs no model, so that a wrong path is told before ten gigabytes are read.
Result<std::vector<Prompt>> read_prompts(const RunFlags& flags);

struct EncodedPrompt {
  std::vector<int32_t> ids;
  bool in_thought = false;  // the prompt ends inside an open thought
};
Result<EncodedPrompt> encode_prompt(const Model& model, const RunFlags& flags, const PromptFormat& format,
                                    const Prompt& prompt);

}  // namespace gemma
