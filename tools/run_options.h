// What `gemma-run` can be told: one table of options, filled into one plain struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/sampling_options.h"
#include "engine/session.h"
#include "tools/kernel_choice.h"
#include "tools/options.h"

namespace gemma {

struct RunFlags {
  // model
  std::optional<std::string> model, scheme, kv_type;
  std::optional<std::string> mmap;
  KernelFlags kernels;
  uint64_t threads = 0;
  uint64_t context = 0;
  // what to answer
  std::vector<std::string> prompts, prompt_files;
  std::optional<std::string> messages, system;
  bool raw = false, chat = false, thinking = false;
  std::optional<std::string> session;
  // how long
  std::optional<int64_t> max_new_tokens, min_new_tokens;
  bool ignore_eos = false;
  std::vector<std::string> stop;
  // choice
  bool greedy = false;
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, no_repeat_ngram_size;
  std::vector<std::string> logit_bias, suppress;
  std::optional<uint64_t> seed;
  // several sequences
  std::optional<int64_t> num_beams, num_return_sequences;
  std::optional<double> length_penalty;
  std::optional<std::string> early_stopping;
  // report
  bool stats = false, json = false;
  std::optional<int64_t> top_logprobs;
};

Options run_options(RunFlags& flags);

// kUsage for options that contradict each other or are empty. Options that would only be ignored are refused
// too: whoever gives them expects something of them.
Result<void> check_flags(const RunFlags& flags);

// The flags as the engine takes them. kUsage for words that do not parse (ID=BIAS pairs, ids, GEMMA_ISA).
Result<SamplingRequest> sampling_request(const RunFlags& flags);
Result<ModelOptions> model_options(const RunFlags& flags);
SessionOptions session_options(const RunFlags& flags);

// An error of validate() told by the name of the option (--top-p), or by the file where the user
// gave none.
Error by_option_name(Error error, const RunFlags& flags, const std::string& folder);

}  // namespace gemma
