// model.safetensors.index.json: which tensor lies in which of the files beside it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct ShardIndex {
  std::map<std::string, std::string> file_of;  // stored tensor name -> file name, no folder
  std::vector<std::string> files;              // each once, sorted
};

// Refuses a file name that could leave the folder (a slash, "..", an absolute path, a zero byte).
Result<ShardIndex> parse_shard_index(std::string_view json, const std::string& where);
Result<ShardIndex> read_shard_index(const std::string& path);

}  // namespace gemma
