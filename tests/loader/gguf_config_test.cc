#include "loader/gguf_config.h"

#include <cmath>

#include <doctest/doctest.h>

#include "tests/loader/gguf_model.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

Result<ModelConfig> config_of(const GgufModel& model) {
  TemporaryFolder folder;
  auto checkpoint = GgufCheckpoint::open(model.write(folder.path("m.gguf")));
  REQUIRE_MESSAGE(checkpoint.has_value(), checkpoint.error().message());
  return read_gguf_config(**checkpoint);
}

std::string refusal(const GgufModel& model, ErrorCode code = ErrorCode::kInvalidFile) {
  const Result<ModelConfig> config = config_of(model);
  REQUIRE_FALSE(config);
  CHECK(config.error().code == code);
  return config.error().what;
}

TEST_CASE("a configuration is read off keys and tensors") {
  const Result<ModelConfig> config = config_of(GgufModel());
  REQUIRE_MESSAGE(config.has_value(), config.error().message());
  CHECK(config->vocab_size == 300);
  CHECK(config->hidden_size == 32);
  CHECK(config->heads == 4);
  CHECK(config->sliding_window == 16);
  CHECK(config->max_positions == 512);
  CHECK(config->final_softcap == 30);
  CHECK(config->tied);
  CHECK(config->dtype == "bfloat16");
  CHECK(config->ple_width == 0);
  CHECK(config->experts == 0);
  CHECK(config->full_rope.proportional);
  CHECK(config->full_rope.partial_rotary_factor == 0.25);
  CHECK(config->full_rope.theta == 1e6);
  CHECK(config->sliding_rope.theta == 1e4);
  REQUIRE(config->layers.size() == 2);
  CHECK_FALSE(config->layers[0].full_attention);
  CHECK(config->layers[0].head_dim == 8);
  CHECK(config->layers[0].kv_heads == 2);
  CHECK_FALSE(config->layers[0].k_eq_v);
  CHECK(config->layers[1].full_attention);
  CHECK(config->layers[1].head_dim == 16);
  CHECK(config->layers[1].kv_heads == 1);
  CHECK(config->layers[1].k_eq_v);  // it has no attn_v
  CHECK(config->layers[1].intermediate_size == 64);
}

TEST_CASE("per-layer widths, shared KV, per-layer embeddings, experts and a head of its own are read") {
  GgufModel model;
  model.u32("gemma4.block_count", 4);
  model.u32s("gemma4.attention.head_count_kv", {2, 1, 2, 1});
  model.bools("gemma4.attention.sliding_window_pattern", {true, false, true, false});
  model.u32s("gemma4.feed_forward_length", {64, 64, 128, 128});
  model.u32("gemma4.attention.shared_kv_layers", 2);
  model.u32("gemma4.embedding_length_per_layer_input", 32);
  model.u32("gemma4.expert_count", 8);
  model.u32("gemma4.expert_used_count", 2);
  model.u32("gemma4.expert_feed_forward_length", 32);
  model.tensors["blk.1.attn_v.weight"] = {GgufTensorType::kQ4_0, {16, 32}, ""};
  model.tensors["output.weight"] = {GgufTensorType::kQ4_0, {300, 32}, ""};
  model.tensors["per_layer_token_embd.weight"] = {GgufTensorType::kQ8_0, {320, 128}, ""};
  const Result<ModelConfig> config = config_of(model);
  REQUIRE_MESSAGE(config.has_value(), config.error().message());
  CHECK(config->layers[3].intermediate_size == 128);
  CHECK_FALSE(config->layers[2].owns_kv);
  CHECK(config->layers[2].kv_source == 0);
  CHECK(config->layers[3].kv_source == 1);
  CHECK_FALSE(config->layers[1].k_eq_v);
  CHECK_FALSE(config->layers[3].k_eq_v);
  CHECK(config->ple_width == 32);
  CHECK(config->ple_vocab_size == 320);
  CHECK(config->experts == 8);
  CHECK(config->experts_per_token == 2);
  CHECK(config->expert_width == 32);
  CHECK_FALSE(config->tied);
}

TEST_CASE("every id has a row of the per-layer table") {
  GgufModel model;
  model.u32("gemma4.embedding_length_per_layer_input", 32);
  model.tensors["per_layer_token_embd.weight"] = {GgufTensorType::kQ8_0, {299, 64}, ""};
  CHECK(refusal(model, ErrorCode::kUnsupported)
            .find("expected a row of per_layer_token_embd.weight for each of 300 ids, found 299") !=
        std::string::npos);
}

