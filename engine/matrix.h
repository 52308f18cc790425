// A weight matrix with its memory: the kernels' view of it, and how its input must be prepared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "engine/buffer.h"
#include "engine/fake_rounding.h"
#include "kernels/activations.h"
#include "kernels/matrix.h"
#include "kernels/pack.h"

namespace gemma {

// What a matrix wants its input rows to be. fake: quantized and turned back into floats; under a static scale
// the levels themselves as floats, because the matrix's factors hold that scale.
struct InputFormat {
  kernels::ActivationKind kind = kernels::ActivationKind::kFloat;
  size_t group = 0;  // columns per scale of the group kinds, else 0
  bool fake = false;
  FakeRounding rounding = {};  // if it rounds: of the floats, and `kind` is kFloat
  float scale = 0;             // of kInt8Static
  bool operator==(const InputFormat&) const = default;
};

class Matrix {
 public:
  Matrix() = default;
  // `view` points into `memory`, which the experts of a tensor share, or into a memory map that outlives
  // this.
  Matrix(const kernels::MatrixView& view, const InputFormat& input, std::shared_ptr<const Buffer> memory)
      : view_(view), input_(input), memory_(std::move(memory)) {}

  const kernels::MatrixView& view() const { return view_; }
  const InputFormat& input() const { return input_; }
  bool empty() const { return view_.rows == 0; }

  // Memory of its own, which the experts of a tensor share; null if it lies in a memory map.
  const Buffer* memory() const { return memory_.get(); }
  // Bytes that the view reads where a file is mapped; 0 for a matrix with memory of its own.
  uint64_t mapped_bytes() const { return memory_ != nullptr ? 0 : bytes(); }
  // Bytes that the view reads.
  uint64_t bytes() const {
    using kernels::WeightFormat;
    if (empty()) return 0;
    const uint64_t elements = uint64_t{view_.rows} * view_.cols;
    switch (view_.format) {
      case WeightFormat::kF32:
        return 4 * elements;
      case WeightFormat::kBf16:
      case WeightFormat::kF16:
        return 2 * elements;
      default:
        return kernels::packed_bytes(view_.format, view_.bits, view_.rows, view_.cols, view_.group);
    }
  }

 private:
  kernels::MatrixView view_;
  InputFormat input_;
  std::shared_ptr<const Buffer> memory_;
};

}  // namespace gemma
