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
#include "kernels/streams.h"

#if HWY_TARGET != HWY_SCALAR  // has no table: portable/ is plain C++
HWY_BEFORE_NAMESPACE();
namespace gemma::kernels {
namespace HWY_NAMESPACE {

constexpr size_t kBlock = 512;  // columns; a multiple of every vector length

// What a tile multiplies at a time: 24 sums (12 with AVX2, which has 16 registers and not 32), so that every
// vector of weights serves up to 6 tokens and every vector of activations up to 4 rows (2 with AVX2: there
// converting bf16, two instructions a vector, must not compete with the multiply-adds).
constexpr size_t kTileTokens = 6;
constexpr size_t tile_rows(size_t tokens) {
  return HWY_TARGET == HWY_AVX2 && tokens > 3 ? 2 : 4;
}

// Many tokens go through the columns of a slice block by block, and what they multiply meanwhile lies in the
// caches: 64 rows of a block of weights (64 KB of bf16) in the second level, the block of 6 tokens (12 KB) in
// the first. The totals of the slice wait beside them: 96 KB at 16 lanes, read and written once a block.
constexpr size_t kSliceRows = 64, kSliceTokens = 4 * kTileTokens;

// totals[r * kSliceTokens + t] += sum over n <= kBlock columns, whole vectors of them, of weight row r (of R,
// `row_stride` elements apart) times token t (of T); the first block's sums are added to zero.
template <size_t R, size_t T, typename W>
HWY_NOINLINE void add_block(const W* w, size_t row_stride, const float* x, size_t x_stride, size_t n,
                            bool is_first, float* totals) {
  // All loops over sums are unrolled in full, or GCC 12 keeps the sums in memory before and after.
  const size_t lanes = hn::Lanes(kFloats);
  Vector acc[R][T];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) acc[r][t] = hn::Zero(kFloats);
  }
  for (size_t k = 0; k < n; k += lanes) {
    if constexpr (R > 1 && T < kTileTokens) {
      constexpr size_t kLine = 64;
      for (size_t r = 0; r < R && k * sizeof(W) % kLine == 0; ++r) ask_ahead<R, T>(w + r * row_stride + k);
    }
    Vector ws[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) ws[r] = in_register(load(w + r * row_stride + k));
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const Vector xs = in_register(load(x + t * x_stride + k));
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) acc[r][t] = hn::MulAdd(ws[r], xs, acc[r][t]);
    }
  }
  alignas(64) static constexpr float kZeros[hn::MaxLanes(Floats())] = {};
  const float* before = is_first ? kZeros : totals;
  const size_t step = is_first ? 0 : lanes;
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const Vector total = hn::Load(kFloats, before + (r * kSliceTokens + t) * step);
      hn::Store(hn::Add(total, acc[r][t]), kFloats, totals + (r * kSliceTokens + t) * lanes);
    }
  }
}

// The same for columns that end inside a vector: with zeros behind them.
template <size_t R, size_t T, typename W>
HWY_NOINLINE void add_ragged_block(const W* w, size_t row_stride, const float* x, size_t x_stride, size_t n,
                                   bool is_first, float* totals) {
  const size_t lanes = hn::Lanes(kFloats), padded = (n + lanes - 1) / lanes * lanes;
  W weights[R][kBlock];
  float activations[T][kBlock];
  for (size_t r = 0; r < R; ++r) {
    std::memcpy(weights[r], w + r * row_stride, n * sizeof(W));
    std::memset(weights[r] + n, 0, (padded - n) * sizeof(W));
  }
  for (size_t t = 0; t < T; ++t) {
    std::copy_n(x + t * x_stride, n, activations[t]);
    std::fill(activations[t] + n, activations[t] + padded, 0.0f);
  }
  add_block<R, T>(weights[0], kBlock, activations[0], kBlock, padded, is_first, totals);
}

