// The front matter of a model card (README.md): what a model says of itself between two lines of "---".
// It is for people to look at (`gemma-eval inspect`), so nothing in it is an error: what cannot be read is
// left out. Read is the part of YAML that cards use at their top level:
//
//   license: apache-2.0            # one value
//   base_model: [a, b]             # or several
//   tags:
//   - text-generation
//
// Nested mappings and block texts are skipped.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma {

struct ModelCard {
  std::vector<std::pair<std::string, std::vector<std::string>>> fields;  // in the order of the file

  // The values of a key; empty if absent.
  const std::vector<std::string>& values(std::string_view key) const;
};

ModelCard parse_model_card(std::string_view text);
// An absent or unreadable file reads as an empty card.
ModelCard read_model_card(const std::string& path);

}  // namespace gemma
