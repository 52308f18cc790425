#include "loader/packed_metadata.h"

#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr std::string_view kTensorKey = "gemma_run.tensor.";
constexpr std::string_view kRows = "rows:";
constexpr char kAgain[] = "make the packed folder again with gemma-quantize";

// Encodings that are stored row by row.
struct RowForm {
  Encoding encoding;
  std::string_view name;
  size_t block;  // columns that a row has whole ones of
};
constexpr RowForm kRowForms[] = {
    {Encoding::kQ4_0, "q4_0", 32},  {Encoding::kQ8_0, "q8_0", 32},  {Encoding::kGemma2, "int2", 1},
    {Encoding::kGemma4, "int4", 1}, {Encoding::kGemma8, "int8", 1},
};

// "2048x1536" -> {2048, 1536}; nothing if it is no shape or its product does not fit.
std::optional<std::vector<size_t>> parse_shape(std::string_view text) {
  std::vector<size_t> shape;
  size_t elements = 1;
  while (shape.size() < 3) {
    size_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent == 0) return std::nullopt;
    if (extent > static_cast<size_t>(std::numeric_limits<int64_t>::max()) / elements) return std::nullopt;
    elements *= extent;
    shape.push_back(extent);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty()) return shape;
    if (text.front() != 'x') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

// The types that a matrix can have had.
std::optional<Dtype> parse_dtype(std::string_view text) {
  for (Dtype dtype : {Dtype::kBf16, Dtype::kF16, Dtype::kF32, Dtype::kU8, Dtype::kI8, Dtype::kI32}) {
    if (dtype_name(dtype) == text) return dtype;
  }
  return std::nullopt;
}

}  // namespace

void describe_packed(const TensorInfo& tensor, Metadata& metadata) {
  if (tensor.encoding == Encoding::kPlain) return;
  std::string form = tensor.panels;
  for (const RowForm& row : kRowForms) {
    if (row.encoding == tensor.encoding) form = std::string(kRows) + std::string(row.name);
  }
  metadata[std::string(kTensorKey) + tensor.name] =
      fmt::format("{} {} {}", form, fmt::join(tensor.shape, "x"), dtype_name(tensor.dtype));
}

Result<void> apply_packed(const Metadata& metadata, TensorInfo& tensor) {
  const auto entry = metadata.find(std::string(kTensorKey) + tensor.name);
  if (entry == metadata.end()) return {};
  const std::string_view text = entry->second;
  const std::string where = tensor.file + ": " + in_quotes(tensor.stored_name);
  const size_t space = std::min(text.find(' '), text.size());
  const size_t second = std::max(space + 1, std::min(text.rfind(' '), text.size()));
  const auto shape =
      second >= text.size() ? std::nullopt : parse_shape(text.substr(space + 1, second - space - 1));
  const auto dtype = second >= text.size() ? std::nullopt : parse_dtype(text.substr(second + 1));
  if (!shape || !dtype || tensor.dtype != Dtype::kU8 || tensor.shape.size() != 1) {
    return fail(ErrorCode::kInvalidFile, where,
                "expected bytes described as form, shape and type, found " + in_quotes(text), kAgain);
  }
  const size_t stored_bytes = tensor.shape[0];
  tensor.dtype = *dtype;
  std::string_view form = text.substr(0, space);
  if (!form.starts_with(kRows)) {
    tensor.encoding = Encoding::kPanels;
    tensor.panels = form;
    tensor.panel_bytes = stored_bytes;
    tensor.shape = *shape;
    return {};
  }
  form.remove_prefix(kRows.size());
  for (const RowForm& row : kRowForms) {
    if (row.name != form) continue;
    tensor.encoding = row.encoding;
    tensor.shape = *shape;
    if (tensor.columns() % row.block != 0) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("expected rows of whole blocks of {} columns, found {} columns", row.block,
                              tensor.columns()),
                  kAgain);
    }
    const size_t row_bytes = tensor.row_bytes();
    if (row_bytes <= stored_bytes && tensor.rows() == stored_bytes / row_bytes &&
        stored_bytes % row_bytes == 0) {
      return {};
    }
    return fail(
        ErrorCode::kInvalidFile, where,
        fmt::format("expected {} rows of {} bytes, found {} bytes", tensor.rows(), row_bytes, stored_bytes),
        kAgain);
  }
  return fail(ErrorCode::kInvalidFile, where, "its rows have an unknown form, " + in_quotes(form), kAgain);
}

Result<void> check_packed_layout(const Metadata& metadata, const std::string& file) {
  const auto layout = metadata.find(kPackedLayoutKey);
  if (layout == metadata.end() || layout->second == kPackedLayout) return {};
  return fail(
      ErrorCode::kUnsupported, file,
      fmt::format("expected packed layout {}, found {}", kPackedLayout, in_quotes(layout->second, 20)),
      "pack it again: gemma-quantize --model ORIGINAL --scheme SCHEME --out FOLDER");
}

}  // namespace gemma
