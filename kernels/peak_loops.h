// The fastest multiply-adds of an instruction set, on registers alone: what no kernel of that set can exceed
// on this CPU. Whoever measures a kernel times these beside it (engine/machine_limits.h).
#pragma once

#include <cstddef>
#include <span>

#include "kernels/isa.h"

namespace gemma::kernels {

// What is multiplied: weights of so many bits by 8-bit activations into 32 bits (kInt8ByInt4: 8-bit weights
// by 4-bit activations), or floats. The bits count where sums are kept in 16 bits for a while: products of
// small levels can be added up for longer.
enum class PeakOperands { kInt2, kInt4, kInt8, kInt8ByInt4, kFloat32 };

struct PeakLoop {
  Isa isa;
  PeakOperands operands;
  const char* instructions;    // "vpdpbusd, 512 bits"
  double macs;                 // multiply-adds of one round
  void (*run)(size_t rounds);  // independent sums enough to hide every latency
};

// Every loop this program has, whatever this CPU can run; a loop may run only where its `isa` is supported.
std::span<const PeakLoop> peak_loops();

// Null where the instruction set has no such instructions of its own (portable).
const PeakLoop* find_peak_loop(Isa isa, PeakOperands operands);

// The operands of integer weights of `bits` bits and activations of levels up to `activation_levels`.
PeakOperands peak_operands(int bits, int activation_levels);

}  // namespace gemma::kernels
