// Vectors of float32 in Highway, and how stored values and the ends of rows become such: what the float
// kernels share. Included once per instruction set.

#if defined(GEMMA_FLOAT_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA_FLOAT_VECTORS_INL_H_
#undef GEMMA_FLOAT_VECTORS_INL_H_
#else
#define GEMMA_FLOAT_VECTORS_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR  // has no table: portable/ is plain C++
HWY_BEFORE_NAMESPACE();
namespace gemma::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;
constexpr Floats kFloats{};

// One vector of stored values as float32.
template <typename T>
HWY_INLINE Vector load(const T* p) {
  if constexpr (std::is_same_v<T, float>) {
    return hn::LoadU(kFloats, p);
  } else if constexpr (std::is_same_v<T, int8_t>) {
    const hn::RebindToSigned<Floats> ints;
    return hn::ConvertTo(kFloats, hn::PromoteTo(ints, hn::LoadU(hn::Rebind<int8_t, Floats>(), p)));
  } else {
    return hn::PromoteTo(kFloats, hn::LoadU(hn::Rebind<T, Floats>(), p));
  }
}

// Holds a loaded vector in its register: left alone, GCC 12 loads it anew in each of several multiply-adds,
// and loads are then what bounds them (13.4 multiply-adds a cycle on Zen 4 instead of 15.9).
HWY_INLINE Vector in_register(Vector v) {
#if HWY_ARCH_X86
  asm("" : "+v"(v.raw));
#elif HWY_ARCH_ARM_A64
  asm("" : "+w"(v.raw));
#endif
  return v;
}

// The last n < Lanes values, zeros behind them; never reads beyond p + n.
template <typename T>
HWY_INLINE Vector load_tail(const T* p, size_t n) {
  alignas(64) T padded[hn::MaxLanes(Floats())] = {};
  std::memcpy(padded, p, n * sizeof(T));
  return load(padded);
}

// Calls body(vector load position, lanes left) over n elements: full vectors, then one tail.
template <typename Body>
HWY_INLINE void for_each_vector(size_t n, const Body& body) {
  const size_t lanes = hn::Lanes(kFloats);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, lanes);
  if (i < n) body(i, n - i);
}

HWY_INLINE Vector load_n(const float* p, size_t n) {
  return n == hn::Lanes(kFloats) ? hn::LoadU(kFloats, p) : load_tail(p, n);
}

HWY_INLINE void store_n(Vector v, float* p, size_t n) {
  if (n == hn::Lanes(kFloats)) {
    hn::StoreU(v, kFloats, p);
  } else {
    alignas(64) float padded[hn::MaxLanes(Floats())];
    hn::Store(v, kFloats, padded);
    std::memcpy(p, padded, n * sizeof(float));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma::kernels
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif  // GEMMA_FLOAT_VECTORS_INL_H_
