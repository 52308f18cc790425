#include "engine/linear.h"

#include <algorithm>
#include <numeric>

#include "engine/group_fit.h"
#include "engine/static_linear.h"
#include "kernels/pack.h"

namespace gemma {
namespace {

bool per_token(const InputFormat& format) {
  using kernels::ActivationKind;
  return format.kind == ActivationKind::kInt8Token || format.kind == ActivationKind::kInt4Token;
}

}  // namespace

bool reads_rows(const InputFormat& format) {
  return format.kind == kernels::ActivationKind::kFloat && !format.rounding.rounds();
}

bool takes_pieces(const InputFormat& format, size_t piece) {
  const size_t group = format.rounding.rounds() ? format.rounding.group : format.group;
  return !per_token(format) && (group == 0 || piece % group == 0) && piece >= kSmallestActivationGroup;
}

LinearScratch::Plan LinearScratch::plan(size_t tokens, size_t max_cols, size_t threads) {
  const uint64_t cells = uint64_t{tokens} * max_cols;
  const uint64_t groups = cells / kSmallestActivationGroup + tokens;
  return {cells * sizeof(float),
          cells,
          groups * sizeof(float),
          groups * sizeof(int32_t),
          uint64_t{threads} * tokens * sizeof(int32_t),
          uint64_t{threads} * kernels::kPanelRows * max_cols * sizeof(float)};
}

void LinearScratch::list_memory(std::vector<MemoryRange>& ranges) const {
  for (const Buffer* buffer : {&fake_, &levels_, &scales_, &sums_, &totals_, &rows_}) {
    ranges.push_back({.part = MemoryPart::kScratch, .begin = buffer->data(), .bytes = buffer->bytes()});
  }
}

Result<LinearScratch> LinearScratch::create(size_t tokens, size_t max_cols, size_t threads) {
  LinearScratch scratch;
  scratch.max_tokens_ = tokens;
  scratch.max_cols_ = max_cols;
  const Plan p = plan(tokens, max_cols, threads);
  const std::pair<Buffer*, size_t> wanted[] = {
      {&scratch.fake_, p.fake}, {&scratch.levels_, p.levels}, {&scratch.scales_, p.scales},
      {&scratch.sums_, p.sums}, {&scratch.totals_, p.totals}, {&scratch.rows_, p.unpacked},
  };
  for (const auto& [buffer, bytes] : wanted) {
    Result<Buffer> memory = Buffer::allocate(bytes, "matmul scratch");
    if (!memory) return fail(std::move(memory.error()));
    *buffer = std::move(*memory);
  }
  return scratch;
}

// Columns [begin, end) of a row, which x are: whole groups, or all of them.
void LinearInput::make(const kernels::KernelTable& kernels, const InputFormat& format, size_t row,
                       size_t begin, size_t end, const float* x) {
  using kernels::ActivationKind;
  if (reads_rows(format)) return;
  const size_t n = end - begin;
  float* fake = scratch_->fake_.as<float>() + row * cols_ + begin;
  if (format.rounding.rounds()) return format.rounding.apply({x, n}, fake);
  if (format.kind == ActivationKind::kInt8Static) {
    int8_t* levels = scratch_->levels_.as<int8_t>() + row * cols_ + begin;
    int32_t* sums = scratch_->sums_.as<int32_t>() + row * pieces();
    sums[begin / piece_] = kernels.quantize_static(x, n, format.scale, levels);
    std::fill(sums + begin / piece_ + 1, sums + (end + piece_ - 1) / piece_, 0);
    std::copy_n(levels, format.fake ? n : 0, fake);
    return;
  }
  const bool four_bits =
      format.kind == ActivationKind::kInt4Token || format.kind == ActivationKind::kInt4Group;
  const size_t group = per_token(format) ? cols_ : format.group;
  const size_t first_group = (row * cols_ + begin) / group;
  int8_t* levels = scratch_->levels_.as<int8_t>() + row * cols_ + begin;
  float* scales = scratch_->scales_.as<float>() + first_group;
  int32_t* sums = scratch_->sums_.as<int32_t>() + first_group;
  kernels.quantize_activations(x, 1, n, group, four_bits ? 7 : 127, levels, scales, sums);
  for (size_t i = 0; i < n && format.fake; ++i) fake[i] = static_cast<float>(levels[i]) * scales[i / group];
}

bool LinearInput::in_pieces(const InputFormat& format, size_t piece) {
  if (!takes_pieces(format, piece)) return false;
  made_ = format;
  piece_ = piece;
  met_ = false;
  return true;
}

void LinearInput::make_piece(const kernels::KernelTable& kernels, size_t row, size_t begin, size_t end,
                             const float* x) {
  make(kernels, made_, row, begin, end, x);
}

int32_t* LinearInput::totals(const Worker& me) {
  return scratch_->totals_.as<int32_t>() + me.thread() * scratch_->max_tokens_;
}

// The sum of each row, for this worker alone, once all pieces are made.
void LinearInput::total_pieces(const Worker& me) {
  if (made_.kind != kernels::ActivationKind::kInt8Static || made_.fake) return;
  const size_t n = pieces();
  const int32_t* sums = scratch_->sums_.as<int32_t>();
  for (size_t row = 0; row < tokens_; ++row, sums += n) {
    totals(me)[row] = std::accumulate(sums, sums + n, int32_t{0});
  }
}

kernels::Activations LinearInput::prepare(const kernels::KernelTable& kernels, Worker& me,
                                          const InputFormat& format) {
  kernels::Activations acts;
  acts.tokens = tokens_;
  acts.cols = cols_;
  acts.x = x_;
  if (!reads_rows(format) && !(made_ == format)) {
    if (met_) me.meet();  // others may still read the levels that the matrix before asked for
    piece_ = cols_;
    me.share(tokens_, [&](size_t row) { make(kernels, format, row, 0, cols_, x_ + row * cols_); });
    made_ = format;
    met_ = false;
  }
  if (!met_) {
    me.meet();
    met_ = true;
    total_pieces(me);
  }
  if (reads_rows(format)) return acts;
  if (format.fake || format.rounding.rounds()) {
    acts.x = scratch_->fake_.as<float>();
    return acts;
  }
  acts.kind = format.kind;
  acts.q = scratch_->levels_.as<int8_t>();
  acts.sums = scratch_->sums_.as<int32_t>();
  if (format.kind == kernels::ActivationKind::kInt8Static) {
    acts.group = cols_;
    acts.sums = totals(me);
    return acts;
  }
  acts.group = per_token(format) ? cols_ : format.group;
  acts.scales = scratch_->scales_.as<float>();
  return acts;
}

kernels::Activations rows_of(const kernels::Activations& acts, size_t first, size_t n) {
  kernels::Activations rows = acts;
  const size_t groups = acts.group > 0 ? acts.cols / acts.group : 0;
  rows.tokens = n;
  rows.x += first * acts.cols;
  if (acts.q != nullptr) rows.q += first * acts.cols;
  if (acts.scales != nullptr) rows.scales += first * groups;
  if (acts.sums != nullptr) rows.sums += first * groups;
  return rows;
}

Grain linear_grain(size_t rows, size_t cols, size_t tokens, size_t threads) {
  // Taking costs some 20 ns, in which a core does 2 k multiply-adds. A thread waits for half of another's last
  // grain on average: with eighths of a part prefill took 1.015 of the time it takes with thirty-seconds.
  constexpr size_t kMacs = 40'000, kParts = 32;
  const bool halves = tokens <= kFewTokens;
  const size_t panels = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows;
  const size_t least = kMacs / std::max<size_t>(kernels::kPanelRows * cols * tokens, 1) + 1;
  // Kernels like four panels at a time, or two where four are long to wait for.
  if (halves) return {(least > 1 ? 4 : 2) * kernels::kPanelRows, true};
  const size_t some = std::max(least, panels / (threads * kParts));
  return {(some + 3) / 4 * 4 * kernels::kPanelRows};
}

void expect_rows(const kernels::KernelTable& kernels, Worker& me, const Matrix& w, Grain grain,
                 size_t tokens) {
  constexpr size_t kBytes = size_t{128} << 10;  // a quarter of a small second-level cache
  const kernels::MatrixView& view = w.view();
  if (tokens > kFewTokens || w.empty()) return;
  const size_t panel_bytes = w.bytes() / ((view.rows + kernels::kPanelRows - 1) / kernels::kPanelRows);
  const size_t panels = grain.items / kernels::kPanelRows;
  const size_t grains = (view.rows + grain.items - 1) / grain.items;
  const size_t begin = grains * me.thread() / me.threads(), end = grains * (me.thread() + 1) / me.threads();
  const size_t first = (end - begin + 1) / 2 * panels;  // what it will take first
  // Levels that no panel holds are unpacked row by row.
  const bool side_by_side = tokens == 1 && view.format != kernels::WeightFormat::kLevels;
  const size_t streams = side_by_side && first >= kernels.streams ? kernels.streams : 1;
  const size_t apart = first / streams * panel_bytes;
  me.expect(view.data + begin * panels * panel_bytes, std::min(kBytes / streams, apart), streams, apart);
}

void linear(const kernels::KernelTable& kernels, Worker& me, const Matrix& w, LinearInput& input, float* out,
            size_t out_stride) {
  const size_t rows = w.view().rows;
  const Grain grain = linear_grain(rows, w.view().cols, input.tokens(), me.threads());
  const kernels::Activations acts = input.prepare(kernels, me, w.input());
  me.take(rows, grain, [&](size_t begin, size_t end) {
    linear_rows(kernels, w, acts, input.scratch(), me.thread(), begin, end, out, out_stride);
  });
}

void linear_rows(const kernels::KernelTable& kernels, const Matrix& w, const kernels::Activations& acts,
                 LinearScratch& scratch, size_t thread, size_t begin, size_t end, float* out,
                 size_t out_stride) {
  using kernels::WeightFormat;
  const kernels::MatrixView& view = w.view();
  if (acts.tokens == 0) return;
  float* unpacked = scratch.rows_.as<float>() + thread * kernels::kPanelRows * scratch.max_cols_;
  if (view.statics.factors != nullptr) {
    return static_linear(kernels, w, acts, begin, end, unpacked, out, out_stride);
  }
  switch (view.format) {
    case WeightFormat::kF32:
    case WeightFormat::kBf16:
    case WeightFormat::kF16:
      kernels.matmul_float(view, acts, begin, end, out, out_stride);
      return round_outputs(view.statics.output, acts.tokens, begin, end, out, out_stride);
    case WeightFormat::kInt4Group32:
      return kernels.matmul_int4_group32(view, acts, begin, end, out, out_stride);
    case WeightFormat::kInt4Channel:
      return kernels.matmul_int4_channel(view, acts, begin, end, out, out_stride);
    case WeightFormat::kInt8Channel:
      return kernels.matmul_int8_channel(view, acts, begin, end, out, out_stride);
    case WeightFormat::kInt8Group:
      return kernels.matmul_int8_group(view, acts, begin, end, out, out_stride);
    case WeightFormat::kInt2Channel:
    case WeightFormat::kLevels:
      break;
  }
  // Packed levels in float arithmetic: a panel of rows at a time is unpacked, then multiplied as float32.
  for (size_t row0 = begin; row0 < end; row0 += kernels::kPanelRows) {
    const size_t row1 = std::min(end, row0 + kernels::kPanelRows);
    for (size_t row = row0; row < row1; ++row) {
      kernels::dequantize_row(view, row, unpacked + (row - row0) * view.cols);
    }
    kernels::MatrixView block;
    block.rows = row1 - row0;
    block.cols = view.cols;
    block.data = reinterpret_cast<const std::byte*>(unpacked);
    kernels.matmul_float(block, acts, 0, block.rows, out + row0, out_stride);
  }
}

}  // namespace gemma