// The same for any number of rows and T tokens.
template <size_t T, typename W>
HWY_INLINE void add_rows(const W* w, size_t row_stride, size_t rows, const float* x, size_t x_stride,
                         size_t n, bool is_first, float* totals) {
  constexpr size_t kRows = tile_rows(T);
  const size_t lanes = hn::Lanes(kFloats);
  const bool whole = n % lanes == 0;
  size_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    (whole ? add_block<kRows, T, W> : add_ragged_block<kRows, T, W>)(w + r * row_stride, row_stride, x,
                                                                     x_stride, n, is_first,
                                                                     totals + r * kSliceTokens * lanes);
  }
  for (; r < rows; ++r) {
    (whole ? add_block<1, T, W> : add_ragged_block<1, T, W>)(w + r * row_stride, row_stride, x, x_stride, n,
                                                             is_first, totals + r * kSliceTokens * lanes);
  }
}

// The same for up to T tokens.
template <size_t T, typename W>
HWY_INLINE void add_tokens(const W* w, size_t row_stride, size_t rows, const float* x, size_t x_stride,
                           size_t tokens, size_t n, bool is_first, float* totals) {
  if constexpr (T > 1) {
    if (tokens < T) return add_tokens<T - 1>(w, row_stride, rows, x, x_stride, tokens, n, is_first, totals);
  }
  add_rows<T>(w, row_stride, rows, x, x_stride, n, is_first, totals);
}

// out[t * out_stride + r * apart] for up to kSliceRows rows, `apart` of the matrix's from one to the next, and
// kSliceTokens tokens, all `cols` long.
template <typename W>
HWY_NOINLINE void matmul_slice(const W* w, size_t rows, size_t apart, size_t cols, const float* x,
                               size_t tokens, float* out, size_t out_stride) {
  const size_t lanes = hn::Lanes(kFloats);
  alignas(64) float totals[kSliceRows * kSliceTokens * hn::MaxLanes(Floats())];
  const auto total = [&](size_t r, size_t t)
                         HWY_ATTR { return hn::Load(kFloats, totals + (r * kSliceTokens + t) * lanes); };
  size_t k = 0;
  do {  // once even for no columns: totals of nothing are 0
    for (size_t t = 0; t < tokens; t += kTileTokens) {
      add_tokens<kTileTokens>(w + k, apart * cols, rows, x + t * cols + k, cols,
                              std::min(kTileTokens, tokens - t), std::min(kBlock, cols - k), k == 0,
                              totals + t * lanes);
    }
    k += kBlock;
  } while (k < cols);
  for (size_t t = 0; t < tokens; ++t) {
    float* row = out + t * out_stride;
    const Vector none = hn::Zero(kFloats);
    for (size_t r = 0; r < rows; r += 4) {
      const auto total_or_none = [&](size_t i) HWY_ATTR { return r + i < rows ? total(r + i, t) : none; };
      float sums[4];
      store_sums(total(r, t), total_or_none(1), total_or_none(2), total_or_none(3), sums);
      for (size_t i = 0; i < std::min<size_t>(4, rows - r); ++i) row[(r + i) * apart] = sums[i];
    }
  }
}

template <typename W>
HWY_INLINE void matmul_as(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  const W* weights = reinterpret_cast<const W*>(w.data);
  // Few tokens read a matrix but once, and best in a few streams: as many rows side by side from end to end,
  // each the next of a long run (docs/decisions/007).
  if (acts.tokens <= kTileTokens) {
    const size_t streams = tile_rows(acts.tokens), apart = (row1 - row0) / streams;
    for (size_t end = row0 + apart; row0 < end; ++row0) {
      matmul_slice(weights + row0 * w.cols, streams, apart, w.cols, acts.x, acts.tokens, out + row0,
                   out_stride);
    }
    row0 += (streams - 1) * apart;
  }
  for (size_t r = row0; r < row1; r += kSliceRows) {
    for (size_t t = 0; t < acts.tokens; t += kSliceTokens) {
      matmul_slice(weights + r * w.cols, std::min(kSliceRows, row1 - r), 1, w.cols, acts.x + t * w.cols,
                   std::min(kSliceTokens, acts.tokens - t), out + t * out_stride + r, out_stride);
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
  matmul_slice(a, 1, 1, n, b, 1, &sum, 0);
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
