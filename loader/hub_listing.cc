#include "loader/hub_listing.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "loader/in_quotes.h"
#include "loader/json.h"
#include "loader/json_fields.h"

namespace gemma {
namespace {

constexpr JsonLimits kLimits{.bytes = size_t{32} << 20, .depth = 32};
constexpr size_t kMaxFiles = 100'000;
constexpr int64_t kMaxFileBytes = int64_t{1} << 50;
constexpr size_t kMaxPartBytes = 200;  // leaves room for what temporary names add, of 255
constexpr size_t kMaxNameBytes = 1000;

bool is_hash(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

HubFile read_file(const nlohmann::json& entry, const std::string& prefix, Problems& problems) {
  const JsonFields fields(entry, prefix, problems);
  HubFile file;
  file.name = fields.string("rfilename").value_or("");
  if (!is_plain_path(file.name)) {
    fields.invalid("rfilename", "expected a plain relative path, found " + in_quotes(file.name));
  }
  file.large = fields.has("lfs");
  const JsonFields lfs = fields.object("lfs");
  const JsonFields& content = file.large ? lfs : fields;
  const char* key = file.large ? "sha256" : "blobId";
  const size_t digits = file.large ? 64 : 40;
  file.hash = content.string(key).value_or("");
  if (!is_hash(file.hash, digits)) {
    content.invalid(key,
                    fmt::format("expected {} hexadecimal digits, found {}", digits, in_quotes(file.hash)));
  }
  const std::optional<int64_t> bytes = content.integer("size", 0, kMaxFileBytes);
  if (!bytes && !content.has("size")) content.invalid("size", "expected a number of bytes, found none");
  file.bytes = static_cast<uint64_t>(bytes.value_or(0));
  return file;
}

}  // namespace

bool is_plain_path(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '\\';
  });
  // U+0080 to U+009F are control characters too, to some terminals.
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    if (name[i] == '\xc2' && static_cast<unsigned char>(name[i + 1]) < 0xa0) return false;
  }
  if (!printable) return false;
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view part = name.substr(start, end - start);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxPartBytes) return false;
    start = end + 1;
  }
  return true;
}

Result<HubListing> parse_hub_listing(std::string_view text, const std::string& where) {
  Result<nlohmann::json> json = parse_json(text, where, kLimits);
  if (!json) return fail(std::move(json.error()));
  if (!json->is_object()) return fail(ErrorCode::kInvalidFile, where, "expected a JSON object");
  Problems problems;
  const JsonFields fields(*json, "", problems);
  HubListing listing;
  listing.commit = fields.string("sha").value_or("");
  if (!is_hash(listing.commit, 40)) {
    fields.invalid("sha", "expected a commit's 40 hexadecimal digits, found " + in_quotes(listing.commit));
  }
  const nlohmann::json* siblings = fields.find("siblings");
  if (siblings == nullptr || !siblings->is_array() || siblings->empty() || siblings->size() > kMaxFiles) {
    fields.invalid("siblings", fmt::format("expected a list of 1 to {} files, found {}", kMaxFiles,
                                           siblings == nullptr    ? "none"
                                           : siblings->is_array() ? std::to_string(siblings->size())
                                                                  : shown(*siblings)));
    return problems.failure(where);
  }
  for (size_t i = 0; i < siblings->size(); ++i) {
    listing.files.push_back(read_file((*siblings)[i], fmt::format("siblings[{}].", i), problems));
  }
  const auto by_name = [](const HubFile& a, const HubFile& b) { return a.name < b.name; };
  std::sort(listing.files.begin(), listing.files.end(), by_name);
  for (size_t i = 1; i < listing.files.size(); ++i) {
    if (listing.files[i].name == listing.files[i - 1].name) {
      fields.invalid("siblings", in_quotes(listing.files[i].name) + " is listed twice");
    }
  }
  if (!problems.empty()) return problems.failure(where);
  return listing;
}

}  // namespace gemma
