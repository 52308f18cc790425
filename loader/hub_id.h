// A model as the Hugging Face hub names it: "owner/name" or "owner/name@revision".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma {

struct HubId {
  std::string owner, name;
  std::string revision = "main";  // a branch, a tag, a commit or "refs/pr/7"

  std::string id() const { return owner + "/" + name; }
  // The command that brings the model here.
  std::string pull_command() const {
    return "gemma-run pull " + id() + (revision == "main" ? "" : "@" + revision);
  }
};

// Nothing for what breaks the hub's rules for names. They also keep an id from leaving the cache's folder: no
// part of one is empty, begins with '.' or '-', or holds "..", "--" or anything but letters, digits and
// "-_.".
std::optional<HubId> parse_hub_id(std::string_view model);

}  // namespace gemma
