// From the many tensors by which quantized checkpoints spell one matrix to that matrix: packed words, shape
// and scales become "X.weight" with an encoding, and "X.weight_scale" (loader/tensor_source.h says how they
// are named).
//
//   compressed-tensors, "pack-quantized"   X.weight_packed int32, X.weight_scale, X.weight_shape
//     static scales of its activations     X.input_scale, X.output_scale -> X.input_activation_scale, ...
//   8 bits per channel                     X.weight int8, X.weight_scale
//   the mobile format                      X.weight uint8 of 2 or 4 bits a weight, X.weight_scale
//   embeddings of the mobile format        X.embedding_quantized, X.embedding_scale
//   experts one by one                     layers.N.experts.E.{gate,up,down}_proj.*  -> experts.gate_up_proj,
//                                          experts.down_proj, as the engine knows them
//
// docs/formats/ has a page on each.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "loader/logical_columns.h"
#include "loader/result.h"
#include "loader/safetensors.h"
#include "loader/tensor_source.h"

namespace gemma {

struct StoredPart {
  size_t file;  // index among the checkpoint's files
  const SafetensorsTensor* tensor;
};

// A tensor of the checkpoint and where its rows lie: those of all parts, one after the other.
struct ListedTensor {
  TensorInfo info;
  std::vector<StoredPart> parts;
};

// The bytes of a small stored tensor.
using ReadStored = std::function<Result<std::vector<std::byte>>(const StoredPart&)>;

// Replaces the spelled parts by the matrices they make up. kMismatch for parts that contradict each other
// (a width that does not hold the columns, a scale that is missing, an expert that is), kUnsupported for what
// nobody computes (zero points, reordered columns).
Result<void> fold_quantized(std::vector<ListedTensor>& tensors, const ReadStored& read,
                            const LogicalColumns& columns);

}  // namespace gemma
