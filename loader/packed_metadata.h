// How a file of packed weights (gemma-quantize) says what its tensors are. The file is plain safetensors,
// each matrix one tensor of bytes; what the bytes mean stands in the metadata:
//
//   gemma_run.layout          "1": the version of all that follows, and of kernels/pack.h's layout
//   gemma_run.scheme          "int4": the scheme it was packed for (engine/scheme.h)
//   gemma_run.tensor.NAME     "int4-group32 2048x1536 BF16": form, logical shape and the type it was made
//                             from. The form is one of engine/panel_file.h, or "rows:" and an encoding read
//                             row by row
//
// Tensors without an entry are plain.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "loader/tensor_source.h"

namespace gemma {

inline constexpr char kPackedLayout[] = "1";
inline constexpr char kPackedLayoutKey[] = "gemma_run.layout";
inline constexpr char kPackedSchemeKey[] = "gemma_run.scheme";

using Metadata = std::map<std::string, std::string>;

// Adds the entry of a tensor that is not plain.
void describe_packed(const TensorInfo& tensor, Metadata& metadata);

// Sets encoding, form and logical shape of a stored tensor (U8 bytes) that has an entry; leaves others alone.
// kInvalidFile if the entry cannot be read, its rows are not whole blocks or do not need exactly the stored
// bytes.
Result<void> apply_packed(const Metadata& metadata, TensorInfo& tensor);

// kUnsupported, with the way out, if the file is packed in a layout of another version.
Result<void> check_packed_layout(const Metadata& metadata, const std::string& file);

}  // namespace gemma
