// Matrices that lie in a file in the very form a kernel reads (Encoding::kPanels): their names, and the view
// of one in the mapped file. engine/packed_export.h writes them.
//
//   int4-group32, int4-channel, int8-channel   panels of 16 rows (kernels/pack.h)
//   int8-group32, int8-group16, int6-group16   likewise (kernels/int8_group.h)
//   levels<2|3|4|8>-<tensor|channel|group<N>>  row-major levels that are multiplied in float
//
// Scales that do not lie inside the panels are a tensor of their own, X_scale: (blocks, padded rows) float32
// for panels, (blocks, rows, groups) or (1) for levels. A block is the whole matrix or, of stacked experts,
// one of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/thread_team.h"
#include "kernels/matrix.h"
#include "loader/tensor_source.h"

namespace gemma {

// What a view's form is called.
std::string panels_name(const kernels::MatrixView& view);

// A view with format, bits and group of that name; nothing else is set. Empty for an unknown name. `columns`
// is the group of "channel".
std::optional<kernels::MatrixView> parse_panels(std::string_view name, size_t columns);

// What a matrix's columns must be a multiple of in that form.
size_t panel_columns(const kernels::MatrixView& view);

// Bytes that panels take in a file: whole lines of 64, so that what follows begins on one.
size_t panel_file_bytes(size_t bytes);

// Floats of the scale tensor of one block; 0 if the scales lie inside.
size_t panel_scale_count(const kernels::MatrixView& view);

// Columns that share a scale.
size_t panel_scale_columns(const kernels::MatrixView& view);

// Whether the levels of a matrix are those that its kernel takes on trust: of 6 bits where it says so.
bool levels_in_range(const kernels::MatrixView& view, const ThreadTeam& team);

// Views of all blocks of a kPanels tensor, in order. kUnsupported for an unknown form, kInvalidFile if sizes,
// alignment or scales are not what the form says.
Result<std::vector<kernels::MatrixView>> open_panels(const TensorSource& source, const TensorInfo& tensor);

}  // namespace gemma
