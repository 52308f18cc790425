#include "tools/accuracy_options.h"

#include <utility>

#include "tools/kv_type_option.h"
#include "tools/measured_output.h"

namespace gemma {
namespace {

constexpr OptionRange kShare = {.min = 0, .max = 1};

void add_model_options(Options& options, AccuracyFlags& flags) {
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &flags.model,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a hub id such as google/gemma-4-E2B-it, or synthetic:SIZE"});
  options.add({.name = "scheme",
               .target = &flags.scheme,
               .value = "SCHEME",
               .default_text = "what fits the checkpoint",
               .help = "how to compute: f32, bf16, int8, int4, fake:w4g32, ..."});
  options.add({.name = "against",
               .target = &flags.against,
               .value = "MODEL#SCHEME",
               .help = "a second variant for the same questions, tested against the first; without MODEL the "
                       "same model, without #SCHEME what fits it"});
  add_kv_type_option(options, &flags.kv_type);
  options.add({.name = "context",
               .letter = 'c',
               .target = &flags.context,
               .range = {.min = 1, .max = 1 << 24},
               .default_text = "what the longest question needs",
               .help = "tokens that prompt and answer together may have"});
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "the physical cores",
               .help = "threads that compute; the figures do not depend on it"});
  add_kernel_options(options, flags.kernels);
}

void add_question_options(Options& options, AccuracyFlags& flags) {
  options.group("Questions");
  options.add({.name = "format",
               .target = &flags.format,
               .words = {"jsonl", "squad", "hellaswag", "mmlu"},
               .value = "FORMAT",
               .default_text = ".csv is mmlu, .json squad, anything else jsonl",
               .help = "what the files are"});
  const std::pair<const char*, std::string*> fields[] = {
      {"question-field", &flags.fields.question},     {"context-field", &flags.fields.context},
      {"references-field", &flags.fields.references}, {"choices-field", &flags.fields.choices},
      {"answer-field", &flags.fields.answer},         {"id-field", &flags.fields.id}};
  for (const auto& [name, target] : fields) {
    options.add({.name = name,
                 .target = target,
                 .value = "NAME",
                 .help = "its name in JSONL; a dot leads into an object: answers.text"});
  }
  options.add({.name = "limit",
               .target = &flags.limit,
               .range = {.min = 1},
               .default_text = "all",
               .help = "ask the first N questions of each file"});
  options.add({.name = "shuffle",
               .target = &flags.shuffle,
               .help = "mix the questions of each file before --limit takes some"});
  options.add({.name = "seed",
               .target = &flags.seed,
               .help = "for --shuffle and --temperature: the same seed gives the same order and answers"});
}

void add_prompt_options(Options& options, AccuracyFlags& flags) {
  options.group("Prompt");
  options.add({.name = "template",
               .target = &flags.prompt_template,
               .default_text = "by format",
               .help = "the prompt, with {question}, {context}, {choices}, {group}; {{ is a brace"});
  options.add({.name = "template-file",
               .target = &flags.template_file,
               .value = "FILE",
               .help = "the same out of a file; a line end at its end is not taken"});
  options.add({.name = "header",
               .target = &flags.header,
               .default_text = "for mmlu its usual sentence",
               .help = "stands before the first example or question, with the same placeholders"});
  options.add({.name = "examples",
               .target = &flags.examples,
               .value = "PATH",
               .help =
                   "answered questions to put before each one: a file of the same format, or MMLU's folder "
                   "of SUBJECT_dev.csv"});
  options.add({.name = "few-shot",
               .target = &flags.few_shot,
               .range = {.min = 1, .max = 1000},
               .default_text = "5 with --examples",
               .help = "how many of the examples, the first ones"});
  options.add({.name = "score",
               .target = &flags.score,
               .words = {"auto", "letters", "texts"},
               .value = "WHAT",
               .help = "what a choice is scored by: its letter or its text; auto: letters if the template "
                       "lists the choices"});
  options.add({.name = "choice-prefix",
               .target = &flags.choice_prefix,
               .default_text = "a blank with --raw, nothing with a chat template",
               .help = "stands between the prompt and a choice or an example's answer"});
  options.add(
      {.name = "raw",
       .target = &flags.raw,
       .help = "no chat template, as for a base model, which has none anyway: <bos>, then the prompt"});
  options.add({.name = "too-long",
               .target = &flags.too_long,
               .words = {"refuse", "cut"},
               .value = "HOW",
               .help = "a prompt that does not fit the context: refuse to run, or cut the end of {context} "
                       "and say so"});
}

