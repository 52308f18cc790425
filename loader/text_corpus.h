// The texts that a model is measured on: a file as it is, its lines, or one text per line of a JSON Lines
// file.
//
//   Result<std::vector<std::string>> texts = read_texts({.path = "test.jsonl", .field = "story", .limit =
//   1000});
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

enum class TextFormat {
  kAuto,       // kJsonLines for files named *.jsonl or *.ndjson, else kPlain
  kPlain,      // the whole file is one text, byte for byte
  kLines,      // every line is a text, without its "\n" (or "\r\n")
  kJsonLines,  // every line is a JSON string, or an object with a string under `field`; empty lines are
               // skipped
};

struct TextSource {
  std::string path = {};
  TextFormat format = TextFormat::kAuto;
  std::string field = "text";
  size_t limit = 0;         // texts to take from the front; 0: all
  bool skip_blank = false;  // leave out texts of nothing but ASCII white space, before `limit` counts
};

// At least one text. Bytes that are no UTF-8 are kept in plain files and lines. Errors: kNotFound, kIo;
// kInvalidFile for a file of more than 2 GiB, for no text at all, for a line that is no JSON or has no string
// where one is expected ("test.jsonl: line 7").
Result<std::vector<std::string>> read_texts(const TextSource& source);

// The lines of a text without their ends, as kLines gives them. A last line without an end counts.
std::vector<std::string> split_lines(std::string_view text);

}  // namespace gemma
