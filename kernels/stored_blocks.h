// What the levels of quantized checkpoints mean: one stored row -> signed levels and float32 scales, exactly.
// Plain scalar code: these are the definitions, and packing for the kernels goes through them.
//
//   value[c] = scale[c / group] * level[c]
//
// Sources: ggml's block layouts (Q4_0, Q8_0, Q6_K); compressed-tensors' "pack-quantized"; the integration of
// the mobile format in transformers (gemma_quant). docs/formats/ has a page on each, with the traps.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma::kernels {

// Q4_0: 18 bytes per 32 columns: fp16 d, then byte j: column j in the low nibble, column j + 16 in the high
// one, as level + 8. scales (cols / 32).
void decode_q4_0(const std::byte* row, size_t cols, int8_t* levels, float* scales);
// Q8_0: 34 bytes per 32 columns: fp16 d, 32 signed bytes. scales (cols / 32).
void decode_q8_0(const std::byte* row, size_t cols, int8_t* levels, float* scales);
// Q6_K: 210 bytes per 256 columns: 128 bytes of low nibbles, 64 bytes of two high bits each, 16 signed
// scales, fp16 d. Levels -32..31 in groups of 16, scale = d * sc: 11 by 8 bits, exact in float32. scales
// (cols / 16).
void decode_q6_k(const std::byte* row, size_t cols, int8_t* levels, float* scales);

// Little-endian words or bytes of levels of `bits` (2, 4, 8), lowest bits first, stored as level +
// 2^(bits-1). compressed-tensors' int32 words and the mobile format's bytes are the same bits in the same
// order.
void decode_offset_levels(const std::byte* row, size_t cols, int bits, int8_t* levels);

// The inverses, for writing checkpoints. d is stored as given in fp16.
void encode_q4_0(const int8_t* levels, const uint16_t* scales_f16, size_t cols, std::byte* row);
void encode_q8_0(const int8_t* levels, const uint16_t* scales_f16, size_t cols, std::byte* row);
void encode_offset_levels(const int8_t* levels, size_t cols, int bits, std::byte* row);

}  // namespace gemma::kernels