void add_answer_options(Options& options, AccuracyFlags& flags) {
  options.group("Answers");
  options.add({.name = "max-new-tokens",
               .letter = 'n',
               .target = &flags.max_new_tokens,
               .range = {.min = 1, .max = static_cast<double>(kMaxNewTokens)},
               .unit = "tokens",
               .help = "most to write for one answer"});
  options.add({.name = "stop",
               .target = &flags.stop,
               .default_text = "a line end with --raw",
               .help = "end the answer before this text; may be repeated"});
  options.add({.name = "temperature",
               .target = &flags.temperature,
               .range = {.min = 0},
               .default_text = "greedy: always the likeliest token",
               .help = "sample instead"});
  options.add({.name = "top-k",
               .target = &flags.top_k,
               .range = {.min = 0},
               .default_text = "the model's",
               .help = "with --temperature, choose among the k likeliest tokens; 0 is off"});
  options.add({.name = "top-p",
               .target = &flags.top_p,
               .range = {.min = 0, .max = 1},
               .default_text = "the model's",
               .help = "with --temperature, choose among the likeliest of this total probability"});
  options.add({.name = "no-answer",
               .target = &flags.no_answer,
               .help = "an answer of this text (by SQuAD's rules) says that there is none"});
}

void add_score_options(Options& options, AccuracyFlags& flags) {
  options.group("Scores");
  options.add({.name = "stemmer", .target = &flags.stemmer, .help = "ROUGE compares Porter's stems"});
  options.add({.name = "mutual-info",
               .target = &flags.mutual_info,
               .help = "also acc_mutual_info: each choice is scored without its question too"});
  const std::pair<const char*, std::optional<double>*> limits[] = {
      {"min-exact-match", &flags.min_exact_match},
      {"min-f1", &flags.min_f1},
      {"min-rouge-l", &flags.min_rouge_l},
      {"min-accuracy", &flags.min_accuracy}};
  for (const auto& [name, target] : limits) {
    options.add({.name = name,
                 .target = target,
                 .range = kShare,
                 .help = "exit with 1 if the figure of --model is below"});
  }
}

}  // namespace

Options accuracy_options(AccuracyFlags& flags) {
  Options options(
      "gemma-eval accuracy",
      "Asks a model questions that have right answers and scores what it says: exact match, F1 and "
      "ROUGE of free answers, accuracy of multiple choice by log-likelihood.");
  options.positional({.name = "FILE",
                      .target = &flags.data,
                      .required = true,
                      .help = "questions: JSONL, or SQuAD, HellaSwag or MMLU files as published"});
  add_model_options(options, flags);
  add_question_options(options, flags);
  add_prompt_options(options, flags);
  add_answer_options(options, flags);
  add_score_options(options, flags);
  options.group("Report");
  options.add({.name = "items",
               .target = &flags.items,
               .value = "FILE",
               .help = "write every question's answer and scores, a JSON object a line"});
  options.add({.name = "json", .target = &flags.json, .help = "the report as one JSON document"});
  add_html_option(options, flags.html);
  options.epilogue(
      "Examples:\n"
      "  gemma-eval accuracy dev-v2.0.json -m google/gemma-4-E2B-it --limit 500 --items answers.jsonl\n"
      "  gemma-eval accuracy test/*_test.csv --examples dev -m google/gemma-4-E2B-it --scheme int4 "
      "--against '#bf16'\n"
      "  gemma-eval accuracy mine.jsonl --template 'Summarize: {context}' --stemmer --min-rouge-l 0.3\n");
  return options;
}

Result<void> check_accuracy_flags(const AccuracyFlags& flags) {
  const auto refuse = [](const char* where, std::string what, std::string hint = {}) {
    return fail(ErrorCode::kUsage, where, std::move(what), std::move(hint));
  };
  if (flags.prompt_template && flags.template_file) {
    return refuse("--template-file", "does not go together with --template");
  }
  if (flags.few_shot && !flags.examples) {
    return refuse("--few-shot", "there is nothing to take them from", "give a file with --examples");
  }
  if (!flags.temperature && (flags.top_k || flags.top_p)) {
    return refuse(flags.top_k ? "--top-k" : "--top-p", "has no meaning for greedy answers",
                  "add --temperature");
  }
  for (const std::string& stop : flags.stop) {
    if (stop.empty()) return refuse("--stop", "expected a text, found an empty one");
  }
  for (const std::string& path : flags.data) {
    if (path.empty()) return refuse("FILE", "expected a path, found an empty text");
  }
  return {};
}

RunFlags run_flags(const AccuracyFlags& flags, const std::string& scheme) {
  RunFlags run;
  if (!scheme.empty()) run.scheme = scheme;
  run.kv_type = flags.kv_type;
  run.kernels = flags.kernels;
  run.threads = flags.threads;
  run.raw = flags.raw;
  run.max_new_tokens = static_cast<int64_t>(flags.max_new_tokens);
  run.stop = flags.stop;
  run.temperature = flags.temperature;
  run.top_k = flags.top_k;
  run.top_p = flags.top_p;
  run.greedy = !flags.temperature;
  if (flags.temperature) run.do_sample = true;  // whatever the model's file says
  run.seed = flags.seed;
  return run;
}

ModelAndScheme parse_variant(const std::string& text) {
  const size_t hash = text.find('#');
  if (hash == text.npos) return {text, ""};
  return {text.substr(0, hash), text.substr(hash + 1)};
}

}  // namespace gemma
