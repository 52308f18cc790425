// The model of a gemma-eval command: named, or the one that ships with the project.
#pragma once

#include <string>

#include "engine/model.h"
#include "loader/result.h"

namespace gemma {

// `asked`, or the folder of the shipped model if nothing was asked for.
Result<std::string> model_or_shipped(const std::string& asked);

// Everything of the model but its weights.
Result<std::unique_ptr<Model>> open_model(const std::string& asked, bool tokenizer);

}  // namespace gemma
