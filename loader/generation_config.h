// generation_config.json: the sampling defaults that a checkpoint asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

// Absent fields are not set in the file. Names and meanings are those of transformers' GenerationConfig.
struct GenerationConfig {
  std::vector<int32_t> eos_ids;
  std::vector<int32_t> suppress_ids;
  std::optional<int32_t> bos_id, pad_id;
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  bool operator==(const GenerationConfig&) const = default;
};

Result<GenerationConfig> parse_generation_config(std::string_view json, const std::string& where);
// An absent file is not an error: everything stays unset.
Result<GenerationConfig> read_generation_config(const std::string& path);

}  // namespace gemma
