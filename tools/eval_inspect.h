// gemma-eval inspect: what a checkpoint is and what it will need, without loading its weights. Everything
// told is read from its files or derived from their shapes by the functions that the engine itself uses.
//
//   gemma-eval inspect --model google/gemma-4-E2B-it
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/model.h"
#include "loader/model_card.h"
#include "loader/result.h"
#include "tools/exit_code.h"
#include "tools/inspect_quantization.h"

namespace gemma {

// The published sizes are told apart by their shapes: "E2B", "E4B", "12B", "26B-A4B", "31B", else "custom".
std::string family_member(const ModelConfig& config);

struct Counted {
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};

struct Inspection {
  std::string name, folder;  // folder empty: synthetic
  std::string family;
  std::string model_type, dtype;
  std::vector<std::pair<std::string, std::string>> traits;  // label, plain words

  std::map<std::string, Counted> dtypes;  // of the text tensors, by name of the type
  Counted text, other;                    // other: vision, audio
  size_t files = 0;                       // that the text tensors lie in; 0 for synthetic models
  std::string misfit;  // how the tensors differ from what config.json says; empty: they fit

  uint64_t parameters = 0;            // of the text model; a tied head counts once
  uint64_t parameters_per_token = 0;  // multiplied per token: no gathered tables, active experts only

  StoredQuantization quantization;  // of tensors that fit config.json; else empty

  size_t context = 0;               // positions
  uint64_t kv_bytes_per_token = 0;  // f16, growth of the full-attention layers
  uint64_t kv_fixed_bytes = 0;      // f16, rings of the sliding layers with the default chunk and rollback
  std::map<std::string, std::optional<uint64_t>> weight_bytes;  // by scheme; absent: it cannot be applied

  std::optional<size_t> tokenizer_size;  // ids; absent: no tokenizer
  bool adds_bos = false;                 // the tokenizer's file asks for <bos> in front
  std::string chat_template;             // engine/chat_detect.h
  std::vector<int32_t> eos_ids;
  GenerationConfig generation;
  ModelCard card;
};

// `model` needs no weights loaded. Errors: a file that cannot be read.
Result<Inspection> inspect(const Model& model);

// Aligned text for people; one JSON object for programs (absent things are null or missing).
std::string inspection_text(const Inspection& found);
std::string inspection_json(const Inspection& found);

ExitCode eval_inspect(int argc, const char* const* argv);

}  // namespace gemma
