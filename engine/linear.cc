#include "engine/linear.h"

#include <algorithm>

#include "engine/group_fit.h"
#include "engine/static_linear.h"
#include "kernels/pack.h"
#include "kernels/static_scales.h"

namespace gemma {

LinearScratch::Plan LinearScratch::plan(size_t tokens, size_t max_cols, size_t threads) {
  const uint64_t cells = uint64_t{tokens} * max_cols;
  const uint64_t groups = cells / kSmallestActivationGroup + tokens;
  return {cells * sizeof(float), cells, groups * sizeof(float), groups * sizeof(int32_t),
          uint64_t{threads} * kernels::kPanelRows * max_cols * sizeof(float)};
}

uint64_t LinearScratch::plan_bytes(size_t tokens, size_t max_cols, size_t threads) {
  const Plan p = plan(tokens, max_cols, threads);
  return p.fake + p.levels + p.scales + p.sums + p.unpacked;
}

void LinearScratch::list_memory(std::vector<MemoryRange>& ranges) const {
  for (const Buffer* buffer : {&fake_, &levels_, &scales_, &sums_, &rows_}) {
    ranges.push_back({.part = MemoryPart::kScratch, .begin = buffer->data(), .bytes = buffer->bytes()});
  }
}

Result<LinearScratch> LinearScratch::create(size_t tokens, size_t max_cols, size_t threads) {
  LinearScratch scratch;
  scratch.max_cols_ = max_cols;
  const Plan p = plan(tokens, max_cols, threads);
  const std::pair<Buffer*, size_t> wanted[] = {
      {&scratch.fake_, p.fake}, {&scratch.levels_, p.levels}, {&scratch.scales_, p.scales},
      {&scratch.sums_, p.sums}, {&scratch.rows_, p.unpacked},
  };
  for (const auto& [buffer, bytes] : wanted) {
    Result<Buffer> memory = Buffer::allocate(bytes, "matmul scratch");
    if (!memory) return fail(std::move(memory.error()));
    *buffer = std::move(*memory);
  }
  return scratch;
}

void LinearInput::quantize_row(const kernels::KernelTable& kernels, const InputFormat& format, size_t group,
                               size_t row) {
  using kernels::ActivationKind;
  const float* x = x_ + row * cols_;
  float* fake = scratch_->fake_.as<float>() + row * cols_;
  if (format.rounding.rounds()) return format.rounding.apply({x, cols_}, fake);
  if (format.kind == ActivationKind::kInt8Static) {
    uint8_t* stored = scratch_->levels_.as<uint8_t>() + row * cols_;
    kernels.quantize_static(x, cols_, format.scale, stored);
    for (size_t i = 0; i < cols_ && format.fake; ++i) {
      fake[i] = static_cast<float>(int{stored[i]} - kernels::kStaticZero);
    }
    return;
  }
  const bool four_bits =
      format.kind == ActivationKind::kInt4Token || format.kind == ActivationKind::kInt4Group;
  const size_t groups = cols_ / group;
  int8_t* levels = scratch_->levels_.as<int8_t>() + row * cols_;
  float* scales = scratch_->scales_.as<float>() + row * groups;
  int32_t* sums = scratch_->sums_.as<int32_t>() + row * groups;
  kernels.quantize_activations(x, 1, cols_, group, four_bits ? 7 : 127, levels, scales, sums);
  for (size_t i = 0; i < cols_ && format.fake; ++i)
    fake[i] = static_cast<float>(levels[i]) * scales[i / group];
}

kernels::Activations LinearInput::prepare(const kernels::KernelTable& kernels, Worker& me,
                                          const InputFormat& format) {
  using kernels::ActivationKind;
  kernels::Activations acts;
  acts.tokens = tokens_;
  acts.cols = cols_;
  acts.x = x_;
  const bool as_it_is = format.kind == ActivationKind::kFloat && !format.rounding.rounds();
  const bool per_token =
      format.kind == ActivationKind::kInt8Token || format.kind == ActivationKind::kInt4Token;
  const size_t group = per_token ? cols_ : format.group;
  if (as_it_is) {
    if (!met_) me.meet();
    met_ = true;
    return acts;
  }
  if (!(made_ == format)) {
    if (met_) me.meet();  // others may still read the levels that the matrix before asked for
    me.share(tokens_, [&](size_t row) { quantize_row(kernels, format, group, row); });
    me.meet();
    made_ = format;
    met_ = true;
  }
  if (format.fake || format.rounding.rounds()) {
    acts.x = scratch_->fake_.as<float>();
    return acts;
  }
  acts.kind = format.kind;
  if (format.kind == ActivationKind::kInt8Static) {
    acts.u = scratch_->levels_.as<uint8_t>();
    return acts;
  }
  acts.group = group;
  acts.q = scratch_->levels_.as<int8_t>();
  acts.scales = scratch_->scales_.as<float>();
  acts.sums = scratch_->sums_.as<int32_t>();
  return acts;
}

kernels::Activations rows_of(const kernels::Activations& acts, size_t first, size_t n) {
  kernels::Activations rows = acts;
  const size_t groups = acts.group > 0 ? acts.cols / acts.group : 0;
  rows.tokens = n;
  rows.x += first * acts.cols;
  if (acts.q != nullptr) rows.q += first * acts.cols;
  if (acts.u != nullptr) rows.u += first * acts.cols;
  if (acts.scales != nullptr) rows.scales += first * groups;
  if (acts.sums != nullptr) rows.sums += first * groups;
  return rows;
}

size_t linear_grain(size_t rows, size_t cols, size_t tokens, size_t threads) {
  // Taking costs some 20 ns, in which a core does 2 k multiply-adds; an eighth of a thread's part is a tail
  // of a few percent at most.
  constexpr size_t kMacs = 40'000, kParts = 8;
  const size_t panels = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows;
  const size_t least = kMacs / std::max<size_t>(kernels::kPanelRows * cols * tokens, 1) + 1;
  const size_t some = std::max(least, panels / (threads * kParts));
  return (some + some % 2) * kernels::kPanelRows;  // kernels like two panels at a time
}

void expect_rows(Worker& me, const Matrix& w, size_t grain, size_t tokens) {
  constexpr size_t kFewTokens = 8, kBytes = size_t{128} << 10;  // a quarter of a small second-level cache
  const kernels::MatrixView& view = w.view();
  const size_t panels = (view.rows + kernels::kPanelRows - 1) / kernels::kPanelRows;
  if (tokens > kFewTokens || panels == 0 || view.bits >= 16) return;
  const size_t bytes = kernels::packed_bytes(view.format, view.bits, view.rows, view.cols, view.group);
  const size_t grains = (view.rows + grain - 1) / grain;
  const size_t first = grains * me.thread() / me.threads() * grain / kernels::kPanelRows;
  const size_t begin = std::min(bytes / panels * first, bytes);
  me.expect(view.data + begin, std::min(kBytes, bytes - begin));
}

void linear(const kernels::KernelTable& kernels, Worker& me, const Matrix& w, LinearInput& input, float* out,
            size_t out_stride) {
  const size_t rows = w.view().rows;
  const size_t grain = linear_grain(rows, w.view().cols, input.tokens(), me.threads());
  expect_rows(me, w, grain, input.tokens());
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
