#include "tools/measured_output.h"

#include "loader/json.h"
#include "loader/replace_file.h"
#include "tools/report/report_document.h"
#include "tools/terminal.h"

namespace gemma {

void add_html_option(Options& options, std::optional<std::string>& file) {
  options.add(
      {.name = "html",
       .target = &file,
       .value = "FILE",
       .default_text = "none",
       .help = "write the result as a page for a browser as well; \"gemma-eval report\" makes one page of "
               "several results"});
}

std::string json_text(const nlohmann::ordered_json& document) {
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<void> write_html(const std::string& file, const nlohmann::ordered_json& document) {
  // By way of its text: the page is then the one that `gemma-eval report` makes of the document.
  constexpr char kSource[] = "this run";
  Result<nlohmann::json> plain = parse_json(json_text(document), kSource);
  if (!plain) return fail(std::move(plain.error()));
  ReportData data;
  Result<void> added = add_document(*plain, kSource, data);
  if (!added) return added;
  return replace_file(file, report_document(data, {}));
}

ExitCode print_measured(std::string_view program, const MeasuredOutput& output) {
  if (output.html) {
    const Result<void> written = write_html(*output.html, output.document);
    if (!written) return report(program, written.error());
  }
  return print(program, output.json ? json_text(output.document) : output.text);
}

}  // namespace gemma
