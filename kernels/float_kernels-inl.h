// The float kernels in Highway, compiled once per instruction set by float_kernels.cc. Definitions in plain
// C++: portable/float_kernels.cc.
//
// Order of sums. A dot product is split into blocks of kBlock columns; inside a block lane l of one vector
// adds the columns congruent to l, in ascending order; block sums are added in ascending order; lanes are
// reduced last. Nothing in this depends on the number of tokens or rows of a call, so prefill and decode give
// the same bits. The block keeps a lane's chain short: at K = 12288 and 8 lanes a plain chain of 1536
// additions errs by 1e-6 of the result (rms), blocks of 512 by 2e-7.

#if defined(GEMMA_FLOAT_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA_FLOAT_KERNELS_INL_H_
#undef GEMMA_FLOAT_KERNELS_INL_H_
#else
#define GEMMA_FLOAT_KERNELS_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/attention-inl.h"
#include "kernels/float_vectors-inl.h"
#include "kernels/kernel_table.h"

#if HWY_TARGET != HWY_SCALAR  // has no table: portable/ is plain C++
HWY_BEFORE_NAMESPACE();
namespace gemma::kernels {
namespace HWY_NAMESPACE {

constexpr size_t kBlock = 512;  // columns; a multiple of every vector length

// sums[r][t] = dot product of weight row r (of R, `row_stride` elements apart) and token t (of T).
template <size_t R, size_t T, typename W>
HWY_INLINE void dot_tile(const W* w, size_t row_stride, const float* x, size_t x_stride, size_t n, float* out,
                         size_t out_stride) {
  const size_t lanes = hn::Lanes(kFloats);
  Vector total[R][T];
  for (size_t r = 0; r < R; ++r) {
    for (size_t t = 0; t < T; ++t) total[r][t] = hn::Zero(kFloats);
  }
  for (size_t block = 0; block < n; block += kBlock) {
    const size_t end = std::min(n, block + kBlock);
    Vector acc[R][T];
    for (size_t r = 0; r < R; ++r) {
      for (size_t t = 0; t < T; ++t) acc[r][t] = hn::Zero(kFloats);
    }
    size_t k = block;
    for (; k + lanes <= end; k += lanes) {
      Vector xs[T];
      for (size_t t = 0; t < T; ++t) xs[t] = load(x + t * x_stride + k);
      for (size_t r = 0; r < R; ++r) {
        const Vector ws = load(w + r * row_stride + k);
        for (size_t t = 0; t < T; ++t) acc[r][t] = hn::MulAdd(ws, xs[t], acc[r][t]);
      }
    }
    if (k < end) {
      for (size_t r = 0; r < R; ++r) {
        const Vector ws = load_tail(w + r * row_stride + k, end - k);
        for (size_t t = 0; t < T; ++t) {
          acc[r][t] = hn::MulAdd(ws, load_tail(x + t * x_stride + k, end - k), acc[r][t]);
        }
      }
    }
    for (size_t r = 0; r < R; ++r) {
      for (size_t t = 0; t < T; ++t) total[r][t] = hn::Add(total[r][t], acc[r][t]);
    }
  }
  for (size_t r = 0; r < R; ++r) {
    for (size_t t = 0; t < T; ++t) {
      out[t * out_stride + r] = hn::GetLane(hn::SumOfLanes(kFloats, total[r][t]));
    }
  }
}

// Four rows at a time so that each activation vector loaded is used four times, three tokens at a time so
// that each weight vector is used three times: 12 sums, 4 + 3 operands fit the 16 registers of AVX2.
template <size_t T, typename W>
HWY_INLINE void matmul_tokens(const W* w, size_t cols, const float* x, size_t row0, size_t row1, float* out,
                              size_t out_stride) {
  size_t r = row0;
  for (; r + 4 <= row1; r += 4) dot_tile<4, T>(w + r * cols, cols, x, cols, cols, out + r, out_stride);
  for (; r < row1; ++r) dot_tile<1, T>(w + r * cols, cols, x, cols, cols, out + r, out_stride);
}

template <typename W>
HWY_INLINE void matmul_as(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  const W* weights = reinterpret_cast<const W*>(w.data);
  // 64 rows of weights at a time over all tokens: the slice stays in the second-level cache.
  constexpr size_t kSlice = 64;
  for (size_t r0 = row0; r0 < row1; r0 += kSlice) {
    const size_t r1 = std::min(row1, r0 + kSlice);
    size_t t = 0;
    for (; t + 3 <= acts.tokens; t += 3) {
      matmul_tokens<3>(weights, w.cols, acts.x + t * w.cols, r0, r1, out + t * out_stride, out_stride);
    }
    for (; t < acts.tokens; ++t) {
      matmul_tokens<1>(weights, w.cols, acts.x + t * w.cols, r0, r1, out + t * out_stride, out_stride);
    }
  }
}

inline void matmul_float(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  switch (w.format) {
    case WeightFormat::kBf16:
      return matmul_as<hwy::bfloat16_t>(w, acts, row0, row1, out, out_stride);
    case WeightFormat::kF16:
      return matmul_as<hwy::float16_t>(w, acts, row0, row1, out, out_stride);
    default:
      return matmul_as<float>(w, acts, row0, row1, out, out_stride);
  }
}

inline float dot(const float* a, const float* b, size_t n) {
  float sum = 0;
  dot_tile<1, 1>(a, 0, b, 0, n, &sum, 0);
  return sum;
}

inline void rms_norm(const float* x, const float* w, float eps, size_t n, float* y) {
  const float mean = dot(x, x, n) / static_cast<float>(n);
  const Vector factor = hn::Set(kFloats, 1.0f / std::sqrt(mean + eps));
  for_each_vector(n, [&](size_t i, size_t lanes) HWY_ATTR {
    Vector v = hn::Mul(load_n(x + i, lanes), factor);
    if (w != nullptr) v = hn::Mul(v, load_n(w + i, lanes));
    store_n(v, y + i, lanes);
  });
}

// z / (1 + e^(-2 inner)) is z (1 + tanh(inner)) / 2 in three quarters of the time (Zen 4: 2.4 cycles a value
// with AVX-512), and keeps its digits where 1 + tanh loses them.
inline void gelu_mul(float* gate, const float* up, size_t n) {
  const Vector one = hn::Set(kFloats, 1.0f);
  const Vector cubic = hn::Set(kFloats, 0.044715f);
  const Vector root = hn::Set(kFloats, -2 * 0.7978845608028654f);  // sqrt(2 / pi)
  const Vector limit = hn::Set(kFloats, 88.0f);  // beyond it hn::Exp overflows, and gelu is 0
  for_each_vector(n, [&](size_t i, size_t lanes) HWY_ATTR {
    const Vector z = load_n(gate + i, lanes);
    const Vector power = hn::Mul(root, hn::MulAdd(hn::Mul(cubic, hn::Mul(z, z)), z, z));
    const Vector gelu = hn::Div(z, hn::Add(one, hn::Exp(kFloats, power)));
    const Vector number = hn::IfThenZeroElse(hn::Gt(power, limit), gelu);
    store_n(hn::Mul(number, load_n(up + i, lanes)), gate + i, lanes);
  });
}

inline void add(float* x, const float* y, size_t n) {
  for_each_vector(n, [&](size_t i, size_t lanes) HWY_ATTR {
    store_n(hn::Add(load_n(x + i, lanes), load_n(y + i, lanes)), x + i, lanes);
  });
}

inline void scale(float* x, float factor, size_t n) {
  const Vector f = hn::Set(kFloats, factor);
  for_each_vector(
      n, [&](size_t i, size_t lanes) HWY_ATTR { store_n(hn::Mul(load_n(x + i, lanes), f), x + i, lanes); });
}

inline void softcap(float* x, float cap, size_t n) {
  const Vector c = hn::Set(kFloats, cap);
  const Vector inverse = hn::Set(kFloats, 1.0f / cap);
  for_each_vector(n, [&](size_t i, size_t lanes) HWY_ATTR {
    store_n(hn::Mul(c, hn::Tanh(kFloats, hn::Mul(load_n(x + i, lanes), inverse))), x + i, lanes);
  });
}

inline void rope(float* x, const float* cos, const float* sin, size_t n) {
  float* upper = x + n / 2;
  for_each_vector(n / 2, [&](size_t i, size_t lanes) HWY_ATTR {
    const Vector a = load_n(x + i, lanes);
    const Vector b = load_n(upper + i, lanes);
    const Vector c = load_n(cos + i, lanes);
    const Vector s = load_n(sin + i, lanes);
    store_n(hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), x + i, lanes);
    store_n(hn::Add(hn::Mul(b, c), hn::Mul(a, s)), upper + i, lanes);
  });
}

inline void float_to_bf16(const float* x, uint16_t* y, size_t n) {
  // Highway 1.0.3 demotes to bfloat16 by cutting, so round here: to nearest, ties to even; a NaN keeps a
  // payload bit.
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof(bits));
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    const uint32_t rounded = nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
    y[i] = static_cast<uint16_t>(rounded >> 16);
  }
}

