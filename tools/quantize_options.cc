#include "tools/quantize_options.h"

namespace gemma {

Options quantize_options(QuantizeFlags& flags) {
  Options options(
      "gemma-quantize",
      "Quantizes a Gemma 4 model once, so that every later start only maps a file. What lies on a trained "
      "grid stays on it.");
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &flags.model,
               .value = "MODEL",
               .default_text = "the story model that ships with gemma-run",
               .help = "a folder, a GGUF file, a hub id in the local cache, or synthetic:SIZE"});
  options.add(
      {.name = "scheme",
       .target = &flags.scheme,
       .value = "SCHEME",
       .default_text = "what fits the file",
       .help = "how the weights are kept: int4, int8, int4-channel, w8a4, w2c, ..., with ,class=scheme for "
               "parts (docs/schemes.md)"});
  options.group("Output");
  options.add(
      {.name = "out",
       .letter = 'o',
       .target = &flags.out,
       .value = "PATH",
       .default_text = "none: it must be given",
       .help = "the folder to make (a file for gguf); nothing is overwritten, and an interrupted run of the "
               "same command goes on where it stopped"});
  options.add(
      {.name = "to",
       .target = &flags.to,
       .words = {"packed", "bf16", "gguf"},
       .value = "FORMAT",
       .help = "packed: for the programs of gemma-run; bf16: the quantized values as a plain checkpoint, for "
               "other programs; gguf: Q4_0, Q8_0 or F16, for llama.cpp and its kin"});
  options.add({.name = "off-grid",
               .target = &flags.off_grid,
               .words = {"textbook", "least-error"},
               .value = "RULE",
               .default_text = "least-error beside tensors on a trained grid, else textbook",
               .help =
                   "how w4g32 and int4 round a tensor that lies on no trained grid: as ggml's Q4_0 does, or "
                   "each group by whichever of that and a least-squares scale errs less; not for gguf"});
  options.group("Static activation scales");
  options.add({.name = "calibrate",
               .target = &flags.calibrate,
               .value = "FILE",
               .default_text = "none: what the model carries",
               .help =
                   "read this text with float activations and store static scales that fit what was seen, "
                   "for w8ca8s, w4ca8s, fake:w4ca4s and other schemes with s (docs/calibration.md)"});
  options.add({.name = "calibrate-method",
               .target = &flags.calibrate_method,
               .words = {"absmax", "percentile", "mse"},
               .value = "METHOD",
               .help = "absmax: nothing is clipped; percentile: what lies beyond --calibrate-percentile is; "
                       "mse: the clipping with the least squared error"});
  options.add({.name = "calibrate-percentile",
               .target = &flags.calibrate_percentile,
               .range = {.min = 0, .max = 100, .above_min = true},
               .help = "percent of the magnitudes that stay whole"});
  options.add({.name = "calibrate-tokens",
               .target = &flags.calibrate_tokens,
               .range = {.min = 1},
               .unit = "tokens",
               .help = "how much of the text is read"});
  options.add({.name = "calibrate-outputs",
               .target = &flags.calibrate_outputs,
               .help = "find scales for the outputs of the matrices too; without, outputs stay float"});
  options.group("Report");
  options.add({.name = "errors",
               .target = &flags.errors,
               .help = "compare every weight with its original; --no-errors saves the second reading"});
  options.add({.name = "json", .target = &flags.json, .help = "print the report as JSON instead of a table"});
  options.add({.name = "report",
               .target = &flags.report,
               .value = "FILE",
               .default_text = "none",
               .help = "write the JSON report to a file as well"});
  options.add(
      {.name = "quiet", .letter = 'q', .target = &flags.quiet, .help = "no progress on the terminal"});
  options.group("Machine");
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "the physical cores",
               .help = "threads that compute; the result does not depend on it"});
  options.epilogue(
      "Examples:\n"
      "  gemma-quantize -m google/gemma-4-E2B-it-qat-q4_0-unquantized --scheme int4 -o e2b-int4\n"
      "  gemma-run -m e2b-int4 -p \"Why is the sky blue?\"\n"
      "  gemma-quantize -m models/stories-qat --to bf16 --scheme w2c -o stories-2bit\n"
      "  gemma-quantize --scheme w8ca8s --calibrate text.txt --calibrate-method mse -o stories-static\n");
  return options;
}

}  // namespace gemma
