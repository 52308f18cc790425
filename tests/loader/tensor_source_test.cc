#include "loader/tensor_source.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

TEST_CASE("a tensor's sizes follow from its shape") {
  const TensorInfo experts{
      .name = "e", .stored_name = "e", .file = "", .shape = {8, 64, 96}, .dtype = Dtype::kBf16};
  CHECK(experts.elements() == 8 * 64 * 96);
  CHECK(experts.columns() == 96);
  CHECK(experts.rows() == 512);
  CHECK(experts.row_bytes() == 192);
  CHECK(experts.bytes() == 512 * 192);
  const TensorInfo scalar{.name = "s", .stored_name = "s", .file = "", .shape = {}, .dtype = Dtype::kF32};
  CHECK(scalar.rows() == 1);
  CHECK(scalar.bytes() == 4);
  const TensorInfo empty{.name = "z", .stored_name = "z", .file = "", .shape = {5, 0}, .dtype = Dtype::kF32};
  CHECK(empty.rows() == 0);
  CHECK(empty.bytes() == 0);
}

TEST_CASE("every dtype has its width and its safetensors name") {
  CHECK(dtype_bytes(Dtype::kBool) == 1);
  CHECK(dtype_bytes(Dtype::kBf16) == 2);
  CHECK(dtype_bytes(Dtype::kU32) == 4);
  CHECK(dtype_bytes(Dtype::kF64) == 8);
  CHECK(dtype_name(Dtype::kBf16) == "BF16");
  CHECK(dtype_name(Dtype::kBool) == "BOOL");
  CHECK(dtype_name(Dtype::kI64) == "I64");
}

}  // namespace
}  // namespace gemma
