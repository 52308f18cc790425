// Rows of a matrix of the mobile scheme times activations, in each of its three ways: levels times levels in
// integers, the same in float32 (fake:mobile), and levels times floats where no input scale is known.
#pragma once

#include "engine/matrix.h"
#include "kernels/kernel_table.h"

namespace gemma {

// out[t * out_stride + r] for rows [row0, row1); row0 is a multiple of kPanelRows. `acts` as LinearInput
// prepares it for w.input(); `scratch` (kPanelRows, w.view().cols) floats.
//
// fake:mobile multiplies the levels themselves as float32, in blocks of columns short enough that no sum
// leaves the integers that float32 holds (2^24), and adds the blocks in int32: so the sums are those of the
// integer kernels, and what follows is the same expression (kernels/static_scales.h).
void static_linear(const kernels::KernelTable& kernels, const Matrix& w, const kernels::Activations& acts,
                   size_t row0, size_t row1, float* scratch, float* out, size_t out_stride);

// Outputs of rows [row0, row1) become levels times `scale`; nothing if it is 0.
void round_outputs(float scale, size_t tokens, size_t row0, size_t row1, float* out, size_t out_stride);

}  // namespace gemma
