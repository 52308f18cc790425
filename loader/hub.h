// From what a user calls a model to the folder or .gguf file that holds it: a path, or a hub id such as
// "google/gemma-4-E2B-it" looked up in the local Hugging Face cache. Never touches the network.
#pragma once

#include <string>

#include "loader/result.h"

namespace gemma {

// `model` is a folder or .gguf file that exists, or "owner/name" or "owner/name@revision". Where the cache is
// and how it is laid out: loader/hub_cache.h; refs/<revision> (default "main") names the snapshot. A folder
// that holds no safetensors but one .gguf file (find_gguf) gives that file. A missing model is kNotFound with
// the exact command that fetches it (loader/hub_pull.h) as hint.
Result<std::string> find_model(const std::string& model);

}  // namespace gemma
