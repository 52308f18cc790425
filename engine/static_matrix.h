// A matrix between static scales: levels of 2, 4 or 8 bits per output channel in panels, with what the static
// activation scales amount to for each row (kernels/static_scales.h). The levels are the file's own under the
// mobile scheme, those of the scheme under w2ca8s, w4ca8s and w8ca8s (docs/calibration.md).
#pragma once

#include "engine/activation_scales.h"
#include "engine/matrix_builder.h"
#include "engine/scheme.h"
#include "engine/stored_tensor.h"

namespace gemma {

// Whether a matrix is computed between the static scales and with the levels of the file: the mobile scheme.
bool is_static(const ClassScheme& scheme, const StoredTensor& stored);

// Whether static_matrix() makes the matrix: is_static(), or the scheme brings levels of its own.
bool between_static_scales(const ClassScheme& scheme, const StoredTensor& stored);

// The panels that hold levels of so many bits per channel.
kernels::WeightFormat channel_format(int bits);

// The memory that a matrix takes, if it does not lie in a packed file.
size_t static_matrix_bytes(int bits, size_t rows, size_t cols);

// Rows [row0, row0 + rows). kUsage if the file's levels are of another kind than one scale per row and 2, 4
// or 8 bits (mobile); kInvalidFile for scales below 0 or whose products leave float32.
Result<Matrix> static_matrix(const TensorSource& source, const StoredTensor& stored,
                             const ClassScheme& scheme, size_t row0, size_t rows, MatrixBuilder& builder);

}  // namespace gemma
