// The options that the measuring commands of gemma-eval share: which text, cut how, and what computes it.
#pragma once

#include <optional>
#include <string>

#include "engine/evaluation/evaluation_plan.h"
#include "engine/session.h"
#include "tools/kernel_choice.h"
#include "tools/kv_type_option.h"
#include "tools/options.h"

namespace gemma {

struct TextFlags {
  std::string file;
  std::string format = "auto";
  std::string field = "text";
  std::optional<uint64_t> limit;
  std::optional<std::string> join;
  bool skip_blank = false;
  bool detokenize = false;  // WikiText's
};

struct WindowFlags {
  std::string definition = "strict";
  std::optional<uint64_t> max_length, stride, windows, seed;
  std::optional<std::string> bos;
  std::optional<bool> eos;
  std::optional<std::string> instruction;  // of chat-prefix
};

struct ComputeFlags {
  std::string kv_type;
  std::optional<std::string> mmap;
  KernelFlags kernels;
  std::optional<uint64_t> threads;
  uint64_t chunk = 256;
};

void add_text_options(Options& options, TextFlags& flags);
void add_window_options(Options& options, WindowFlags& flags);
void add_compute_options(Options& options, ComputeFlags& flags);

// Reads the text. `--join` understands \n, \t, \r and \\ as a shell's quotes leave them.
Result<EvaluationText> read_evaluation_text(const TextFlags& flags);
// The definition's own defaults, and what was given instead.
Result<PerplexityOptions> perplexity_options(const WindowFlags& windows, const TextFlags& text);
// The plan for a model, its chat prompt rendered where the definition wants one. kNotFound without a
// tokenizer.
Result<EvaluationPlan> evaluation_plan(const Model& model, const EvaluationText& text,
                                       const WindowFlags& windows, const TextFlags& flags);

// `scheme` and `name` may be empty: what fits the checkpoint, the shipped model. Without `weights` only what
// tells of them is read, and the scheme is yet to be chosen.
Result<std::unique_ptr<Model>> load_model(const std::string& name, const std::string& scheme,
                                          const ComputeFlags& flags, bool weights = true);

}  // namespace gemma
