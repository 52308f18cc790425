#include "loader/json.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

using nlohmann::json;

// Builds the value while the parser calls, so that depth and double keys are refused where they occur, before
// memory is spent on them.
class Builder final : public nlohmann::json_sax<json> {
 public:
  explicit Builder(size_t max_depth) : max_depth_(max_depth) {}

  json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return place(json()) != nullptr; }
  bool boolean(bool value) override { return place(value) != nullptr; }
  bool number_integer(int64_t value) override { return place(value) != nullptr; }
  bool number_unsigned(uint64_t value) override { return place(value) != nullptr; }
  bool number_float(double value, const std::string&) override { return place(value) != nullptr; }
  bool string(std::string& value) override { return place(std::move(value)) != nullptr; }
  bool binary(json::binary_t&) override { return false; }  // JSON text has none
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (stack_.back()->contains(name)) {
      problem_ = "key " + in_quotes(name) + " occurs twice";
      return false;
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string& last_token, const json::exception&) override {
    problem_ = json_syntax_error(position, last_token);
    return false;
  }

 private:
  // Pointers into the stack stay valid: a container only grows while it is the innermost one.
  json* place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }

  bool open(json container) {
    if (stack_.size() == max_depth_) {
      problem_ = fmt::format("nested deeper than {} levels", max_depth_);
      return false;
    }
    stack_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  size_t max_depth_;
  json root_;
  std::vector<json*> stack_;
  std::string key_;
  std::string problem_;
};

}  // namespace

std::string json_syntax_error(size_t position, std::string_view last_read) {
  constexpr size_t kShown = 20;
  last_read.remove_prefix(last_read.size() - std::min(last_read.size(), kShown));
  return fmt::format("not valid JSON at byte {}, near {}", position, in_quotes(last_read));
}

Result<json> parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected at most {} bytes of JSON, found {}", limits.bytes, text.size()));
  }
  if (text.starts_with("\xef\xbb\xbf")) {
    return fail(ErrorCode::kInvalidFile, where, "starts with a byte order mark",
                "save it as UTF-8 without one");
  }
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    // The parser takes it for the end of the text, and whatever follows would go unread.
    return fail(ErrorCode::kInvalidFile, where, fmt::format("holds a zero byte at {}", zero));
  }
  try {
    Builder builder(limits.depth);
    if (!json::sax_parse(text.begin(), text.end(), &builder)) {
      return fail(ErrorCode::kInvalidFile, where, builder.problem());
    }
    return builder.take();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, where, "not enough memory to read it");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidFile, where, std::string("cannot be read as JSON: ") + error.what());
  }
}

Result<json> read_json(const std::string& path, const JsonLimits& limits) {
  Result<std::string> text = read_text(path, limits.bytes);
  if (!text) return fail(text.error());
  return parse_json(*text, path, limits);
}

}  // namespace gemma
