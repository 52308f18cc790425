// On what and by which commands everything was measured.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/format_bytes.h"
#include "tools/report/html_table.h"
#include "tools/report/report_sections.h"

namespace gemma {
namespace {

std::string or_unknown(const std::string& text) {
  return text.empty() ? "not available" : text;
}

// Machines that are alike in all that does not change from minute to minute stand in one row.
bool alike(const Machine& a, const Machine& b) {
  return a.cpu == b.cpu && a.cpus == b.cpus && a.cores == b.cores && a.governor == b.governor &&
         a.kernel == b.kernel && a.compiler == b.compiler && a.flags == b.flags && a.isas == b.isas &&
         a.memory_bytes == b.memory_bytes;
}

Markup machines(const ReportData& data) {
  std::vector<const Machine*> different;
  for (const ReportSource& source : data.sources) {
    if (!source.machine) continue;
    bool known = false;
    for (const Machine* machine : different) known = known || alike(*machine, *source.machine);
    if (!known) different.push_back(&*source.machine);
  }
  if (different.empty())
    return markup("<p>{}</p>\n", "The documents do not tell on which machine they were made.");
  std::vector<std::string> columns = {"machine"};
  for (size_t i = 0; i < different.size(); ++i) columns.push_back(fmt::format("{}", i + 1));
  HtmlTable table("The machine", columns, different.size());
  const auto row = [&](const std::string& name, const auto& cell) {
    std::vector<std::string> cells = {name};
    for (const Machine* machine : different) cells.push_back(or_unknown(cell(*machine)));
    table.row(cells);
  };
  row("CPU", [](const Machine& m) { return m.cpu; });
  row("cores, logical CPUs", [](const Machine& m) { return fmt::format("{}, {}", m.cores, m.cpus); });
  row("simultaneous multithreading", [](const Machine& m) { return m.smt; });
  row("frequency, measured", [](const Machine& m) { return fmt::format("{:.2f} GHz", m.gigahertz); });
  row("governor", [](const Machine& m) { return m.governor; });
  row("last-level cache", [](const Machine& m) { return format_bytes(m.cache_bytes); });
  row("memory", [](const Machine& m) { return format_bytes(m.memory_bytes); });
  row("huge pages", [](const Machine& m) { return m.huge_pages; });
  row("instruction sets with kernels",
      [](const Machine& m) { return fmt::format("{}", fmt::join(m.isas, ", ")); });
  row("system", [](const Machine& m) { return m.kernel; });
  row("compiler", [](const Machine& m) { return m.compiler; });
  row("its flags", [](const Machine& m) { return m.flags; });
  row("load average at the start", [](const Machine& m) { return fmt::format("{:.2f}", m.load_average); });
  return table.finish();
}

}  // namespace

Markup circumstances_section(const ReportData& data) {
  HtmlTable files("The documents of this report", {"file", "kind", "date", "version"}, 3);
  Markup commands;
  Markup notes;
  for (const ReportSource& source : data.sources) {
    files.row({source.file, source.kind, or_unknown(source.date), or_unknown(source.version)});
    if (!source.command.empty()) commands += markup("{}\n", source.command);
    for (const std::string& note : source.notes) notes += markup("<li>{}: {}</li>", source.file, note);
  }
  if (!notes.empty()) notes = markup("<ul>{}</ul>\n", notes);
  if (!commands.empty()) {
    commands = markup(
        "<h3>Commands</h3>\n<div class=\"scroll\" role=\"region\" aria-label=\"commands\" "
        "tabindex=\"0\"><pre>{}</pre></div>\n",
        commands);
  }
  return markup("<section><h2>How it was measured</h2>\n{}{}{}{}</section>\n", machines(data), commands,
                files.finish(), notes);
}

}  // namespace gemma