inline void float_to_f16(const float* x, uint16_t* y, size_t n) {
  const hn::Rebind<hwy::float16_t, Floats> halves;
  const size_t lanes = hn::Lanes(kFloats);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::DemoteTo(halves, hn::LoadU(kFloats, x + i)), halves,
               reinterpret_cast<hwy::float16_t*>(y + i));
  }
  if (i < n) {
    alignas(64) hwy::float16_t padded[hn::MaxLanes(Floats())];
    hn::StoreU(hn::DemoteTo(halves, load_tail(x + i, n - i)), halves, padded);
    std::memcpy(y + i, padded, (n - i) * sizeof(uint16_t));
  }
}

template <typename T>
HWY_INLINE void promote(const uint16_t* x, float* y, size_t n) {
  const T* typed = reinterpret_cast<const T*>(x);
  for_each_vector(n, [&](size_t i, size_t lanes) HWY_ATTR {
    store_n(lanes == hn::Lanes(kFloats) ? load(typed + i) : load_tail(typed + i, lanes), y + i, lanes);
  });
}

inline void bf16_to_float(const uint16_t* x, float* y, size_t n) {
  promote<hwy::bfloat16_t>(x, y, n);
}
inline void f16_to_float(const uint16_t* x, float* y, size_t n) {
  promote<hwy::float16_t>(x, y, n);
}

inline void fill_float(KernelTable& table) {
  table.matmul_float = matmul_float;
  table.dot = dot;
  table.rms_norm = rms_norm;
  table.gelu_mul = gelu_mul;
  table.add = add;
  table.scale = scale;
  table.softcap = softcap;
  table.rope = rope;
  table.attention_span = attention_span;
  table.attention_merge = attention_merge;
  table.attention_finish = attention_finish;
  table.float_to_bf16 = float_to_bf16;
  table.float_to_f16 = float_to_f16;
  table.bf16_to_float = bf16_to_float;
  table.f16_to_float = f16_to_float;
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma::kernels
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif  // GEMMA_FLOAT_KERNELS_INL_H_
