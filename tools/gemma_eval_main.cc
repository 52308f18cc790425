// gemma-eval: what a model computes and what it is, for people and scripts that check rather than chat.
#include "tools/eval_accuracy.h"
#include "tools/eval_compare.h"
#include "tools/eval_inspect.h"
#include "tools/eval_layers.h"
#include "tools/eval_logits.h"
#include "tools/eval_memory.h"
#include "tools/eval_perplexity.h"
#include "tools/eval_report.h"
#include "tools/eval_tokenize.h"
#include "tools/guarded_program.h"
#include "tools/options_command.h"

int main(int argc, char** argv) {
  using gemma::Command;
  constexpr Command kCommands[] = {
      {"logits", "write the logits or hidden states of a token sequence as .npy", gemma::eval_logits},
      {"accuracy", "ask questions and score the answers", gemma::eval_accuracy},
      {"tokenize", "turn text into token ids, or ids into text, as JSON", gemma::eval_tokenize},
      {"inspect", "tell what a checkpoint is and what it will need", gemma::eval_inspect},
      {"memory", "tell where a model's memory is, or how much it will take", gemma::eval_memory},
      {"perplexity", "measure how well a model predicts a text", gemma::eval_perplexity},
      {"compare", "compare models, or ways to compute one, token by token", gemma::eval_compare},
      {"layers", "tell where two ways to compute a model part, and which tensors cost most",
       gemma::eval_layers},
      {"report", "make one page for a browser out of measurements", gemma::eval_report},
  };
  return gemma::guarded_program("gemma-eval", argv, [&] {
    return gemma::run_command("gemma-eval", "Looks into Gemma 4 models: what they compute and what they are.",
                              kCommands, argc, argv);
  });
}
