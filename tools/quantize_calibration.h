// gemma-quantize --calibrate: a text in, static activation scales out.
#pragma once

#include <string>

#include "engine/calibration.h"
#include "tools/quantize_options.h"

namespace gemma {

// Runs `model` with the weights of `scheme` and float activations over the text that the flags name, with a
// progress line. kNotFound or kIo if the file cannot be read, kUsage if it gives no tokens or the model has
// no tokenizer.
Result<Calibration> calibrate_on_text(const QuantizeFlags& flags, const std::string& model,
                                      const Scheme& scheme);

// What was found, as a table for people.
std::string calibration_text(const Calibration& calibration);

}  // namespace gemma
