// What a document tells of its run: program, version, command, date, machine. A figure without them cannot be
// repeated.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gemma {

// As a shell would read it again. argv[0] is replaced by `program`, which may be two words.
std::string command_line(std::string_view program, int argc, const char* const* argv);

// "2026-01-31T12:00:00Z"
std::string utc_now();

// Adds "version", "command", "date" and "machine" (as gemma-bench spells it).
void add_run_record(nlohmann::ordered_json& document, std::string_view program, int argc,
                    const char* const* argv);

}  // namespace gemma
