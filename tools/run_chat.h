// `gemma-run --chat`: a conversation in the terminal. The history is rendered anew for every turn; what of it
// the session already holds is not computed again. Ctrl-C stops an answer and keeps the talk, Ctrl-D ends it.
#pragma once

#include "engine/generator.h"
#include "tools/run_prompt.h"

namespace gemma {

// Reads turns, one a line, from standard input until it ends; answers to standard output. `/exit` ends,
// `/reset` begins anew. With --session the talk is read from FILE.json and written back after every answer.
// A turn that does not fit the context is an error; at a terminal it is told, dropped, and the talk goes on.
Result<void> run_chat(const Model& model, Session& session, const RunFlags& flags, const PromptFormat& format,
                      const SamplingOptions& sampling);

}  // namespace gemma
