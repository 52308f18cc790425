// Names and sizes of the types that keys and values are stored in.
#include "kernels/kv_type.h"

#include <doctest/doctest.h>

namespace gemma::kernels {
namespace {

TEST_CASE("every type of keys and values has the name it is parsed by") {
  CHECK(all_kv_types().size() == 4);
  for (KvType type : all_kv_types()) CHECK(parse_kv_type(to_string(type)) == type);
  CHECK(to_string(KvType::kBf16) == "bf16");
  CHECK(to_string(KvType::kInt8) == "int8");
}

TEST_CASE("an unknown name is no type of keys and values") {
  for (const char* name : {"", "F16", "int8 ", "int4", "?"}) CHECK_FALSE(parse_kv_type(name).has_value());
}

TEST_CASE("a number takes the bytes of its type, and only levels have a scale") {
  CHECK(bytes_per_number(KvType::kF32) == 4);
  CHECK(bytes_per_number(KvType::kBf16) == 2);
  CHECK(bytes_per_number(KvType::kF16) == 2);
  CHECK(bytes_per_number(KvType::kInt8) == 1);
  for (KvType type : all_kv_types()) CHECK(has_scale(type) == (type == KvType::kInt8));
}

}  // namespace
}  // namespace gemma::kernels
