// gemma-eval logits: the raw output of a model for a token sequence, as .npy files that NumPy reads.
//
//   gemma-eval logits --model M --tokens 2,5,9 --out logits.npy --hidden hidden.npy
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "tools/exit_code.h"
#include "tools/kernel_choice.h"

namespace gemma {

struct LogitsRequest {
  std::string model;    // empty: the shipped one
  std::string tokens;   // as parse_token_list reads it
  std::string scheme;   // empty: the model's default
  std::string kv_type;  // a word of --kv-type; empty: the scheme's default
  KernelFlags kernels;
  uint64_t chunk = 256;  // tokens of one forward pass, 1..4096; the result does not depend on it
  uint64_t last = 0;     // write the last so many positions only; 0: all
  uint64_t threads = 0;  // 0: physical cores
  std::string out;       // (positions, vocab) float32; empty: not wanted
  std::string hidden;    // (layers, positions, hidden) float32; empty: not wanted
};

// What was computed, for the note on stderr.
struct LogitsReport {
  size_t tokens = 0;
  size_t positions = 0;  // written
  size_t vocab = 0, layers = 0, hidden = 0;
  std::string scheme;
  std::string scheme_reason;  // if none was asked for
  double load_seconds = 0, compute_seconds = 0;
};

// "2,5,9" (spaces allowed), or "@file.json": a list of ids, or an object with the list "ids" (what gemma-eval
// tokenize prints). At least one id, each 0 .. 2^31 - 1. Errors: kUsage, for a file kInvalidFile, kNotFound.
// `option` is the error's where.
Result<std::vector<int32_t>> parse_token_list(std::string_view text, const std::string& option);

// Computes and writes. Whatever can be checked without weights (ids, sizes, scheme, files) is checked before
// they are loaded. Logits are written row by row; hidden states come layer by layer within a chunk and are
// kept in memory until the end (layers * positions * hidden * 4 bytes, kResource if they are not there).
Result<LogitsReport> write_logits(const LogitsRequest& request);

ExitCode eval_logits(int argc, const char* const* argv);

}  // namespace gemma
