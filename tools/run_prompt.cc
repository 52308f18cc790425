#include "tools/run_prompt.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "engine/chat_detect.h"
#include "loader/file.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestPrompt = uint64_t{1} << 28;  // bytes; more than any context holds

Result<std::string> read_prompt_file(const std::string& path) {
  if (path != "-") return read_text(path, kLargestPrompt);
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  return text;
}

}  // namespace

Result<PromptFormat> prompt_format(const Model& model, const RunFlags& flags) {
  PromptFormat format;
  if (model.tokenizer() == nullptr) {
    return fail(ErrorCode::kNotFound, model.folder(), "the folder has no tokenizer.json",
                "gemma-run needs one; gemma-eval logits takes ids");
  }
  ChatTemplate known = ChatTemplate::kNone;
  if (model.folder().empty()) {
    known = model.config().small() ? ChatTemplate::kGemma4Small : ChatTemplate::kGemma4Large;
  } else {
    Result<TemplateFile> file = read_template(model.folder());
    if (!file) return fail(std::move(file.error()));
    if (!file->text.empty()) known = detect_template(file->text);
  }
  format.chat = known != ChatTemplate::kNone && !flags.raw;
  if (!format.chat && (flags.chat || flags.thinking || flags.system || flags.messages)) {
    return fail(ErrorCode::kUsage,
                flags.chat       ? "--chat"
                : flags.thinking ? "--thinking"
                : flags.system   ? "--system"
                                 : "--messages",
                flags.raw ? "does not go together with --raw" : "this model has no chat template",
                flags.raw ? "" : "take the instruction-tuned (-it) model");
  }
  const ChatChoice choice = choose_chat(known, model.config().small());
  format.options.style = choice.style;
  format.options.small_model = choice.small_model;
  format.options.thinking = flags.thinking;
  if (format.chat) format.note = choice.note;
  return format;
}

Result<std::vector<Prompt>> read_prompts(const RunFlags& flags, const PromptFormat& format) {
  std::vector<Prompt> prompts;
  const auto add = [&](std::string text) {
    Prompt prompt;
    if (format.chat) {
      if (flags.system) prompt.messages.push_back({.role = Role::kSystem, .content = *flags.system});
      prompt.messages.push_back({.role = Role::kUser, .content = std::move(text)});
    } else {
      prompt.text = std::move(text);
    }
    prompts.push_back(std::move(prompt));
  };
  if (flags.messages) {
    Result<std::string> text = read_prompt_file(*flags.messages);
    if (!text) return fail(std::move(text.error()));
    Result<Conversation> conversation = parse_conversation(*text, *flags.messages);
    if (!conversation) return fail(std::move(conversation.error()));
    Prompt prompt;
    prompt.messages = std::move(conversation->messages);
    prompt.tools = std::move(conversation->tools);
    if (flags.system) {
      prompt.messages.insert(prompt.messages.begin(), {.role = Role::kSystem, .content = *flags.system});
    }
    prompts.push_back(std::move(prompt));
  }
  for (const std::string& text : flags.prompts) add(text);
  for (const std::string& path : flags.prompt_files) {
    Result<std::string> text = read_prompt_file(path);
    if (!text) return fail(std::move(text.error()));
    add(std::move(*text));
  }
  if (prompts.empty()) {
    if (is_terminal(kStdin)) {
      return fail(ErrorCode::kUsage, "prompt", "expected one, found none",
                  "-p \"...\", a file with -f, or --chat");
    }
    Result<std::string> text = read_prompt_file("-");
    if (!text) return fail(std::move(text.error()));
    add(std::move(*text));
  }
  return prompts;
}

Result<EncodedPrompt> encode_prompt(const Model& model, const RunFlags& flags, const PromptFormat& format,
                                    const Prompt& prompt) {
  const Tokenizer& tokenizer = *model.tokenizer();
  EncodedPrompt encoded;
  if (!format.chat) {
    encoded.ids = tokenizer.encode(prompt.text, flags.raw ? SpecialTokens::kParse : SpecialTokens::kAsText);
    const int32_t bos = model.config().bos_id;
    if (encoded.ids.empty() || encoded.ids.front() != bos) encoded.ids.insert(encoded.ids.begin(), bos);
    return encoded;
  }
  ChatOptions options = format.options;
  options.tools = prompt.tools;
  Result<std::vector<Segment>> segments = render_segments(prompt.messages, options);
  if (!segments) return fail(std::move(segments.error()));
  encoded.in_thought = ends_in_thought(*segments);
  Result<std::vector<int32_t>> ids = encode_segments(tokenizer, *segments);
  if (!ids) return fail(std::move(ids.error()));
  encoded.ids = std::move(*ids);
  return encoded;
}

}  // namespace gemma
