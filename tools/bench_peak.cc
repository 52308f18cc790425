#include "tools/bench_peak.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "kernels/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace gemma {
namespace {

// Independent sums: enough to hide 4 to 5 cycles of latency at two instructions per cycle.
constexpr size_t kSums = 12;
constexpr size_t kRounds = 200'000;

// The best of a few tries of loop(), which does `macs` multiply-adds.
template <typename Loop>
double best_rate(double macs, const Loop& loop) {
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto begin = std::chrono::steady_clock::now();
    loop();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::max(best, macs / std::max(elapsed.count(), 1e-9));
  }
  return best;
}

#if defined(__x86_64__)

// The empty assembly keeps the compiler from working the loops out at compile time.
__attribute__((target("avx512f,avx512vnni"))) void dpbusd512() {
  __m512i sums[kSums], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m512i& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, b);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx512f"))) void fma512() {
  __m512 sums[kSums], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(sum, a, b);
      asm volatile("" : "+v"(sum));
    }
  }
}

// 32 products in three instructions: multiply and add pairs, pairs of those, accumulate.
__attribute__((target("avx2"))) void maddubs256() {
  __m256i sums[kSums], a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m256i& sum : sums) {
      __m256i pairs = _mm256_maddubs_epi16(a, b);
      asm volatile("" : "+x"(pairs));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      asm volatile("" : "+x"(sum));
    }
  }
}

__attribute__((target("avx2,fma"))) void fma256() {
  __m256 sums[kSums], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(sum, a, b);
      asm volatile("" : "+x"(sum));
    }
  }
}

#elif defined(__aarch64__)

__attribute__((target("+dotprod"))) void sdot() {
  int32x4_t sums[kSums];
  const int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  for (size_t i = 0; i < kRounds; ++i) {
    for (int32x4_t& sum : sums) {
      sum = vdotq_s32(sum, a, b);
      asm volatile("" : "+w"(sum));
    }
  }
}

void fmla() {
  float32x4_t sums[kSums];
  const float32x4_t a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  for (size_t i = 0; i < kRounds; ++i) {
    for (float32x4_t& sum : sums) {
      sum = vfmaq_f32(sum, a, b);
      asm volatile("" : "+w"(sum));
    }
  }
}

#endif

[[maybe_unused]] bool has(kernels::Isa isa) {
  const auto supported = kernels::supported_isas();
  return std::find(supported.begin(), supported.end(), isa) != supported.end();
}

}  // namespace

MultiplyAddPeak multiply_add_peak() {
  MultiplyAddPeak peak;
  [[maybe_unused]] constexpr double kInstructions = static_cast<double>(kRounds * kSums);
#if defined(__x86_64__)
  if (has(kernels::Isa::kAvx512Vnni)) {
    peak.int8 = best_rate(64 * kInstructions, dpbusd512);
    peak.float32 = best_rate(16 * kInstructions, fma512);
  } else if (has(kernels::Isa::kAvx2)) {
    peak.int8 = best_rate(32 * kInstructions, maddubs256);
    peak.float32 = best_rate(8 * kInstructions, fma256);
  }
#elif defined(__aarch64__)
  if (has(kernels::Isa::kNeonDotprod)) peak.int8 = best_rate(16 * kInstructions, sdot);
  peak.float32 = best_rate(4 * kInstructions, fmla);
#endif
  return peak;
}

}  // namespace gemma
