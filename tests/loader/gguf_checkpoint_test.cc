#include "loader/gguf_checkpoint.h"

#include <doctest/doctest.h>

#include "loader/gguf_names.h"
#include "tests/loader/gguf_model.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

Error refusal(const GgufModel& model) {
  TemporaryFolder folder;
  auto checkpoint = GgufCheckpoint::open(model.write(folder.path("m.gguf")));
  REQUIRE_FALSE(checkpoint);
  return checkpoint.error();
}

TEST_CASE("names are the same both ways, and only for tensors that a Gemma 4 has") {
  CHECK(canonical_of_gguf("blk.3.attn_q.weight") == "layers.3.self_attn.q_proj.weight");
  CHECK(canonical_of_gguf("blk.29.ffn_down_exps.scale") == "layers.29.router.per_expert_scale");
  CHECK(canonical_of_gguf("blk.0.pre_ffw_norm_2.weight") == "layers.0.pre_feedforward_layernorm_2.weight");
  CHECK(canonical_of_gguf("output.weight") == "lm_head.weight");
  for (const char* name :
       {"token_embd.weight", "per_layer_model_proj.weight", "blk.0.layer_output_scale.weight",
        "blk.41.inp_gate.weight", "blk.7.ffn_gate_up_exps.weight"}) {
    CHECK(gguf_of_canonical(canonical_of_gguf(name)) == name);
  }
  for (const char* name :
       {"blk.attn_q.weight", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.01.attn_q.weight",
        "blk.123456.attn_q.weight", "blk.1", "blk.", "v.blk.0.attn_q.weight", ""}) {
    CAPTURE(name);
    CHECK(canonical_of_gguf(name).empty());
  }
}

TEST_CASE("tensors have canonical names, shapes outermost first and the encoding of their type") {
  GgufModel model;
  model.tensors["blk.1.attn_q.weight"] = {GgufTensorType::kQ6_K, {4, 256}, ""};
  model.tensors["blk.1.ffn_up.weight"] = {GgufTensorType::kBf16, {2, 32}, ""};
  TemporaryFolder folder;
  auto checkpoint = GgufCheckpoint::open(model.write(folder.path("m.gguf")));
  REQUIRE(checkpoint);
  const TensorInfo* q = (*checkpoint)->find("layers.1.self_attn.q_proj.weight");
  REQUIRE(q != nullptr);
  CHECK(q->shape == std::vector<size_t>{4, 256});
  CHECK(q->encoding == Encoding::kQ6_K);
  CHECK(q->row_bytes() == 210);
  const TensorInfo* up = (*checkpoint)->find("layers.1.mlp.up_proj.weight");
  REQUIRE(up != nullptr);
  CHECK(up->encoding == Encoding::kPlain);
  CHECK(up->dtype == Dtype::kBf16);
  CHECK((*checkpoint)->find("rope_freqs.weight") == nullptr);
  CHECK((*checkpoint)->rope_freqs()->size() == 8);
  CHECK((*checkpoint)->mapped(*q).size() == 840);
  std::vector<std::byte> rows(420);
  CHECK((*checkpoint)->read_rows(*q, 1, 3, rows));
  CHECK((*checkpoint)->read_rows(*q, 3, 5, rows).error().code == ErrorCode::kInternal);
  CHECK((*checkpoint)->read_row_start(*q, 4, rows).error().code == ErrorCode::kInternal);
  CHECK((*checkpoint)->read_row_start(*q, 0, rows).error().code == ErrorCode::kInternal);
}

