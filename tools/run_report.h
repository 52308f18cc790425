// What `gemma-run` says about a run: --stats for people, --json for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/generator.h"

namespace gemma {

// A few lines, each a name and what is to be said of it.
std::string stats_text(const Model& model, const Session& session, const SamplingOptions& sampling,
                       const GenerateTimings& timings, const std::vector<Generated>& texts);

// One prompt's outcome; `prompt` are its ids.
nlohmann::ordered_json result_json(const Model& model, const SamplingOptions& sampling,
                                   std::span<const int32_t> prompt, const std::vector<Generated>& texts,
                                   const GenerateTimings& timings);
// The document around the results.
nlohmann::ordered_json report_json(const Model& model, const Session& session,
                                   nlohmann::ordered_json results);

// What to say when an answer ended because the context was full.
std::string context_full(const Session& session);

}  // namespace gemma
