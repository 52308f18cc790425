// Which of a model's files are fetched: those that this project reads, and no others.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loader/hub_listing.h"
#include "loader/result.h"

namespace gemma {

// Always the small files (configuration, tokenizer, chat template, model card), as far as they exist. Of the
// weights:
//   - what matches one of `include`, patterns with * and ? and [a-z] for the whole path (* matches slashes
//     too); one that matches nothing is kNotFound;
//   - without patterns the safetensors of the top folder: the shards and their index, or model.safetensors,
//     or all there are;
//   - where there are none, the only .gguf. Several are kUsage, and the message lists them.
// kNotFound if there are no weights at all. In the order of the listing, smallest first: what is wrong with
// them is then known before the weights arrive. `where` names the model in errors.
Result<std::vector<HubFile>> select_files(const HubListing& listing, std::span<const std::string> include,
                                          const std::string& where);

}  // namespace gemma
