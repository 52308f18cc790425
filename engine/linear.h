// y = W x over a team of threads, in whatever arithmetic the matrix's scheme asks for. The input is quantized
// once and shared by every matrix that reads it in the same way (q, k and v; gate and up).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/matrix.h"
#include "engine/memory_range.h"
#include "engine/thread_team.h"
#include "kernels/kernel_table.h"

namespace gemma {

// Scratch of all matmuls of one session: levels of the current input, rows unpacked for float arithmetic.
class LinearScratch {
 public:
  // For inputs of at most `tokens` rows and `max_cols` columns.
  static Result<LinearScratch> create(size_t tokens, size_t max_cols, size_t threads);
  static uint64_t plan_bytes(size_t tokens, size_t max_cols, size_t threads);

  // Bytes of each buffer. `fake` is written under fake schemes, `unpacked` where levels are multiplied in
  // float, the others where the input is quantized.
  struct Plan {
    uint64_t fake, levels, scales, sums, unpacked;
  };
  static Plan plan(size_t tokens, size_t max_cols, size_t threads);
  void list_memory(std::vector<MemoryRange>& ranges) const;

 private:
  friend class LinearInput;
  friend void linear(const kernels::KernelTable&, const ThreadTeam&, const Matrix&, class LinearInput&,
                     float*, size_t);
  Buffer fake_;    // float   (tokens, max_cols)
  Buffer levels_;  // int8_t  (tokens, max_cols)
  Buffer scales_;  // float   (tokens, max_cols / 8): one per group; groups are 8 columns or more here
  Buffer sums_;    // int32_t (tokens, max_cols / 8)
  Buffer rows_;    // float   (threads, kernels::kPanelRows, max_cols)
  size_t max_cols_ = 0;
};

// Float rows (tokens, cols) on their way into one or more matrices. Levels are made on first use and kept
// until a matrix asks for others. One input at a time may use a scratch.
class LinearInput {
 public:
  LinearInput(LinearScratch& scratch, const float* x, size_t tokens, size_t cols)
      : scratch_(scratch), x_(x), tokens_(tokens), cols_(cols) {}

  // The input as `format` asks: the floats, their levels, or (fake) the floats those levels stand for.
  kernels::Activations prepare(const kernels::KernelTable& kernels, const ThreadTeam& team,
                               const InputFormat& format);
  size_t tokens() const { return tokens_; }
  const float* rows() const { return x_; }
  LinearScratch& scratch() { return scratch_; }

 private:
  kernels::Activations prepare_rounded(const ThreadTeam& team, const InputFormat& format,
                                       kernels::Activations acts);
  kernels::Activations prepare_static(const kernels::KernelTable& kernels, const ThreadTeam& team,
                                      const InputFormat& format, kernels::Activations acts);

  LinearScratch& scratch_;
  const float* x_;
  size_t tokens_;
  size_t cols_;
  InputFormat made_;  // what the scratch holds of this input; float: nothing
};

// out[t * out_stride + r] = sum_k w[r, k] * x[t, k].
void linear(const kernels::KernelTable& kernels, const ThreadTeam& team, const Matrix& w, LinearInput& input,
            float* out, size_t out_stride);

}  // namespace gemma
