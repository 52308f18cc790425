// A model and how to compute it in one word: "MODEL#SCHEME". MODEL may be a folder, a hub id or
// synthetic:SIZE:SEED, none of which ends in '#' and a scheme; nothing in front of the '#' is the shipped
// model, nothing behind it (or no '#') what fits the checkpoint.
//
//   models/stories-full#int4    google/gemma-4-E2B-it#int4,head=int8    synthetic:tiny:7#f32    #bf16
#pragma once

#include <string>

#include "engine/scheme.h"
#include "loader/result.h"

namespace gemma {

struct ModelChoice {
  std::string model, scheme;  // either may be empty
  std::string text;           // as it was written
};

// Cut at the last '#'. kUsage if what follows it is no scheme; a '#' in a folder's name wants a second one
// behind.
Result<ModelChoice> parse_model_choice(const std::string& text);

}  // namespace gemma
