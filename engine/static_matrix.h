// A matrix of the mobile scheme: the file's own levels of 2, 4 or 8 bits per output channel in panels, with
// what its static activation scales amount to for each row (kernels/static_scales.h).
#pragma once

#include "engine/activation_scales.h"
#include "engine/matrix_builder.h"
#include "engine/scheme.h"
#include "engine/stored_tensor.h"

namespace gemma {

// Whether a matrix is computed between static scales under a class's scheme: it asks for it and the file
// holds levels.
bool is_static(const ClassScheme& scheme, const StoredTensor& stored);

// The panels that hold levels of so many bits per channel.
kernels::WeightFormat channel_format(int bits);

// The memory that a matrix takes.
size_t static_matrix_bytes(int bits, size_t rows, size_t cols);

// Rows [row0, row0 + rows). kUsage if the file's levels are of another kind than one scale per row and 2, 4
// or 8 bits; kInvalidFile for scales that are not > 0 or whose products leave float32.
Result<Matrix> static_matrix(const TensorSource& source, const StoredTensor& stored,
                             const ClassScheme& scheme, size_t row0, size_t rows,
                             const MatrixBuilder& builder);

}  // namespace gemma
