// From what a user calls a model to the folder or .gguf file that holds it: a path, or a hub id such as
// "google/gemma-4-E2B-it" looked up in the local Hugging Face cache. Never touches the network.
#pragma once

#include <string>

#include "loader/result.h"

namespace gemma {

// `model` is a folder or .gguf file that exists, or "owner/name" or "owner/name@revision". The cache is
// $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub;
// inside it models--owner--name/refs/<revision> (default "main") names the snapshot. A missing model is
// kNotFound with the exact command that would download it as hint. A folder that holds no safetensors but one
// .gguf file (find_gguf) gives that file.
Result<std::string> find_model(const std::string& model);

}  // namespace gemma
