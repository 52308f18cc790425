// The right-hand side of a matmul: rows of float32 activations and, for the integer schemes, their levels.
// Quantized once and used by every matrix that reads them (q, k and v; gate and up).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma::kernels {

enum class ActivationKind : uint8_t {
  kFloat,      // x as it is
  kInt8Token,  // 8-bit levels, one scale per token
  kInt8Group,  // 8-bit levels, one scale per token and group of columns
  kInt4Token,  // 4-bit levels (-7..7), one scale per token
  kInt4Group,
  kInt8Static,  // 8-bit levels -128..127 with a scale known beforehand: the matrix's input scale
};

// value = scales[...] * q, q in [-Qmax, Qmax], Qmax 127 or 7; kInt8Static: the matrix's input scale times q.
struct Activations {
  ActivationKind kind = ActivationKind::kFloat;
  size_t tokens = 0;
  size_t cols = 0;
  size_t group = 0;               // columns per scale: cols for the per-token kinds and kInt8Static
  const float* x = nullptr;       // (tokens, cols); the float input, always there
  const int8_t* q = nullptr;      // (tokens, cols); null for kFloat
  const float* scales = nullptr;  // (tokens, cols/group); null for kInt8Static
  const int32_t* sums = nullptr;  // (tokens, cols/group): sum of q over the group, for the zero point of
                                  // weights that are multiplied as unsigned numbers
};

}  // namespace gemma::kernels
