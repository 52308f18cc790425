// A model as a folder of its own: weights packed for a scheme or written out as bf16, with everything that
// any tool needs beside them. The folder appears under its name only when it is whole.
#pragma once

#include <string>

#include "engine/calibration.h"
#include "engine/model.h"
#include "engine/packed_export.h"

namespace gemma {

enum class ExportFormat {
  kPacked,  // engine/packed_export.h; tokenizer compiled
  kBf16,    // what the scheme makes of the weights, as bf16 in the published layout; tokenizer as it was
  kGguf,    // one file for other programs (engine/gguf_export.h): Q4_0 under int4, Q8_0 under int8, F16 under
            // bf16
};

// `model` needs no weights loaded. `folder` must not exist: kUsage. While it is made it is called
// FOLDER.partial; an interrupted packed export goes on there. kUnsupported if the format cannot hold the
// model.
Result<PackedReport> export_model(const Model& model, const Scheme& scheme, ExportFormat format,
                                  const std::string& folder, const PackOptions& options);

// The report as a table for people and as JSON for programs.
std::string packed_report_text(const PackedReport& report);
// `calibration`: what was found on a text for this export; null: nothing was looked for.
std::string packed_report_json(const PackedReport& report, const std::string& model, const Scheme& scheme,
                               const Calibration* calibration = nullptr);

}  // namespace gemma
