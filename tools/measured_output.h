// How a command that measures hands over its result: a table or JSON on stdout, and with --html a page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "loader/result.h"
#include "tools/exit_code.h"
#include "tools/options.h"

namespace gemma {

// --html FILE
void add_html_option(Options& options, std::optional<std::string>& file);

// The document as text; bytes that are no UTF-8 (in the name of a file) are replaced.
std::string json_text(const nlohmann::ordered_json& document);

// The report of this document alone, under this name. Errors: kIo, kResource.
Result<void> write_html(const std::string& file, const nlohmann::ordered_json& document);

struct MeasuredOutput {
  nlohmann::ordered_json document;  // with its run_record
  std::string text;                 // for people
  bool json = false;                // the document on stdout instead
  std::optional<std::string> html;  // the page's file
};
ExitCode print_measured(std::string_view program, const MeasuredOutput& output);

}  // namespace gemma
