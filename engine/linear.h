// y = W x between the workers of a team, in whatever arithmetic the matrix's scheme asks for. The input is
// quantized once and shared by every matrix that reads it in the same way (q, k and v; gate and up).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/matrix.h"
#include "engine/memory_range.h"
#include "engine/phases.h"
#include "kernels/kernel_table.h"

namespace gemma {

// With so many tokens memory is still the limit, or not far from it.
inline constexpr size_t kFewTokens = 8;

// Scratch of all matmuls of one session: levels of the current input, rows unpacked for float arithmetic.
class LinearScratch {
 public:
  // For inputs of at most `tokens` rows and `max_cols` columns.
  static Result<LinearScratch> create(size_t tokens, size_t max_cols, size_t threads);

  // Bytes of each buffer. `fake` is written under fake schemes, `unpacked` where levels are multiplied in
  // float, `totals` between static scales, the others where the input is quantized.
  struct Plan {
    uint64_t fake, levels, scales, sums, totals, unpacked;
    uint64_t bytes() const { return fake + levels + scales + sums + totals + unpacked; }
  };
  static Plan plan(size_t tokens, size_t max_cols, size_t threads);
  void list_memory(std::vector<MemoryRange>& ranges) const;

 private:
  friend class LinearInput;
  friend void linear_rows(const kernels::KernelTable&, const Matrix&, const kernels::Activations&,
                          LinearScratch&, size_t, size_t, size_t, float*, size_t);
  Buffer fake_;    // float   (tokens, max_cols)
  Buffer levels_;  // int8_t  (tokens, max_cols)
  Buffer scales_;  // float   (tokens, max_cols / 8): one per group (group_fit.h)
  Buffer sums_;    // int32_t (tokens, max_cols / 8): one per group; static scales: one per piece of a row
  Buffer totals_;  // int32_t (threads, tokens): of each row between static scales, each worker's own
  Buffer rows_;    // float   (threads, kernels::kPanelRows, max_cols)
  size_t max_tokens_ = 0, max_cols_ = 0;
};

// Whether matrices of this format multiply the input's rows themselves, not what is made of them.
bool reads_rows(const InputFormat& format);
// Whether `piece` columns of a row can be made into what `format` asks without the rest of the row. False for
// one scale per token, for pieces that cut groups, and for those too small for a sum each.
bool takes_pieces(const InputFormat& format, size_t piece);

// Float rows (tokens, cols) on their way into one or more matrices, as one worker sees them: every worker of
// a run makes its own, all over the same rows and scratch. Levels are made on first use and kept until a
// matrix asks for others. One input at a time may use a scratch.
class LinearInput {
 public:
  LinearInput(LinearScratch& scratch, const float* x, size_t tokens, size_t cols)
      : scratch_(&scratch), x_(x), tokens_(tokens), cols_(cols) {}

  // The input as `format` asks: the floats, their levels, or (fake) the floats those levels stand for. Each
  // worker makes its share of the rows (Worker::share), then all meet: rows that the same worker wrote,
  // shared in the same way, need no meeting before.
  kernels::Activations prepare(const kernels::KernelTable& kernels, Worker& me, const InputFormat& format);

  // For rows that are written in pieces of `piece` columns (each row's last may be shorter) by whoever comes
  // to it. True if `format` takes pieces: then whoever has made columns [begin, end) of a row calls
  // make_piece() with them, wherever they are, and prepare() for that format only meets. False: prepare()
  // makes whole rows, which must have been written before a meeting.
  bool in_pieces(const InputFormat& format, size_t piece);
  void make_piece(const kernels::KernelTable& kernels, size_t row, size_t begin, size_t end, const float* x);

  size_t tokens() const { return tokens_; }
  const float* rows() const { return x_; }
  LinearScratch& scratch() { return *scratch_; }

 private:
  void make(const kernels::KernelTable& kernels, const InputFormat& format, size_t row, size_t begin,
            size_t end, const float* x);
  size_t pieces() const { return (cols_ + piece_ - 1) / piece_; }
  int32_t* totals(const Worker& me);
  void total_pieces(const Worker& me);

  LinearScratch* scratch_;
  const float* x_;
  size_t tokens_;
  size_t cols_;
  size_t piece_ = 0;  // columns whose levels are made at a time
  InputFormat made_;  // what the scratch holds of this input; float: nothing
  bool met_ = false;  // whether all rows are known to be written
};

// Rows [begin, end) of W x, out[t * out_stride + r] = sum_k w[r, k] * x[t, k]; begin is a multiple of
// kernels::kPanelRows. `acts` is what prepare() gave for w.input().
void linear_rows(const kernels::KernelTable& kernels, const Matrix& w, const kernels::Activations& acts,
                 LinearScratch& scratch, size_t thread, size_t begin, size_t end, float* out,
                 size_t out_stride);

// Rows that a worker takes at a time from `rows` of W: whole panels, work enough for taking them, and few
// enough that nobody waits long for the last. For few tokens, where memory is what everybody waits for, by
// halves.
Grain linear_grain(size_t rows, size_t cols, size_t tokens, size_t threads);

// Says that this worker's next is W, all of it taken by `grain`: what it will read first is asked for before
// (Worker::expect). For few tokens; nothing otherwise.
void expect_rows(const kernels::KernelTable& kernels, Worker& me, const Matrix& w, Grain grain,
                 size_t tokens);

// All of W x between the workers, without meeting at the end.
void linear(const kernels::KernelTable& kernels, Worker& me, const Matrix& w, LinearInput& input, float* out,
            size_t out_stride);

// The activations of rows [first, first + n) of `acts`.
kernels::Activations rows_of(const kernels::Activations& acts, size_t first, size_t n);

}  // namespace gemma
