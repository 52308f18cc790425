#include "tools/run_prompt.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "engine/buffer.h"
#include "engine/chat_detect.h"
#include "loader/file.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestPrompt = uint64_t{1} << 28;  // bytes; more than any context holds

Result<std::string> read_stream(std::istream& in, const std::string& where) {
  std::string text;
  std::array<char, 1 << 16> block;
  do {
    in.read(block.data(), block.size());
    text.append(block.data(), static_cast<size_t>(in.gcount()));
    if (text.size() > kLargestPrompt) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("more than {}, which no context holds", format_bytes(kLargestPrompt)));
    }
  } while (in);
  if (in.bad()) return fail(ErrorCode::kIo, where, "cannot read it to the end");
  return text;
}

// A regular file, "-", or a pipe such as the shell's <(command).
Result<std::string> read_prompt_file(const std::string& path) {
  if (path == "-") return read_stream(std::cin, "standard input");
  std::error_code unreadable;
  if (!std::filesystem::is_fifo(path, unreadable)) return read_text(path, kLargestPrompt);
  std::ifstream pipe(path, std::ios::binary);
  if (!pipe) return fail(ErrorCode::kIo, path, "cannot open the pipe");
  return read_stream(pipe, path);
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
    Result<TemplateFile> file = model.chat_template();
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
                "this model has no chat template", "take the instruction-tuned (-it) model");
  }
  const ChatChoice choice = choose_chat(known, model.config().small());
  format.options.style = choice.style;
  format.options.small_model = choice.small_model;
  format.options.thinking = flags.thinking;
  if (format.chat) format.note = choice.note;
  if (flags.thinking && choice.style == ChatStyle::kTurnsOnly) {
    return fail(ErrorCode::kUsage, "--thinking",
                "this model's chat template has plain turns only, and no place for thoughts",
                "leave it out, or take a Gemma 4 -it model");
  }
  return format;
}

Result<std::vector<Prompt>> read_prompts(const RunFlags& flags) {
  std::vector<Prompt> prompts;
  const auto add = [&](std::string text) { prompts.push_back({{}, {}, std::move(text)}); };
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
    if (text->empty()) {
      return fail(ErrorCode::kUsage, "prompt", "expected one on standard input, found nothing",
                  "-p \"...\", a file with -f, or --chat");
    }
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
  std::vector<Message> messages = prompt.messages;
  if (messages.empty()) {
    if (flags.system) messages.push_back({.role = Role::kSystem, .content = *flags.system});
    messages.push_back({.role = Role::kUser, .content = prompt.text});
  }
  ChatOptions options = format.options;
  options.tools = prompt.tools;
  Result<std::vector<Segment>> segments = render_segments(messages, options);
  if (!segments) return fail(std::move(segments.error()));
  encoded.in_thought = ends_in_thought(*segments);
  Result<std::vector<int32_t>> ids = encode_segments(tokenizer, *segments);
  if (!ids) return fail(std::move(ids.error()));
  encoded.ids = std::move(*ids);
  return encoded;
}

}  // namespace gemma
