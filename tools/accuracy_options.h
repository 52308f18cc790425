// What `gemma-eval accuracy` can be told: one table of options, filled into one plain struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/dataset.h"
#include "loader/result.h"
#include "tools/kernel_choice.h"
#include "tools/options.h"
#include "tools/run_options.h"

namespace gemma {

struct AccuracyFlags {
  // what computes
  std::string model, scheme, against;
  std::optional<std::string> kv_type;
  KernelFlags kernels;
  uint64_t threads = 0, context = 0;
  // questions
  std::vector<std::string> data;
  std::optional<std::string> format;
  DatasetFields fields;
  std::optional<uint64_t> limit;
  bool shuffle = false;
  uint64_t seed = 0;
  // prompt
  std::optional<std::string> prompt_template, template_file, header, examples, choice_prefix;
  std::optional<uint64_t> few_shot;
  std::string score = "auto";
  bool raw = false;
  std::string too_long = "refuse";
  // answers
  uint64_t max_new_tokens = 64;
  std::vector<std::string> stop;
  std::optional<double> temperature, top_p;
  std::optional<int64_t> top_k;
  std::string no_answer = "unanswerable";
  // scores
  bool stemmer = false, mutual_info = false;
  std::optional<double> min_exact_match, min_f1, min_rouge_l, min_accuracy;
  // report
  std::optional<std::string> items, html;
  bool json = false;
};

Options accuracy_options(AccuracyFlags& flags);

// kUsage for options that contradict each other or would only be ignored.
Result<void> check_accuracy_flags(const AccuracyFlags& flags);

// The same as gemma-run's options, for what both programs understand alike.
RunFlags run_flags(const AccuracyFlags& flags, const std::string& scheme);

// "MODEL#SCHEME" apart; both may be empty.
struct ModelAndScheme {
  std::string model, scheme;
};
ModelAndScheme parse_variant(const std::string& text);

}  // namespace gemma
