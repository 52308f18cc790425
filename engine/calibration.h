// Static activation scales for a checkpoint that has none: the model reads a text with float activations,
// histograms count what goes into and comes out of every matrix, and a rule turns each into scales.
//
//   Result<Calibration> found = calibrate(*model, ids, {});       // a model with float activations
//   ExtendedSource source(model->source(), found->tensors);       // has them as if from the file
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/extended_source.h"
#include "engine/model.h"
#include "engine/static_choice.h"

namespace gemma {

struct CalibrationOptions {
  CalibrationRule rule;
  bool outputs = false;                    // scales of the outputs too; without, outputs stay float
  size_t window = 512;                     // tokens that see each other: each window begins anew behind <bos>
  Progress progress = {};                  // tokens done and in all
  std::function<bool()> interrupted = {};  // true stops with kUsage "interrupted"
};

// Of one matrix; the experts of a layer count as one.
struct CalibratedMatrix {
  std::string module;  // "layers.0.mlp.up_proj"
  uint64_t values = 0;
  float input_lowest = 0, input_highest = 0;
  float input_scale = 0;  // for 8 bits; 0: nothing but zeros was seen, the inputs stay float
  float output_scale = 0;
  double clipped = 0;  // share of the inputs beyond the 8-bit levels, to a bin of the histogram
};

struct Calibration {
  size_t tokens = 0;
  std::vector<CalibratedMatrix> matrices;
  // For ExtendedSource and the exports (engine/activation_scales.h has the names): of every matrix the scales
  // for 8 and 4 bits and the ranges for zero points.
  std::vector<AddedTensor> tensors;
};

// `ids` without <bos>. The same text gives the same scales for any number of threads and any chunks.
// kUsage for a text without tokens, a percentile outside (0, 100] or a model whose activations are rounded
// already; kInternal if a matrix saw values that are not finite.
Result<Calibration> calibrate(const Model& model, std::span<const int32_t> ids,
                              const CalibrationOptions& options);

// The scheme to calibrate another with: its weights, float activations.
Scheme with_float_activations(const Scheme& scheme);

}  // namespace gemma
