// Which prompt format a checkpoint asks for. Its template is a Jinja program; we recognise it by the features
// that set the published versions apart and never run it.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat_template.h"
#include "loader/result.h"

namespace gemma {

enum class ChatTemplate {
  kNone,         // no template: a base model
  kGemma4Large,  // the published one; the prompt ends with a closed channel when thinking is off
  kGemma4Small,  // the same without the closed channel
  kGemma4Old,    // an earlier one, with known faults; rendered as the published one
  kTurnsOnly,    // plain turns
  kUnknown,      // none of these
};

std::string_view to_string(ChatTemplate known);

// Recognises the text of a template: by its markers, by "preserve_thinking" (only the published version has
// it) and by whether a closed channel is written after "add_generation_prompt".
ChatTemplate detect_template(std::string_view text);

struct TemplateFile {
  std::string text;  // empty if the folder has no template
  std::string path;  // the file that it came from
};

// chat_template.jinja of a model's folder, else `chat_template` of tokenizer_config.json: a string, or a list
// of {name, template} of which "default" is taken, else the first. Absent files are no error. kInvalidFile
// for broken JSON or a template that is no text, kIo for a file that cannot be read, kResource for one beyond
// 64 MiB.
Result<TemplateFile> read_template(const std::string& folder);

// How to render for a model: what its template and its shape say together.
struct ChatChoice {
  ChatStyle style = ChatStyle::kGemma4;
  bool small_model = false;
  std::string note;  // for the user, if there is something to know; one line, empty otherwise
};

// `small_model`: the model has per-layer embeddings. Where the template says otherwise the model is believed,
// and the note says so. kNone and kUnknown get the published format, and a note; the caller decides whether
// to use it.
ChatChoice choose_chat(ChatTemplate known, bool small_model);

}  // namespace gemma