TEST_CASE("experts stored as two tensors are one: of each expert the gate rows, then the up rows") {
  GgufModel model;
  const auto numbered = [](uint8_t first) {  // 2 experts of 3 rows of 1 float each
    std::string data;
    for (uint8_t i = 0; i < 6; ++i) data += le_bytes(static_cast<float>(first + i));
    return data;
  };
  model.tensors["blk.0.ffn_gate_exps.weight"] = {GgufTensorType::kF32, {2, 3, 1}, numbered(10)};
  model.tensors["blk.0.ffn_up_exps.weight"] = {GgufTensorType::kF32, {2, 3, 1}, numbered(20)};
  TemporaryFolder folder;
  auto checkpoint = GgufCheckpoint::open(model.write(folder.path("m.gguf")));
  REQUIRE(checkpoint);
  const TensorInfo* joined = (*checkpoint)->find("layers.0.experts.gate_up_proj");
  REQUIRE(joined != nullptr);
  CHECK(joined->shape == std::vector<size_t>{2, 6, 1});
  CHECK((*checkpoint)->mapped(*joined).empty());
  const std::vector<float> expected = {10, 11, 12, 20, 21, 22, 13, 14, 15, 23, 24, 25};
  std::vector<float> rows(12);
  REQUIRE((*checkpoint)->read_rows(*joined, 0, 12, std::as_writable_bytes(std::span(rows))));
  CHECK(rows == expected);
  std::vector<float> some(7);
  REQUIRE((*checkpoint)->read_rows(*joined, 2, 9, std::as_writable_bytes(std::span(some))));
  CHECK(some == std::vector<float>(expected.begin() + 2, expected.begin() + 9));
  for (size_t row = 0; row < 12; ++row) {
    REQUIRE((*checkpoint)->read_row_start(*joined, row, std::as_writable_bytes(std::span(some).first(1))));
    CHECK(some[0] == expected[row]);
  }

  GgufModel broken = model;
  broken.tensors.erase("blk.0.ffn_up_exps.weight");
  CHECK(refusal(broken).code == ErrorCode::kMismatch);
  broken = model;
  broken.tensors.erase("blk.0.ffn_gate_exps.weight");
  CHECK(refusal(broken).code == ErrorCode::kMismatch);
  broken = model;
  broken.tensors["blk.0.ffn_up_exps.weight"].shape = {2, 4, 1};
  CHECK(refusal(broken).code == ErrorCode::kMismatch);
  broken = model;
  broken.tensors["blk.0.ffn_up_exps.weight"].type = GgufTensorType::kF16;
  CHECK(refusal(broken).code == ErrorCode::kUnsupported);
  broken = model;
  broken.tensors["blk.0.ffn_gate_up_exps.weight"] = {GgufTensorType::kF32, {2, 6, 1}, ""};
  CHECK(refusal(broken).what.find("the same tensor") != std::string::npos);
}

TEST_CASE("another architecture, or none, is refused by name") {
  GgufModel model;
  model.string("general.architecture", "llama");
  CHECK(refusal(model).code == ErrorCode::kUnsupported);
  CHECK(refusal(model).what == "expected \"gemma4\", found \"llama\"");
  model.u32("general.architecture", 4);
  CHECK(refusal(model).what == "expected \"gemma4\", found nothing");
  model.keys.erase("general.architecture");
  CHECK(refusal(model).what == "expected \"gemma4\", found nothing");
}

TEST_CASE("a split model is opened by its first file, and its shards must belong together") {
  GgufModel first;
  first.u32("split.count", 2);
  first.u32("split.no", 0);
  first.u32("split.tensors.count", static_cast<uint32_t>(first.tensors.size()) + 1);
  GgufModel second;
  second.u32("split.count", 2);
  second.u32("split.no", 1);
  second.tensors.clear();
  second.tensors["blk.1.attn_q.weight"] = {GgufTensorType::kQ4_0, {64, 32}, ""};
  TemporaryFolder folder;
  const std::string path = first.write(folder.path("m-00001-of-00002.gguf"));
  CHECK(GgufCheckpoint::open(path).error().code == ErrorCode::kNotFound);
  const std::string other = second.write(folder.path("m-00002-of-00002.gguf"));
  auto checkpoint = GgufCheckpoint::open(path);
  REQUIRE(checkpoint);
  CHECK((*checkpoint)->find("layers.1.self_attn.q_proj.weight") != nullptr);
  CHECK((*checkpoint)->find("norm.weight") != nullptr);
  CHECK(*find_gguf(folder.path()) == path);

  CHECK(GgufCheckpoint::open(other).error().code == ErrorCode::kUsage);
  CHECK(GgufCheckpoint::open(first.write(folder.path("renamed.gguf"))).error().code == ErrorCode::kUsage);
  second.u32("split.no", 0);
  second.write(other);
  CHECK(GgufCheckpoint::open(path).error().code == ErrorCode::kMismatch);
  second.u32("split.no", 1);
  second.tensors["blk.1.attn_k.weight"] = {GgufTensorType::kQ4_0, {32, 32}, ""};
  second.write(other);
  CHECK(GgufCheckpoint::open(path).error().what.find("split.tensors.count") != std::string::npos);
}

}  // namespace
}  // namespace gemma
