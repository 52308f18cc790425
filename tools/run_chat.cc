#include "tools/run_chat.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "loader/file.h"
#include "tools/run_output.h"
#include "tools/run_report.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestTalk = uint64_t{1} << 28;

Result<void> save_talk(const std::string& path, const std::vector<Message>& talk) {
  Json messages = Json::array();
  for (const Message& message : talk) {
    messages.push_back(
        {{"role", to_string(message.role)}, {"content", std::get<std::string>(message.content)}});
  }
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial);
    // A line of input is whatever bytes were typed; JSON is UTF-8.
    file << messages.dump(1, ' ', false, Json::error_handler_t::replace) << "\n";
    if (!file.flush()) return fail(ErrorCode::kIo, partial, "cannot write the conversation");
  }
  std::error_code failed;
  std::filesystem::rename(partial, path, failed);
  if (failed) return fail(ErrorCode::kIo, path, failed.message());
  return {};
}

Result<std::vector<Message>> load_talk(const std::string& path) {
  Result<std::string> text = read_text(path, kLargestTalk);
  if (!text) return fail(std::move(text.error()));
  Result<Conversation> conversation = parse_conversation(*text, path);
  if (!conversation) return fail(std::move(conversation.error()));
  for (const Message& message : conversation->messages) {
    if (!std::holds_alternative<std::string>(message.content)) {
      return fail(ErrorCode::kInvalidFile, path, "expected turns of plain text, found one in parts",
                  "delete the file to begin a new talk");
    }
  }
  return std::move(conversation->messages);
}

// The kept talk with the system turn that is asked for now, if one is.
void set_system(std::vector<Message>& talk, const std::optional<std::string>& system) {
  if (!system) return;
  if (talk.empty() || talk.front().role != Role::kSystem) talk.insert(talk.begin(), Message{});
  talk.front() = {.role = Role::kSystem, .content = *system};
}

// One line from standard input; Ctrl-C at the prompt drops what was typed.
bool read_line(bool prompt, std::string& line) {
  for (;;) {
    if (prompt) write_text(kStderr, "> ");
    if (!prompt || wait_for_input()) return static_cast<bool>(std::getline(std::cin, line));
    clear_interrupt();
    write_text(kStderr, "\n");
  }
}

}  // namespace

Result<void> run_chat(const Model& model, Session& session, const RunFlags& flags, const PromptFormat& format,
                      const SamplingOptions& sampling) {
  const bool terminal = is_terminal(kStdin);
  const std::string talk_path = flags.session ? *flags.session + ".json" : "";
  std::vector<Message> talk;
  const auto begin = [&] {
    talk.clear();
    set_system(talk, flags.system);
  };
  begin();
  std::error_code unreadable;
  if (!talk_path.empty() && std::filesystem::exists(talk_path, unreadable)) {
    Result<std::vector<Message>> kept = load_talk(talk_path);
    if (!kept) return fail(std::move(kept.error()));
    talk = std::move(*kept);
    set_system(talk, flags.system);
  }
  if (terminal) write_text(kStderr, "Ctrl-C stops an answer, /reset begins anew, Ctrl-D or /exit ends\n");

  Generator generator(session);
  RunOutput output;
  for (std::string line; output.open() && read_line(terminal, line);) {
    if (line == "/exit") break;
    if (line == "/reset") {
      begin();
      continue;
    }
    if (line.empty()) continue;
    Prompt prompt;
    talk.push_back({.role = Role::kUser, .content = line});
    prompt.messages = talk;
    Result<EncodedPrompt> encoded = encode_prompt(model, flags, format, prompt);
    if (!encoded) return fail(std::move(encoded.error()));
    GenerateOptions options;
    options.sampling = sampling;
    options.chat = true;
    options.in_thought = encoded->in_thought;
    options.interrupted = interrupted;
    clear_interrupt();
    Result<std::vector<Generated>> answer =
        generator.run(encoded->ids, options, [&](const Piece& piece) { return output.write(piece); });
    const bool stopped = interrupted();
    clear_interrupt();
    if (!answer) {
      if (!stopped && (!terminal || answer.error().code != ErrorCode::kUsage)) {
        return fail(std::move(answer.error()));
      }
      // Stopped while the prompt was read, or too long for the context: as if it had not been asked.
      talk.pop_back();
      write_text(kStderr, stopped ? "\n" : answer.error().message() + "; /reset begins anew\n");
      continue;
    }
    output.write("\n");
    if (answer->front().finish == FinishReason::kContext) {
      warn("gemma-run", context_full(session) + "; /reset begins anew");
    }
    talk.push_back({.role = Role::kAssistant, .content = answer->front().text});
    if (flags.stats) write_text(kStderr, stats_text(model, session, sampling, generator.timings(), *answer));
    if (!talk_path.empty()) {
      Result<void> saved = save_talk(talk_path, talk);
      if (!saved) return saved;
    }
  }
  return output.outcome();
}

}  // namespace gemma
