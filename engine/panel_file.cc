#include "engine/panel_file.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "kernels/int8_group.h"
#include "kernels/pack.h"

namespace gemma {
namespace {

using kernels::MatrixView;
using kernels::WeightFormat;

constexpr std::pair<WeightFormat, std::string_view> kPanelNames[] = {
    {WeightFormat::kInt4Group32, "int4-group32"},
    {WeightFormat::kInt4Channel, "int4-channel"},
    {WeightFormat::kInt8Channel, "int8-channel"},
    {WeightFormat::kInt2Channel, "int2-channel"},
};

size_t padded_rows(size_t rows) {
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

// Takes a number off the front of `text`; 0 if there is none.
size_t take_number(std::string_view& text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::string panels_name(const MatrixView& view) {
  for (const auto& [format, name] : kPanelNames) {
    if (view.format == format) return std::string(name);
  }
  if (view.format == WeightFormat::kInt8Group) return fmt::format("int{}-group{}", view.bits, view.group);
  if (view.group == 0) return fmt::format("levels{}-tensor", view.bits);
  if (view.group == view.cols) return fmt::format("levels{}-channel", view.bits);
  return fmt::format("levels{}-group{}", view.bits, view.group);
}

std::optional<MatrixView> parse_panels(std::string_view name, size_t columns) {
  MatrixView view;
  for (const auto& [format, known] : kPanelNames) {
    if (name != known) continue;
    view.format = format;
    view.bits = format == WeightFormat::kInt8Channel ? 8 : format == WeightFormat::kInt2Channel ? 2 : 4;
    view.group = format == WeightFormat::kInt4Group32 ? kernels::kGroup : columns;
    return view;
  }
  for (const auto& [bits, group] : {std::pair<uint8_t, size_t>{8, 32}, {8, 16}, {6, 16}}) {
    if (name != fmt::format("int{}-group{}", bits, group)) continue;
    view.format = WeightFormat::kInt8Group;
    view.bits = bits;
    view.group = group;
    return view;
  }
  view.format = WeightFormat::kLevels;
  if (!take_word(name, "levels")) return std::nullopt;
  const size_t bits = take_number(name);
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) return std::nullopt;
  view.bits = static_cast<uint8_t>(bits);
  if (name == "-tensor") return view;
  view.group = columns;
  if (name == "-channel") return view;
  if (!take_word(name, "-group")) return std::nullopt;
  view.group = take_number(name);
  if (view.group == 0 || !name.empty()) return std::nullopt;
  return view;
}

size_t panel_columns(const MatrixView& view) {
  switch (view.format) {
    case WeightFormat::kInt4Group32:
    case WeightFormat::kInt8Group:
      return kernels::kGroup;
    case WeightFormat::kLevels:
      return std::max<size_t>(view.group, 1);
    default:
      return 1;
  }
}

size_t panel_file_bytes(size_t bytes) {
  constexpr size_t kLine = 64;
  return (bytes + kLine - 1) / kLine * kLine;
}

size_t panel_scale_count(const MatrixView& view) {
  switch (view.format) {
    case WeightFormat::kInt2Channel:
    case WeightFormat::kInt4Channel:
    case WeightFormat::kInt8Channel:
      return padded_rows(view.rows);
    case WeightFormat::kLevels:
      return view.group == 0 ? 1 : padded_rows(view.rows) * (view.cols / view.group);
    default:
      return 0;
  }
}

size_t panel_scale_columns(const MatrixView& view) {
  return view.group == 0 ? view.cols : view.group;
}

bool levels_in_range(const MatrixView& view, const ThreadTeam& team) {
  constexpr int8_t kLowest = -32, kHighest = 31;
  if (view.format != WeightFormat::kInt8Group || view.bits != 6) return true;
  std::atomic<bool> within{true};
  team.for_each(padded_rows(view.rows) / kernels::kPanelRows, [&](size_t panel, size_t) {
    if (!kernels::int8_group_within(view, panel, kLowest, kHighest)) within = false;
  });
  return within;
}

Result<std::vector<MatrixView>> open_panels(const TensorSource& source, const TensorInfo& tensor) {
  const std::string where = tensor.file + ": " + tensor.name;
  constexpr char kAgain[] = "the file is damaged or of another version: make it again with gemma-quantize";
  std::optional<MatrixView> form = parse_panels(tensor.panels, tensor.columns());
  if (!form) {
    return fail(ErrorCode::kUnsupported, where,
                fmt::format("the packed form \"{}\" is not known", tensor.panels), kAgain);
  }
  const size_t blocks = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  if (tensor.shape.size() < 2 || tensor.shape.size() > 3 || tensor.elements() == 0) {
    return fail(ErrorCode::kInvalidFile, where, "expected a matrix or a stack of them", kAgain);
  }
  form->rows = tensor.rows() / blocks;
  form->cols = tensor.columns();
  if (form->cols % panel_columns(*form) != 0) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected columns in whole groups of {}, found {} columns", panel_columns(*form),
                            form->cols),
                kAgain);
  }
  const std::span<const std::byte> data = source.mapped(tensor);
  // A level takes 2 bits or more. A shape that the bytes could not hold is refused before anything is
  // multiplied by it: what follows are small multiples of the elements and cannot wrap.
  constexpr size_t kMostLevelsOfByte = 4;
  if (tensor.elements() / kMostLevelsOfByte > data.size()) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected {} levels, found {} bytes", tensor.elements(), data.size()), kAgain);
  }
  const size_t block_bytes =
      kernels::packed_bytes(form->format, form->bits, form->rows, form->cols, form->group);
  const size_t expected = panel_file_bytes(block_bytes * blocks);
  if (data.size() != expected) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected {} bytes, found {}", expected, data.size()), kAgain);
  }
  const size_t scale_count = panel_scale_count(*form);
  const float* scales = nullptr;
  if (scale_count > 0) {
    const TensorInfo* info = source.find(tensor.name + "_scale");
    const std::span<const std::byte> stored =
        info == nullptr ? std::span<const std::byte>() : source.mapped(*info);
    if (info == nullptr || info->dtype != Dtype::kF32 ||
        stored.size() != scale_count * blocks * sizeof(float) ||
        reinterpret_cast<uintptr_t>(stored.data()) % alignof(float) != 0) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("expected {} float32 scales beside it", scale_count * blocks), kAgain);
    }
    scales = reinterpret_cast<const float*>(stored.data());
    for (size_t i = 0; i < scale_count * blocks; ++i) {
      if (std::isfinite(scales[i]) && scales[i] >= 0) continue;
      return fail(ErrorCode::kInvalidFile, where, fmt::format("expected finite scales, found {}", scales[i]),
                  kAgain);
    }
  }
  std::vector<MatrixView> views(blocks, *form);
  for (size_t b = 0; b < blocks; ++b) {
    views[b].data = data.data() + b * block_bytes;
    views[b].scales = scales == nullptr ? nullptr : scales + b * scale_count;
  }
  return views;
}

}  // namespace gemma