TEST_CASE("keys that are missing or impossible are all told at once") {
  GgufModel model;
  model.keys.erase("gemma4.embedding_length");
  model.keys.erase("gemma4.attention.layer_norm_rms_epsilon");
  model.u32("gemma4.attention.sliding_window", 0);
  const std::string what = refusal(model);
  CHECK(what.find("gemma4.embedding_length: missing") != std::string::npos);
  CHECK(what.find("gemma4.attention.layer_norm_rms_epsilon: missing") != std::string::npos);
  CHECK(what.find("gemma4.attention.sliding_window: expected 1 to") != std::string::npos);
}

TEST_CASE("each impossible key is refused") {
  const auto with = [](auto change, ErrorCode code = ErrorCode::kInvalidFile) {
    GgufModel model;
    change(model);
    return refusal(model, code);
  };
  with([](GgufModel& m) { m.u32("gemma4.block_count", 0); });
  with([](GgufModel& m) { m.u32("gemma4.block_count", ~0u); });
  with([](GgufModel& m) { m.string("gemma4.block_count", "2"); });
  with([](GgufModel& m) { m.u32s("gemma4.block_count", {}); });
  with([](GgufModel& m) { m.u32s("gemma4.attention.head_count_kv", {2, 1, 1}); });
  with([](GgufModel& m) { m.u32s("gemma4.attention.head_count_kv", {2, 3}); });
  with([](GgufModel& m) { m.u32("gemma4.attention.head_count_kv", 0); });
  with([](GgufModel& m) { m.u32s("gemma4.feed_forward_length", {64, 0}); });
  with([](GgufModel& m) {
    m.bools("gemma4.attention.sliding_window_pattern", {true});
    m.u32("gemma4.block_count", 3);
  });
  with([](GgufModel& m) { m.keys.erase("gemma4.attention.sliding_window_pattern"); });
  with([](GgufModel& m) { m.u32("gemma4.attention.key_length_swa", 7); });
  with([](GgufModel& m) { m.u32("gemma4.attention.shared_kv_layers", 3); });
  with([](GgufModel& m) { m.u32("gemma4.attention.shared_kv_layers", 2); });
  with([](GgufModel& m) { m.f32("gemma4.rope.freq_base", 0.0f); });
  with([](GgufModel& m) { m.f32("gemma4.rope.freq_base", std::nanf("")); });
  with([](GgufModel& m) { m.u32("tokenizer.ggml.bos_token_id", 300); });
  with([](GgufModel& m) { m.u32("gemma4.expert_count", 4); });
  with([](GgufModel& m) { m.tensors.erase("token_embd.weight"); });
  with([](GgufModel& m) { m.tensors.erase("rope_freqs.weight"); });
  with([](GgufModel& m) { m.tensors["rope_freqs.weight"].shape = {9}; });
  constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;
  with([](GgufModel& m) { m.u32s("gemma4.attention.head_count", {4, 8}); }, kUnsupported);
  with([](GgufModel& m) { m.u32("gemma4.attention.value_length", 32); }, kUnsupported);
  with([](GgufModel& m) { m.u32("gemma4.rope.dimension_count", 8); }, kUnsupported);
  with([](GgufModel& m) { m.string("gemma4.rope.scaling.type", "yarn"); }, kUnsupported);
  with([](GgufModel& m) { m.f32("gemma4.attn_logit_softcapping", 50.0f); }, kUnsupported);
  with([](GgufModel& m) { m.tensors["rope_freqs.weight"].data.clear(); }, kUnsupported);
}

TEST_CASE("generation defaults and the chat template come from the tokenizer's keys") {
  GgufModel model;
  model.u32("tokenizer.ggml.eot_token_id", 9);
  model.u32s("tokenizer.ggml.suppress_tokens", {7, 8});
  model.f32("general.sampling.temp", 0.5f);
  model.u32("general.sampling.top_k", 64);
  TemporaryFolder folder;
  {
    const auto file = GgufFile::open(model.write(folder.path("m.gguf")));
    const auto generation = read_gguf_generation_config(*file);
    REQUIRE_MESSAGE(generation.has_value(), generation.error().message());
    CHECK(generation->eos_ids == std::vector<int32_t>{1, 9});
    CHECK(generation->suppress_ids == std::vector<int32_t>{7, 8});
    CHECK(generation->bos_id == 2);
    CHECK(generation->temperature == 0.5);
    CHECK(generation->top_k == 64);
    CHECK(generation->do_sample == true);
    CHECK_FALSE(generation->top_p.has_value());
    CHECK(read_gguf_chat_template(*file)->empty());
  }
  // An instruction-tuned model also stops where its turn ends.
  model.string("tokenizer.chat_template", "{{ bos_token }}<|turn>");
  const auto file = GgufFile::open(model.write(folder.path("it.gguf")));
  CHECK(read_gguf_generation_config(*file)->eos_ids == std::vector<int32_t>{1, 9, 3});
  CHECK(*read_gguf_chat_template(*file) == "{{ bos_token }}<|turn>");
}

}  // namespace
}  // namespace gemma
