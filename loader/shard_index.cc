#include "loader/shard_index.h"

#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/json.h"

namespace gemma {
namespace {

// A shard lies beside its index. Anything else in a downloaded file is an attempt to have us read elsewhere.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos;
}

}  // namespace

Result<ShardIndex> parse_shard_index(std::string_view json, const std::string& where) {
  Result<nlohmann::json> parsed = parse_json(json, where);
  if (!parsed) return fail(parsed.error());
  auto map = parsed->is_object() ? parsed->find("weight_map") : parsed->end();
  if (map == parsed->end() || !map->is_object()) {
    return fail(ErrorCode::kInvalidFile, where, "weight_map: expected an object of tensor: file");
  }
  ShardIndex index;
  std::set<std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) {
      return fail(ErrorCode::kInvalidFile, where,
                  "weight_map." + in_quotes(tensor) + ": expected a file name, found " + file.type_name());
    }
    const auto& name = file.get_ref<const std::string&>();
    if (!is_plain_file_name(name)) {
      return fail(ErrorCode::kInvalidFile, where,
                  "weight_map." + in_quotes(tensor) + ": expected the name of a file in this folder, found " +
                      in_quotes(name),
                  "do not trust this model");
    }
    files.insert(name);
    index.file_of.emplace(tensor, name);
  }
  if (files.empty()) return fail(ErrorCode::kInvalidFile, where, "weight_map names no tensor");
  index.files.assign(files.begin(), files.end());
  return index;
}

Result<ShardIndex> read_shard_index(const std::string& path) {
  Result<std::string> text = read_text(path, JsonLimits{}.bytes);
  if (!text) return fail(text.error());
  return parse_shard_index(*text, path);
}

}  // namespace gemma
