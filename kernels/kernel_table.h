// The registry: one table of function pointers per instruction set. kernels/<isa>... fill it; everything
// above calls through it, so a test can run each kernel on every table this CPU supports.
//
// Every entry is a pure function on spans: no allocation, no threads, no locks, no errors; the caller has
// checked shapes. Order of every float sum depends on absolute indices only, never on how many tokens or rows
// a call carries: the same row and token give the same bits in any batch, on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/activations.h"
#include "kernels/attention.h"
#include "kernels/isa.h"
#include "kernels/matrix.h"

namespace gemma::kernels {

struct KernelTable {
  Isa isa = Isa::kPortable;
  // Integer matmuls of one token cut a call's rows into so many runs of panels and read them side by side.
  uint32_t streams = 1;

  // --- float (kernels/float_kernels.cc; Highway on the vector targets, plain C++ in portable) ---
  // out[t * out_stride + r] = sum_k w[r, k] * x[t, k] for rows [row0, row1) of a kF32/kBf16/kF16 matrix and
  // all tokens. Uses acts.x only.
  void (*matmul_float)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride);
  float (*dot)(const float* a, const float* b, size_t n);
  // y = x * (mean(x^2) + eps)^-0.5 * w; w may be null (scale-free). y may be x.
  void (*rms_norm)(const float* x, const float* w, float eps, size_t n, float* y);
  // gate[i] = gelu_tanh(gate[i]) * up[i]
  void (*gelu_mul)(float* gate, const float* up, size_t n);
  void (*add)(float* x, const float* y, size_t n);  // x += y
  void (*scale)(float* x, float factor, size_t n);  // x *= factor
  void (*softcap)(float* x, float cap, size_t n);   // x = cap * tanh(x / cap)
  // Pairs (i, i + n/2): rotates by the angles whose cos and sin are (n/2) long. In place.
  void (*rope)(float* x, const float* cos, const float* sin, size_t n);
  // Attention a span of keys at a time (kernels/attention.h). The state of `q` over the keys [key_begin,
  // key_end), as far as each query sees them; scratch holds kAttentionScratch floats.
  void (*attention_span)(const AttentionQueries& q, const KeyValues& kv, size_t key_begin, size_t key_end,
                         const AttentionState& state, float* scratch);
  // Joins the state over later keys to that over earlier ones.
  void (*attention_merge)(const AttentionQueries& q, const AttentionState& into, const AttentionState& from);
  // mix becomes the output: mix / sum. Every query has seen a key.
  void (*attention_finish)(const AttentionQueries& q, const AttentionState& state);
  void (*float_to_bf16)(const float* x, uint16_t* y, size_t n);  // round to nearest even
  void (*float_to_f16)(const float* x, uint16_t* y, size_t n);   // round to nearest even, saturating to inf
  void (*bf16_to_float)(const uint16_t* x, float* y, size_t n);
  void (*f16_to_float)(const uint16_t* x, float* y, size_t n);

  // --- weight quantization (kernels/quantize_kernels.cc) ---
  // Many groups of 32 that lie one after the other. The definitions, group by group, are in
  // kernels/quantize.h, and every table gives their bits. recover_grid returns how many groups are on no
  // grid; their scale is kOffGrid and their levels are unspecified.
  size_t (*recover_grid)(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16);
  void (*q4_0_textbook)(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16);
  float (*absmax)(const float* w, size_t n);  // of magnitudes; NaNs do not count, nothing gives 0
  void (*symmetric_levels)(const float* w, size_t n, float scale, int bits, int8_t* levels);

  // --- integer (kernels/portable/, kernels/avx2/, ...) ---
  // Levels, scales and sums of x (tokens, cols) for groups of `group` columns (group divides cols):
  // inv = absmax ? qmax / absmax : 0, q = rint(x * inv) half to even, clamped to +-qmax,
  // scale = absmax / qmax.
  void (*quantize_activations)(const float* x, size_t tokens, size_t cols, size_t group, int qmax, int8_t* q,
                               float* scales, int32_t* sums);
  // out[t * out_stride + r] for rows [row0, row1) of a panel matrix; row0 is a multiple of kPanelRows.
  // int4 in groups of 32: sum over g, in order, of float(isum_g) * (w_scale[r, g] * x_scale[t, g]), no fused
  // multiply-add; acts.kind must be kInt8Group with group 32.
  void (*matmul_int4_group32)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                              float* out, size_t out_stride);
  // float(isum) * (w_scale[r] * x_scale[t]); acts per token (kInt8Token, kInt4Token).
  void (*matmul_int4_channel)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                              float* out, size_t out_stride);
  void (*matmul_int8_channel)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                              float* out, size_t out_stride);
  // int8 levels in groups of 16 or 32 (kernels/int8_group.h): sum over the groups of the weights, in order,
  // of float(isum_g) * (w_scale[r, g] * x_scale[t, its 32 columns]), no fused multiply-add; acts.kind must be
  // kInt8Group with group 32.
  void (*matmul_int8_group)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                            float* out, size_t out_stride);

  // --- static scales on both sides; every expression is in kernels/static_scales.h ---
  // q = clamp(rint(x / scale), -128, 127) for n values, and what they sum up to; scale > 0.
  int32_t (*quantize_static)(const float* x, size_t n, float scale, int8_t* q);
  // kInt2Channel, kInt4Channel and kInt8Channel panels with w.statics; acts.kind must be kInt8Static. The
  // sums are exact for up to 131071 columns.
  void (*matmul_int2_static)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                             float* out, size_t out_stride);
  void (*matmul_int4_static)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                             float* out, size_t out_stride);
  void (*matmul_int8_static)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                             float* out, size_t out_stride);
};

// The table of an instruction set that supported_isas() lists.
const KernelTable& kernel_table(Isa isa);

// What the environment asks for: GEMMA_ISA if this CPU supports it, else its best instruction set, and the
// names in GEMMA_KERNEL (kernel_registry.h). Names that mean nothing are for the programs to report.
Isa default_isa();
std::string_view default_kernels();

// That table with those kernels: for callers to whom nobody gives one.
const KernelTable& default_kernel_table();

// --- how a table is put together; each is defined in the file of its instruction set ---
void fill_float_portable(KernelTable& table);  // kernels/portable/
void fill_attention_portable(KernelTable& table);
void fill_quantize_portable(KernelTable& table);
void fill_float_avx2(KernelTable& table);  // kernels/float_kernels.cc, Highway
void fill_float_avx512(KernelTable& table);
void fill_float_neon(KernelTable& table);
void fill_quantize_avx2(KernelTable& table);  // kernels/quantize_kernels.cc, Highway
void fill_quantize_avx512(KernelTable& table);
void fill_quantize_neon(KernelTable& table);
// (the integer kernels of all of them: integer_kernels.inc)

}  // namespace gemma::kernels
