#include "kernels/peak_loops.h"

#if defined(__x86_64__)
#include "kernels/avx512_intrinsics.h"
#elif defined(__aarch64__)
#include <arm_neon.h>
// GCC's names for instruction sets, and clang's.
#if defined(__clang__)
#define GEMMA_ARM_WITH(set) gnu::target(set)
#else
#define GEMMA_ARM_WITH(set) gnu::target("arch=armv8.2-a+" set)
#endif
#endif

namespace gemma::kernels {
namespace {

// Independent sums: two instructions a cycle, each with up to 5 cycles of latency, need 10; 12 still leave
// four of 16 registers for the operands. The loops over them are unrolled so that they are registers, and the
// empty assembly after each step keeps the compiler from working a loop out beforehand.
constexpr size_t kSums = 12;

#if defined(__x86_64__)

[[gnu::target("avx512f,avx512vnni")]] void dpbusd512(size_t rounds) {
  __m512i sums[kSums];
  const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
#pragma GCC unroll 12
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = _mm512_dpbusd_epi32(sums[s], a, b);
      asm volatile("" : "+v"(sums[s]));
    }
  }
}

[[gnu::target("avx512f")]] void fma512(size_t rounds) {
  __m512 sums[kSums];
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
#pragma GCC unroll 12
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = _mm512_fmadd_ps(a, b, sums[s]);
      asm volatile("" : "+v"(sums[s]));
    }
  }
}

// The same instruction in either encoding (kernels/avxvnni/panel.h).
#if defined(GEMMA_AVXVNNI_EVEX)
#define GEMMA_DPBUSD256 _mm256_dpbusd_epi32
[[gnu::target("avx512f,avx512vl,avx512vnni")]]
#else
#define GEMMA_DPBUSD256 _mm256_dpbusd_avx_epi32
[[gnu::target("avx2,avxvnni")]]
#endif
void dpbusd256(size_t rounds) {
  __m256i sums[kSums];
  const __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
#pragma GCC unroll 12
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = GEMMA_DPBUSD256(sums[s], a, b);
      asm volatile("" : "+x"(sums[s]));
    }
  }
}

// Pairs of products are added up in 16 bits over kDepth multiplications, then widened by one more: 64 *
// kDepth / (kDepth + 1) multiply-adds per cycle where two multiplications start in each; 56.9 for 8, 62.1 for
// 32, and 32 for full bytes, whose pairs fill 16 bits at once. The additions between are left out: other
// units could do them, so they are no bound (on Zen 4 they take the same ones now and then, and 8 reach 46
// with them).
template <size_t kDepth>
[[gnu::target("avx2")]] void maddubs256(size_t rounds) {
  __m256i a = _mm256_set1_epi8(1);
  const __m256i b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  for (size_t i = 0; i < rounds; ++i) {
    for (size_t step = 0; step <= kDepth; ++step) {
      const bool widens = step == kDepth;
#pragma GCC unroll 12
      for (size_t s = 0; s < kSums; ++s) {
        asm volatile("" : "+x"(a));  // another multiplication each time
        const __m256i product = widens ? _mm256_madd_epi16(a, ones) : _mm256_maddubs_epi16(a, b);
        asm volatile("" : : "x"(product));
      }
    }
  }
}

[[gnu::target("avx2,fma")]] void fma256(size_t rounds) {
  __m256 sums[kSums];
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
#pragma GCC unroll 12
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = _mm256_fmadd_ps(a, b, sums[s]);
      asm volatile("" : "+x"(sums[s]));
    }
  }
}

