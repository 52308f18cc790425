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
// Looks at the model's template. kUsage for --thinking, --system or --chat where there is no template.
Result<PromptFormat> prompt_format(const Model& model, const RunFlags& flags);

// One conversation to answer.
struct Prompt {
  std::vector<Message> messages;  // chat
  std::vector<Json> tools;
  std::string text;  // raw
};
// All prompts: --messages, --prompt, --prompt-file, else standard input (not if it is a terminal: kUsage).
Result<std::vector<Prompt>> read_prompts(const RunFlags& flags, const PromptFormat& format);

struct EncodedPrompt {
  std::vector<int32_t> ids;
  bool in_thought = false;  // the prompt ends inside an open thought
};
Result<EncodedPrompt> encode_prompt(const Model& model, const RunFlags& flags, const PromptFormat& format,
                                    const Prompt& prompt);

}  // namespace gemma
