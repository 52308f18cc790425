// `gemma-run` without --chat: every prompt answered by itself, as text or as one JSON document.
#pragma once

#include <vector>

#include "engine/generator.h"
#include "tools/run_prompt.h"

namespace gemma {

// Streams the first sequence of each prompt to standard output and writes the others behind it. Ends early,
// without an error, if the reader goes away or Ctrl-C is pressed.
Result<void> run_answers(const Model& model, Session& session, const RunFlags& flags,
                         const PromptFormat& format, const SamplingOptions& sampling,
                         const std::vector<Prompt>& prompts);

}  // namespace gemma
