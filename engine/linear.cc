#include "engine/linear.h"

#include <algorithm>

#include "engine/static_linear.h"
#include "kernels/pack.h"
#include "kernels/static_scales.h"

namespace gemma {
namespace {

constexpr size_t kSmallestGroup = 8;

// Rows a thread takes at a time: whole panels, and not so few that waking a team costs more than the work
// (a wake-up is about 2 us, in which one core does some 40 k multiply-adds).
size_t row_grain(size_t cols, size_t tokens) {
  constexpr size_t kMacs = 40'000;
  const size_t rows = kMacs / std::max<size_t>(cols * tokens, 1) + 1;
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

}  // namespace

LinearScratch::Plan LinearScratch::plan(size_t tokens, size_t max_cols, size_t threads) {
  const uint64_t cells = uint64_t{tokens} * max_cols;
  const uint64_t groups = cells / kSmallestGroup + tokens;
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

kernels::Activations LinearInput::prepare(const kernels::KernelTable& kernels, const ThreadTeam& team,
                                          const InputFormat& format) {
  using kernels::ActivationKind;
  kernels::Activations acts;
  acts.tokens = tokens_;
  acts.cols = cols_;
  acts.x = x_;
  if (format.rounding.rounds()) return prepare_rounded(team, format, acts);
  if (format.kind == ActivationKind::kFloat) return acts;
  if (format.kind == ActivationKind::kInt8Static) return prepare_static(kernels, team, format, acts);

  const bool per_token =
      format.kind == ActivationKind::kInt8Token || format.kind == ActivationKind::kInt4Token;
  const bool four_bits =
      format.kind == ActivationKind::kInt4Token || format.kind == ActivationKind::kInt4Group;
  const size_t group = per_token ? cols_ : format.group;
  const size_t groups = cols_ / group;
  const int qmax = four_bits ? 7 : 127;
  int8_t* levels = scratch_.levels_.as<int8_t>();
  float* scales = scratch_.scales_.as<float>();
  int32_t* sums = scratch_.sums_.as<int32_t>();
  float* fake = scratch_.fake_.as<float>();
  if (!(made_ == format)) {
    team.parallel_for(tokens_, std::max<size_t>(1, 16'384 / cols_), [&](size_t begin, size_t end, size_t) {
      kernels.quantize_activations(x_ + begin * cols_, end - begin, cols_, group, qmax,
                                   levels + begin * cols_, scales + begin * groups, sums + begin * groups);
      if (!format.fake) return;
      for (size_t g = begin * groups; g < end * groups; ++g) {
        for (size_t i = g * group; i < (g + 1) * group; ++i)
          fake[i] = static_cast<float>(levels[i]) * scales[g];
      }
    });
    made_ = format;
  }
  if (format.fake) {
    acts.x = fake;
    return acts;
  }
  acts.kind = format.kind;
  acts.group = group;
  acts.q = levels;
  acts.scales = scales;
  acts.sums = sums;
  return acts;
}

kernels::Activations LinearInput::prepare_rounded(const ThreadTeam& team, const InputFormat& format,
                                                  kernels::Activations acts) {
  float* rounded = scratch_.fake_.as<float>();
  if (!(made_ == format)) {
    team.parallel_for(tokens_, std::max<size_t>(1, 16'384 / cols_), [&](size_t begin, size_t end, size_t) {
      format.rounding.apply({x_ + begin * cols_, (end - begin) * cols_}, rounded + begin * cols_);
    });
    made_ = format;
  }
  acts.x = rounded;
  return acts;
}

// Levels of a scale known beforehand, in the scratch that the levels of others have.
kernels::Activations LinearInput::prepare_static(const kernels::KernelTable& kernels, const ThreadTeam& team,
                                                 const InputFormat& format, kernels::Activations acts) {
  uint8_t* stored = scratch_.levels_.as<uint8_t>();
  float* fake = scratch_.fake_.as<float>();
  if (!(made_ == format)) {
    team.parallel_for(tokens_, std::max<size_t>(1, 16'384 / cols_), [&](size_t begin, size_t end, size_t) {
      kernels.quantize_static(x_ + begin * cols_, (end - begin) * cols_, format.scale,
                              stored + begin * cols_);
      if (!format.fake) return;
      for (size_t i = begin * cols_; i < end * cols_; ++i) {
        fake[i] = static_cast<float>(int{stored[i]} - kernels::kStaticZero);
      }
    });
    made_ = format;
  }
  if (format.fake) {
    acts.x = fake;
    return acts;
  }
  acts.kind = format.kind;
  acts.u = stored;
  return acts;
}

void linear(const kernels::KernelTable& kernels, const ThreadTeam& team, const Matrix& w, LinearInput& input,
            float* out, size_t out_stride) {
  using kernels::WeightFormat;
  if (input.tokens() == 0) return;
  const kernels::MatrixView& view = w.view();
  const kernels::Activations acts = input.prepare(kernels, team, w.input());
  LinearScratch& scratch = input.scratch();
  const auto rows = [&](size_t begin, size_t end, size_t thread) {
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
  };
  team.parallel_for(view.rows, row_grain(view.cols, acts.tokens), rows);
}

}  // namespace gemma