// Steps that stay in 16 bits: 15 * 128 * 2 * 8 and 255 * 7 * 2 * 8; 3 * 128 * 2 * 32.
constexpr size_t kShallow = 8, kDeep = 32;
constexpr PeakLoop kLoops[] = {
    {Isa::kAvx512Vnni, PeakOperands::kInt2, "vpdpbusd, 512 bits", 64 * kSums, dpbusd512},
    {Isa::kAvx512Vnni, PeakOperands::kInt4, "vpdpbusd, 512 bits", 64 * kSums, dpbusd512},
    {Isa::kAvx512Vnni, PeakOperands::kInt8, "vpdpbusd, 512 bits", 64 * kSums, dpbusd512},
    {Isa::kAvx512Vnni, PeakOperands::kInt8ByInt4, "vpdpbusd, 512 bits", 64 * kSums, dpbusd512},
    {Isa::kAvx512Vnni, PeakOperands::kFloat32, "vfmadd, 512 bits", 16 * kSums, fma512},
    {Isa::kAvxVnni, PeakOperands::kInt2, "vpdpbusd, 256 bits", 32 * kSums, dpbusd256},
    {Isa::kAvxVnni, PeakOperands::kInt4, "vpdpbusd, 256 bits", 32 * kSums, dpbusd256},
    {Isa::kAvxVnni, PeakOperands::kInt8, "vpdpbusd, 256 bits", 32 * kSums, dpbusd256},
    {Isa::kAvxVnni, PeakOperands::kInt8ByInt4, "vpdpbusd, 256 bits", 32 * kSums, dpbusd256},
    {Isa::kAvxVnni, PeakOperands::kFloat32, "vfmadd, 256 bits", 8 * kSums, fma256},
    {Isa::kAvx2, PeakOperands::kInt2, "vpmaddubsw, 32 to a vpmaddwd", 32 * kSums* kDeep, maddubs256<kDeep>},
    {Isa::kAvx2, PeakOperands::kInt4, "vpmaddubsw, 8 to a vpmaddwd", 32 * kSums* kShallow,
     maddubs256<kShallow>},
    {Isa::kAvx2, PeakOperands::kInt8, "vpmaddubsw and vpmaddwd", 32 * kSums, maddubs256<1>},
    {Isa::kAvx2, PeakOperands::kInt8ByInt4, "vpmaddubsw, 8 to a vpmaddwd", 32 * kSums* kShallow,
     maddubs256<kShallow>},
    {Isa::kAvx2, PeakOperands::kFloat32, "vfmadd, 256 bits", 8 * kSums, fma256},
};

#elif defined(__aarch64__)

[[GEMMA_ARM_WITH("dotprod")]] void sdot(size_t rounds) {
  int32x4_t sums[kSums];
  const int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
#pragma GCC unroll 12
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = vdotq_s32(sums[s], a, b);
      asm volatile("" : "+w"(sums[s]));
    }
  }
}

[[GEMMA_ARM_WITH("i8mm")]] void smmla(size_t rounds) {
  int32x4_t sums[kSums];
  const int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
#pragma GCC unroll 12
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = vmmlaq_s32(sums[s], a, b);
      asm volatile("" : "+w"(sums[s]));
    }
  }
}

void fmla(size_t rounds) {
  float32x4_t sums[kSums];
  const float32x4_t a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
#pragma GCC unroll 12
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  for (size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      sums[s] = vfmaq_f32(sums[s], a, b);
      asm volatile("" : "+w"(sums[s]));
    }
  }
}

constexpr PeakLoop kLoops[] = {
    {Isa::kNeonI8mm, PeakOperands::kInt2, "smmla", 32 * kSums, smmla},
    {Isa::kNeonI8mm, PeakOperands::kInt4, "smmla", 32 * kSums, smmla},
    {Isa::kNeonI8mm, PeakOperands::kInt8, "smmla", 32 * kSums, smmla},
    {Isa::kNeonI8mm, PeakOperands::kInt8ByInt4, "smmla", 32 * kSums, smmla},
    {Isa::kNeonI8mm, PeakOperands::kFloat32, "fmla", 4 * kSums, fmla},
    {Isa::kNeonDotprod, PeakOperands::kInt2, "sdot", 16 * kSums, sdot},
    {Isa::kNeonDotprod, PeakOperands::kInt4, "sdot", 16 * kSums, sdot},
    {Isa::kNeonDotprod, PeakOperands::kInt8, "sdot", 16 * kSums, sdot},
    {Isa::kNeonDotprod, PeakOperands::kInt8ByInt4, "sdot", 16 * kSums, sdot},
    {Isa::kNeonDotprod, PeakOperands::kFloat32, "fmla", 4 * kSums, fmla},
    {Isa::kNeon, PeakOperands::kFloat32, "fmla", 4 * kSums, fmla},
};

#endif

}  // namespace

std::span<const PeakLoop> peak_loops() {
#if defined(__x86_64__) || defined(__aarch64__)
  return kLoops;
#else
  return {};
#endif
}

const PeakLoop* find_peak_loop(Isa isa, PeakOperands operands) {
  for (const PeakLoop& loop : peak_loops()) {
    if (loop.isa == isa && loop.operands == operands) return &loop;
  }
  return nullptr;
}

PeakOperands peak_operands(int bits, int activation_levels) {
  if (bits <= 2) return PeakOperands::kInt2;
  if (bits <= 4) return PeakOperands::kInt4;
  return activation_levels <= 7 ? PeakOperands::kInt8ByInt4 : PeakOperands::kInt8;
}

}  // namespace gemma::kernels
