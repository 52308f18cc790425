#include "tools/eval_report.h"

#include <optional>
#include <string>
#include <vector>

#include "loader/json.h"
#include "loader/replace_file.h"
#include "tools/options.h"
#include "tools/report/report_document.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval report";

Result<ReportData> read_documents(const std::vector<std::string>& files) {
  ReportData data;
  for (const std::string& file : files) {
    Result<nlohmann::json> json = read_json(file);
    if (!json) return fail(std::move(json.error()));
    Result<void> added = add_document(*json, file, data);
    if (!added) return fail(std::move(added.error()));
  }
  return data;
}

}  // namespace

ExitCode eval_report(int argc, const char* const* argv) {
  std::vector<std::string> files;
  std::optional<std::string> html;
  std::string title;
  Options options(
      std::string(kProgram),
      "Makes one page for a browser out of measurements: what --json of gemma-eval perplexity, compare, "
      "layers, accuracy and memory printed, and gemma-bench with --format json. The page is one file, "
      "loads nothing and runs nothing.");
  options.positional({.name = "FILE", .target = &files, .required = true, .help = "documents, in any order"});
  options.group("Options");
  options.add({.name = "html",
               .target = &html,
               .value = "FILE",
               .default_text = "standard output",
               .help = "where the page goes"});
  options.add({.name = "title",
               .target = &title,
               .default_text = "what the documents are about",
               .help = "the page's heading"});
  options.epilogue(
      "Example:\n"
      "  gemma-eval compare models/stories-full#f32 models/stories-qat#int4 --text test.txt --json > "
      "compare.json\n"
      "  gemma-bench -m models/stories-qat --scheme int4 --format json --out bench.json\n"
      "  gemma-eval report compare.json bench.json --html report.html");
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  const Result<ReportData> data = read_documents(files);
  if (!data) return report(kProgram, data.error());
  const std::string page = report_document(*data, title);
  if (!html) return print(kProgram, page);
  const Result<void> written = replace_file(*html, page);
  return written ? ExitCode::kOk : report(kProgram, written.error());
}

}  // namespace gemma
