// The float kernels in plain C++: what each of them means. Sums run over 16 interleaved lanes in blocks of
// 512 columns, the order a vector unit would use, so that a compiler may vectorize them without changing a
// bit.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 512;

struct FromFloat {
  static float at(const std::byte* p, size_t i) {
    float value;
    std::memcpy(&value, p + i * sizeof(float), sizeof(float));
    return value;
  }
};

template <float (*kConvert)(uint16_t)>
struct FromHalf {
  static float at(const std::byte* p, size_t i) {
    uint16_t value;
    std::memcpy(&value, p + i * sizeof(uint16_t), sizeof(uint16_t));
    return kConvert(value);
  }
};

float sum_lanes(const float (&lanes)[kLanes]) {
  float sum = 0;
  for (float lane : lanes) sum += lane;
  return sum;
}

template <typename Stored>
float dot_stored(const std::byte* w, const float* x, size_t n) {
  float total[kLanes] = {};
  for (size_t block = 0; block < n; block += kBlock) {
    const size_t end = std::min(n, block + kBlock);
    float acc[kLanes] = {};
    for (size_t k = block; k < end; ++k) acc[k % kLanes] += Stored::at(w, k) * x[k];
    for (size_t l = 0; l < kLanes; ++l) total[l] += acc[l];
  }
  return sum_lanes(total);
}

template <typename Stored>
void matmul_stored(const MatrixView& w, size_t element_bytes, const Activations& acts, size_t row0,
                   size_t row1, float* out, size_t out_stride) {
  for (size_t r = row0; r < row1; ++r) {
    const std::byte* row = w.data + r * w.cols * element_bytes;
    for (size_t t = 0; t < acts.tokens; ++t) {
      out[t * out_stride + r] = dot_stored<Stored>(row, acts.x + t * w.cols, w.cols);
    }
  }
}

void matmul_float(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                  size_t out_stride) {
  switch (w.format) {
    case WeightFormat::kBf16:
      return matmul_stored<FromHalf<from_bf16>>(w, 2, acts, row0, row1, out, out_stride);
    case WeightFormat::kF16:
      return matmul_stored<FromHalf<from_f16>>(w, 2, acts, row0, row1, out, out_stride);
    default:
      return matmul_stored<FromFloat>(w, 4, acts, row0, row1, out, out_stride);
  }
}

float dot(const float* a, const float* b, size_t n) {
  return dot_stored<FromFloat>(reinterpret_cast<const std::byte*>(a), b, n);
}

void rms_norm(const float* x, const float* w, float eps, size_t n, float* y) {
  const float factor = 1.0f / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * factor * (w != nullptr ? w[i] : 1.0f);
}

void gelu_mul(float* gate, const float* up, size_t n) {
  constexpr float kRoot = 0.7978845608028654f;  // sqrt(2 / pi)
  for (size_t i = 0; i < n; ++i) {
    const float z = gate[i];
    gate[i] = 0.5f * z * (1.0f + std::tanh(kRoot * (z + 0.044715f * z * z * z))) * up[i];
  }
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i];
}

void scale(float* x, float factor, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] *= factor;
}

void softcap(float* x, float cap, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] = cap * std::tanh(x[i] * (1.0f / cap));
}

void rope(float* x, const float* cos, const float* sin, size_t n) {
  for (size_t i = 0; i < n / 2; ++i) {
    const float a = x[i];
    const float b = x[i + n / 2];
    x[i] = a * cos[i] - b * sin[i];
    x[i + n / 2] = b * cos[i] + a * sin[i];
  }
}

void float_to_bf16(const float* x, uint16_t* y, size_t n) {
  std::transform(x, x + n, y, to_bf16);
}
void float_to_f16(const float* x, uint16_t* y, size_t n) {
  std::transform(x, x + n, y, to_f16);
}
void bf16_to_float(const uint16_t* x, float* y, size_t n) {
  std::transform(x, x + n, y, from_bf16);
}
void f16_to_float(const uint16_t* x, float* y, size_t n) {
  std::transform(x, x + n, y, from_f16);
}

}  // namespace

void fill_float_portable(KernelTable& table) {
  table.matmul_float = matmul_float;
  table.dot = dot;
  table.rms_norm = rms_norm;
  table.gelu_mul = gelu_mul;
  table.add = add;
  table.scale = scale;
  table.softcap = softcap;
  table.rope = rope;
  table.float_to_bf16 = float_to_bf16;
  table.float_to_f16 = float_to_f16;
  table.bf16_to_float = bf16_to_float;
  table.f16_to_float = f16_to_float;
}

}  // namespace gemma::kernels
