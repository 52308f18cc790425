#include "loader/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/in_quotes.h"

namespace gemma {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

// The value of a key, if it is there and not null: the format takes absent and null as one.
std::optional<element> get(const object& parent, std::string_view key) {
  element value;
  if (parent[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

// What a value says, as ASCII short enough for a message. JSON has escaped the control characters.
std::string spell(const element& value) {
  constexpr size_t kShown = 160;
  const std::string json = simdjson::minify(value);
  std::string text;
  for (const char c : std::string_view(json).substr(0, kShown)) {
    const auto byte = static_cast<uint8_t>(c);
    text += byte < 0x7F ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return json.size() > kShown ? text + "..." : text;
}

std::string spell(const std::optional<element>& value) {
  return value ? spell(*value) : "none";
}

// Equal as JSON, whatever the order of keys. Recursion is as deep as the expectation.
bool equal(const element& found, const element& expected) {
  if (found.type() != expected.type()) return false;
  if (expected.is_object()) {
    const object wanted = expected.get_object().value_unsafe();
    const object given = found.get_object().value_unsafe();
    if (given.size() != wanted.size()) return false;
    for (const auto& [key, value] : wanted) {
      element other;
      if (given[key].get(other) != simdjson::SUCCESS || !equal(other, value)) return false;
    }
    return true;
  }
  if (expected.is_array()) {
    const array wanted = expected.get_array().value_unsafe();
    const array given = found.get_array().value_unsafe();
    if (given.size() != wanted.size()) return false;
    auto other = given.begin();
    for (const element value : wanted) {
      if (!equal(*other, value)) return false;
      ++other;
    }
    return true;
  }
  return std::string(simdjson::minify(found)) == std::string(simdjson::minify(expected));
}

// {"type": "Sequence", key: [x]} is x.
element unwrap(const element& value, std::string_view key) {
  object sequence;
  std::string_view type;
  array items;
  const bool is_sequence = value.get(sequence) == simdjson::SUCCESS &&
                           sequence["type"].get(type) == simdjson::SUCCESS && type == "Sequence" &&
                           sequence[key].get(items) == simdjson::SUCCESS && items.size() == 1;
  return is_sequence ? items.at(0).value_unsafe() : value;
}

// A part of the pipeline must be one of `accepted` (JSON), or may be absent.
struct Part {
  std::string_view key;
  std::string_view items_key;  // of its Sequence
  bool optional;
  std::initializer_list<std::string_view> accepted;
};

const Part kParts[] = {
    {"normalizer", "normalizers", false, {R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})"}},
    {"pre_tokenizer",
     "pretokenizers",
     true,
     {R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})",
      R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"})"}},
    {"decoder",
     "decoders",
     true,
     {R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
      R"({"type":"ByteFallback"},{"type":"Fuse"}]})"}},
};

// The reader of one document: each function reads one part of it.
class Reader {
 public:
  Reader(const object& root, const std::string& where) : root_(root), where_(where) {}

  Result<TokenizerLists> read() {
    for (const auto step : {&Reader::check_pipeline, &Reader::check_model, &Reader::read_added,
                            &Reader::read_pieces, &Reader::read_merges}) {
      if (const Result<void> done = (this->*step)(); !done) return fail(done.error());
    }
    read_add_bos();
    return std::move(lists_);
  }

 private:
  Failure invalid(std::string what) const {
    return fail(ErrorCode::kInvalidFile, where_, std::move(what), "the file is damaged: fetch it again");
  }
  Failure unsupported(std::string what) const {
    return fail(ErrorCode::kUnsupported, where_, std::move(what),
                "use the tokenizer.json of a Gemma checkpoint");
  }

  Result<void> check_pipeline() {
    for (const Part& part : kParts) {
      const std::optional<element> value = get(root_, part.key);
      if (!value && part.optional) continue;
      bool accepted = false;
      for (const std::string_view json : part.accepted) {
        simdjson::dom::parser parser;
        element expected;
        if (parser.parse(simdjson::padded_string(json)).get(expected) != simdjson::SUCCESS) continue;
        accepted = accepted || (value && equal(unwrap(*value, part.items_key), expected));
      }
      if (!accepted) {
        return unsupported(
            fmt::format("expected the {} {}, found {}", part.key, *part.accepted.begin(), spell(value)));
      }
    }
    return {};
  }

  Result<void> check_model() {
    const std::optional<element> model = get(root_, "model");
    if (!model || model->get(model_) != simdjson::SUCCESS) {
      return invalid(fmt::format("expected model to be an object, found {}", spell(model)));
    }
    const auto expect = [&](std::string_view key, bool required,
                            std::initializer_list<std::string_view> accepted) {
      const std::optional<element> value = get(model_, key);
      if (!value && !required) return true;
      return value && std::find(accepted.begin(), accepted.end(), spell(*value)) != accepted.end();
    };
    struct Option {
      std::string_view key;
      bool required;
      std::initializer_list<std::string_view> accepted;
    };
    static const Option kOptions[] = {
        {"type", true, {R"("BPE")"}},
        {"byte_fallback", true, {"true"}},
        {"ignore_merges", false, {"false"}},
        {"dropout", false, {"0", "0.0"}},
        {"continuing_subword_prefix", false, {R"("")"}},
        {"end_of_word_suffix", false, {R"("")"}},
    };
    for (const auto& [key, required, accepted] : kOptions) {
      if (expect(key, required, accepted)) continue;
      return unsupported(fmt::format("expected model.{} to be {}, found {}", key, *accepted.begin(),
                                     spell(get(model_, key))));
    }
    return {};
  }

  Result<void> read_added() {
    const std::optional<element> value = get(root_, "added_tokens");
    if (!value) return {};
    array tokens;
    if (value->get(tokens) != simdjson::SUCCESS) {
      return invalid(fmt::format("expected added_tokens to be an array, found {}", spell(*value)));
    }
    for (const element item : tokens) {
      object fields;
      int64_t id = 0;
      std::string_view content;
      if (item.get(fields) != simdjson::SUCCESS || fields["id"].get(id) != simdjson::SUCCESS ||
          fields["content"].get(content) != simdjson::SUCCESS) {
        return invalid(fmt::format("expected an added token with id and content, found {}", spell(item)));
      }
      if (id < 0 || id >= Vocabulary::kMaxIds) {
        return invalid(fmt::format("expected an id from 0 to {}, found the added token {}",
                                   Vocabulary::kMaxIds - 1, spell(item)));
      }
      for (const std::string_view flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
        bool on = false;
        if (fields[flag].get(on) == simdjson::SUCCESS && on) {
          return unsupported(
              fmt::format("expected plain added tokens, found {} to be {}", in_quotes(content), flag));
        }
      }
      bool special = false;
      if (fields["special"].get(special) == simdjson::INCORRECT_TYPE) {
        return invalid(fmt::format("expected special to be true or false, found {}", spell(item)));
      }
      lists_.added.push_back({static_cast<int32_t>(id), std::string(content), special});
    }
    return {};
  }

  Result<void> read_pieces() {
    const std::optional<element> value = get(model_, "vocab");
    object vocab;
    if (!value || value->get(vocab) != simdjson::SUCCESS) {
      return invalid(fmt::format("expected model.vocab to be an object, found {}", spell(value)));
    }
    lists_.pieces.reserve(vocab.size());
    for (const auto& [piece, item] : vocab) {
      int64_t id = 0;
      if (item.get(id) != simdjson::SUCCESS) {
        return invalid(
            fmt::format("expected a whole number as the id of {}, found {}", in_quotes(piece), spell(item)));
      }
      lists_.pieces.emplace_back(piece, id);
    }
    return {};
  }

  Result<void> read_merges() {
    const std::optional<element> value = get(model_, "merges");
    array merges;
    if (!value || value->get(merges) != simdjson::SUCCESS) {
      return invalid(fmt::format("expected model.merges to be an array, found {}", spell(value)));
    }
    lists_.merges.reserve(merges.size());
    for (const element item : merges) {
      std::string_view left;
      std::string_view right;
      if (!read_merge(item, left, right)) {
        return invalid(fmt::format("expected merge {} to be [left, right] or \"left right\", found {}",
                                   lists_.merges.size(), spell(item)));
      }
      lists_.merges.emplace_back(left, right);
    }
    return {};
  }

  static bool read_merge(const element& item, std::string_view& left, std::string_view& right) {
    array pair;
    if (item.get(pair) == simdjson::SUCCESS) {
      auto part = pair.begin();
      if (part == pair.end() || (*part).get(left) != simdjson::SUCCESS) return false;
      if (++part == pair.end() || (*part).get(right) != simdjson::SUCCESS) return false;
      if (++part != pair.end()) return false;
    } else {
      std::string_view text;
      if (item.get(text) != simdjson::SUCCESS) return false;
      const size_t space = text.find(' ');
      if (space == std::string_view::npos) return false;
      left = text.substr(0, space);
      right = text.substr(space + 1);
      if (right.find(' ') != std::string_view::npos) return false;
    }
    return !left.empty() && !right.empty();
  }

  // {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>", ...}}, ...], ...}
  void read_add_bos() {
    const std::optional<element> value = get(root_, "post_processor");
    if (!value) return;
    std::string_view first;
    lists_.add_bos = unwrap(*value, "processors").at_pointer("/single/0/SpecialToken/id").get(first) ==
                         simdjson::SUCCESS &&
                     first == "<bos>";
  }

  object root_;
  const std::string& where_;
  object model_;
  TokenizerLists lists_;
};

}  // namespace

Result<TokenizerJson> TokenizerJson::load(const std::string& path) {
  const Result<File> file = File::open(path);
  if (!file) return fail(file.error());
  if (file->bytes() > kMaxBytes) {
    return fail(ErrorCode::kUnsupported, path,
                fmt::format("expected a tokenizer of at most {} bytes, found {}", kMaxBytes, file->bytes()));
  }
  simdjson::padded_string json(file->bytes());
  if (json.data() == nullptr && file->bytes() > 0) {
    return fail(ErrorCode::kResource, path, fmt::format("no memory for a file of {} bytes", file->bytes()));
  }
  const Result<void> read = file->read_at(0, std::as_writable_bytes(std::span(json.data(), json.size())));
  if (!read) return fail(read.error());
  return TokenizerJson(std::move(json), path);
}

Result<TokenizerJson> TokenizerJson::copy(std::string_view json, const std::string& where) {
  if (json.size() > kMaxBytes) {
    return fail(ErrorCode::kUnsupported, where,
                fmt::format("expected a tokenizer of at most {} bytes, found {}", kMaxBytes, json.size()));
  }
  simdjson::padded_string padded(json);
  if (padded.data() == nullptr && !json.empty()) {
    return fail(ErrorCode::kResource, where, fmt::format("no memory for a text of {} bytes", json.size()));
  }
  return TokenizerJson(std::move(padded), where);
}

Result<TokenizerLists> TokenizerJson::lists() {
  element document;
  if (const simdjson::error_code error = parser_.parse(json_).get(document); error != simdjson::SUCCESS) {
    const ErrorCode code = error == simdjson::MEMALLOC ? ErrorCode::kResource : ErrorCode::kInvalidFile;
    return fail(code, where_, fmt::format("not valid JSON: {}", simdjson::error_message(error)),
                "the file is damaged: fetch it again");
  }
  object root;
  if (document.get(root) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalidFile, where_,
                fmt::format("expected a JSON object, found {}", spell(document)),
                "the file is damaged: fetch it again");
  }
  return Reader(root, where_).read();
}

}  // namespace gemma
