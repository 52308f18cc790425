// The AVX2 integer kernels, one file each; their meaning is in kernels/kernel_table.h.
#pragma once

#include "kernels/kernel_table.h"

namespace gemma::kernels::avx2 {

void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax, int8_t* q,
                          float* scales, int32_t* sums);
void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride);
void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride);
void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride);
void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride);
void quantize_static(const float* x, size_t n, float scale, uint8_t* u);
void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride);
void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride);
void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride);

}  // namespace gemma::kernels::avx2
