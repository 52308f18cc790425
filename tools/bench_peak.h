// The most multiply-adds one core can do: loops of independent vector instructions on registers, no memory.
#pragma once

#include <optional>

namespace gemma {

// Multiply-adds per second of one thread; nothing where this CPU has no such instruction, or none that is
// known here.
struct MultiplyAddPeak {
  std::optional<double> int8;     // 8-bit times 8-bit into 32 bits (vpdpbusd, vpmaddubsw, sdot)
  std::optional<double> float32;  // fused multiply-add
};
MultiplyAddPeak multiply_add_peak();

}  // namespace gemma
