// What a packed file says of its tensors: read back as written, refused where the bytes cannot be it.
#include "loader/packed_metadata.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

TensorInfo stored_bytes(size_t bytes) {
  TensorInfo tensor;
  tensor.name = tensor.stored_name = "w";
  tensor.file = "model.safetensors";
  tensor.dtype = Dtype::kU8;
  tensor.shape = {bytes};
  return tensor;
}

Result<TensorInfo> described(const std::string& description, size_t bytes) {
  TensorInfo tensor = stored_bytes(bytes);
  Result<void> applied = apply_packed({{"gemma_run.tensor.w", description}}, tensor);
  if (!applied) return fail(std::move(applied.error()));
  return tensor;
}

TEST_CASE("rows that were described read back as they were") {
  TensorInfo tensor = stored_bytes(3 * 2 * 34);
  tensor.encoding = Encoding::kQ8_0;
  tensor.dtype = Dtype::kBf16;
  tensor.shape = {3, 64};
  Metadata metadata;
  describe_packed(tensor, metadata);
  CHECK(metadata["gemma_run.tensor.w"] == "rows:q8_0 3x64 BF16");
  const Result<TensorInfo> read = described(metadata["gemma_run.tensor.w"], 3 * 2 * 34);
  REQUIRE(read.has_value());
  CHECK(read->encoding == Encoding::kQ8_0);
  CHECK(read->shape == std::vector<size_t>{3, 64});
  CHECK(read->dtype == Dtype::kBf16);
}

TEST_CASE("rows that are no whole blocks are refused, though their bytes would fit when rounded up") {
  for (const auto& refused : {std::pair<const char*, size_t>{"rows:q8_0 1 BF16", 34},
                              {"rows:q8_0 2x33 BF16", 136},
                              {"rows:q4_0 5x40 F16", 180},
                              {"rows:q4_0 31 F32", 18}}) {
    CAPTURE(refused.first);
    const Result<TensorInfo> read = described(refused.first, refused.second);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == ErrorCode::kInvalidFile);
    CHECK(read.error().what.find("whole blocks of 32 columns") != std::string::npos);
  }
  CHECK(described("rows:int4 2x3 BF16", 4).has_value());  // bytes are padded, blocks there are none
}

TEST_CASE("rows of other sizes than the bytes that are there are refused, huge ones too") {
  for (const char* description : {"rows:q8_0 4x64 BF16", "rows:q8_0 9223372036854775776 BF16",
                                  "rows:q4_0 288230376151711743x32 BF16"}) {
    CAPTURE(description);
    const Result<TensorInfo> read = described(description, 3 * 2 * 34);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("an entry that cannot be read is refused with what it says") {
  for (const char* description : {"", "rows:q8_0", "rows:q8_0 64", "rows:q8_0 64 I64", "rows:q8_0 0 BF16",
                                  "rows:q9_0 64 BF16", "rows:q8_0 2x2x2x2 BF16"}) {
    CAPTURE(description);
    const Result<TensorInfo> read = described(description, 68);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == ErrorCode::kInvalidFile);
  }
}

}  // namespace
}  // namespace gemma
