#include "engine/chat_detect.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "engine/chat_json.h"

namespace gemma {
namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{64} << 20;

bool has(std::string_view text, std::string_view feature) {
  return text.find(feature) != std::string_view::npos;
}

// The channel that is opened and shut at once: in Jinja source the newline is an escape, or a real one.
bool closes_channel(std::string_view text) {
  const size_t prompt = text.rfind("add_generation_prompt");
  if (prompt == std::string_view::npos) return false;
  const std::string_view ending = text.substr(prompt);
  return has(ending, "<|channel>thought\\n<channel|>") || has(ending, "<|channel>thought\n<channel|>");
}

// Empty if there is no such file.
Result<std::string> read_text(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return std::string();
  if (error) return fail(ErrorCode::kIo, path, error.message());
  if (status.type() != std::filesystem::file_type::regular) {
    return fail(ErrorCode::kIo, path, "expected a file");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return fail(ErrorCode::kIo, path, error.message());
  if (size > kMaxFileBytes) {
    return fail(ErrorCode::kResource, path,
                fmt::format("{} bytes, more than the {} that a template file may have", size, kMaxFileBytes));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<size_t>(size), '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(size))) {
    return fail(ErrorCode::kIo, path, "cannot be read");
  }
  return text;
}

// `chat_template` itself, or the default among several named ones; null if there is none.
nlohmann::json pick_template(const nlohmann::json& config) {
  if (!config.is_object() || !config.contains("chat_template")) return nullptr;
  const nlohmann::json& found = config["chat_template"];
  if (!found.is_array()) return found;
  const nlohmann::json* chosen = nullptr;
  for (const nlohmann::json& entry : found) {
    if (!entry.is_object() || !entry.contains("template")) continue;
    const bool is_default = entry.contains("name") && entry["name"] == "default";
    if (chosen == nullptr || is_default) chosen = &entry["template"];
    if (is_default) break;
  }
  return chosen == nullptr ? found : *chosen;
}

}  // namespace

std::string_view to_string(ChatTemplate known) {
  switch (known) {
    case ChatTemplate::kNone:
      return "none";
    case ChatTemplate::kGemma4Large:
      return "gemma4 (large models)";
    case ChatTemplate::kGemma4Small:
      return "gemma4 (small models)";
    case ChatTemplate::kGemma4Old:
      return "gemma4 (an earlier version)";
    case ChatTemplate::kTurnsOnly:
      return "turns only";
    case ChatTemplate::kUnknown:
      return "unknown";
  }
  return "unknown";
}

ChatTemplate detect_template(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return ChatTemplate::kNone;
  if (!has(text, "<|turn>") || !has(text, "<turn|>")) return ChatTemplate::kUnknown;
  const bool thinks = has(text, "<|think|>") && has(text, "<|channel>");
  const bool calls = has(text, "<|tool_call>") && has(text, "<|tool_response>");
  if (thinks && calls) {
    const bool is_published = has(text, "preserve_thinking") && has(text, "raise_exception");
    if (!is_published) return ChatTemplate::kGemma4Old;
    return closes_channel(text) ? ChatTemplate::kGemma4Large : ChatTemplate::kGemma4Small;
  }
  constexpr std::array<std::string_view, 4> kBeyondTurns = {"<|think|>", "<|channel>", "<|tool",
                                                            "enable_thinking"};
  for (const std::string_view feature : kBeyondTurns) {
    if (has(text, feature)) return ChatTemplate::kUnknown;
  }
  const bool is_plain = has(text, "bos_token") && has(text, "trim") && has(text, "add_generation_prompt");
  return is_plain ? ChatTemplate::kTurnsOnly : ChatTemplate::kUnknown;
}

Result<TemplateFile> read_template(const std::string& folder) {
  const std::string jinja = folder + "/chat_template.jinja";
  Result<std::string> text = read_text(jinja);
  if (!text) return fail(text.error());
  if (!text->empty()) return TemplateFile{std::move(*text), jinja};

  const std::string path = folder + "/tokenizer_config.json";
  Result<std::string> config_text = read_text(path);
  if (!config_text) return fail(config_text.error());
  if (config_text->empty()) return TemplateFile{};
  const Result<nlohmann::json> config = parse_unordered_json(*config_text, path);
  if (!config) return fail(config.error());
  const nlohmann::json chosen = pick_template(*config);
  if (chosen.is_null()) return TemplateFile{};
  if (!chosen.is_string()) {
    return fail(ErrorCode::kInvalidFile, path + ": chat_template",
                fmt::format("expected a string or a list of named templates, found {}", chosen.type_name()));
  }
  return TemplateFile{chosen.get<std::string>(), path};
}

ChatChoice choose_chat(ChatTemplate known, bool small_model) {
  ChatChoice choice{ChatStyle::kGemma4, small_model, {}};
  const auto conflict = [&](std::string_view of_template, std::string_view of_model) {
    return fmt::format(
        "the chat template is that of a {} model, but this model is a {} one: using the {} form", of_template,
        of_model, of_model);
  };
  switch (known) {
    case ChatTemplate::kGemma4Large:
      if (small_model) choice.note = conflict("large", "small");
      break;
    case ChatTemplate::kGemma4Small:
      if (!small_model) choice.note = conflict("small", "large");
      break;
    case ChatTemplate::kGemma4Old:
      choice.note =
          "the chat template is an early version with known faults: using the published one of 2026-07-09";
      break;
    case ChatTemplate::kTurnsOnly:
      choice.style = ChatStyle::kTurnsOnly;
      break;
    case ChatTemplate::kNone:
      choice.note = "the model has no chat template";
      break;
    case ChatTemplate::kUnknown:
      choice.note = "the model's chat template is none that is known: using Gemma 4's";
      break;
  }
  return choice;
}

}  // namespace gemma
