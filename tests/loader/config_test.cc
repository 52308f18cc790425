#include "loader/config.h"

#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

using nlohmann::json;

ModelConfig sample(const std::string& name) {
  Result<ModelConfig> config = read_config(std::string(GEMMA_TEST_DATA) + "/config/" + name + ".json");
  if (!config) FAIL(config.error().message());
  return *config;
}

// A small valid file: four layers, the last two shared.
json small() {
  return {
      {"model_type", "gemma4"},
      {"text_config",
       {{"model_type", "gemma4_text"},
        {"vocab_size", 64},
        {"hidden_size", 32},
        {"intermediate_size", 48},
        {"num_hidden_layers", 4},
        {"num_attention_heads", 4},
        {"num_key_value_heads", 2},
        {"head_dim", 8},
        {"global_head_dim", 16},
        {"sliding_window", 8},
        {"num_kv_shared_layers", 2},
        {"hidden_size_per_layer_input", 0},
        {"layer_types", {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}}}};
}

ModelConfig read(const json& file) {
  Result<ModelConfig> config = parse_config(file.dump(), "config.json");
  if (!config) FAIL(config.error().message());
  return *config;
}

std::string refusal(const json& file, ErrorCode code = ErrorCode::kInvalidFile) {
  Result<ModelConfig> config = parse_config(file.dump(), "config.json");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == code);
  CHECK(config.error().where == "config.json");
  return config.error().what;
}

// The refusal of small() with one field of text_config set.
std::string refusal_with(const std::string& key, const json& value,
                         ErrorCode code = ErrorCode::kInvalidFile) {
  json file = small();
  file["text_config"][key] = value;
  return refusal(file, code);
}

TEST_CASE("E2B: per-layer embeddings, shared KV and double-wide layers") {
  const ModelConfig c = sample("e2b");
  CHECK(c.model_type == "gemma4");
  CHECK(c.dtype == "bfloat16");
  CHECK(c.vocab_size == 262144);
  CHECK(c.hidden_size == 1536);
  CHECK(c.heads == 8);
  CHECK(c.sliding_window == 512);
  CHECK(c.max_positions == 131072);
  CHECK(c.rms_norm_eps == 1e-6);
  CHECK(c.final_softcap == 30.0);
  CHECK(c.tied);
  CHECK(c.small());
  CHECK(c.ple_width == 256);
  CHECK(c.ple_vocab_size == 262144);
  CHECK(c.experts == 0);
  CHECK(c.eos_ids == std::vector<int32_t>{1, 106, 50});
  CHECK(c.quantization.method.empty());
  CHECK(c.last_kv_owner() == 14);
  REQUIRE(c.layers.size() == 35);
  for (size_t i = 0; i < 35; ++i) {
    CAPTURE(i);
    const LayerConfig& layer = c.layers[i];
    CHECK(layer.full_attention == (i % 5 == 4));
    CHECK(layer.head_dim == (i % 5 == 4 ? 512 : 256));
    CHECK(layer.kv_heads == 1);
    CHECK_FALSE(layer.k_eq_v);
    CHECK(layer.intermediate_size == (i < 15 ? 6144 : 12288));
    CHECK(layer.owns_kv == (i < 15));
    CHECK(layer.kv_source == (i < 15 ? i : i % 5 == 4 ? 14 : 13));
  }
  CHECK(c.sliding_rope.theta == 1e4);
  CHECK_FALSE(c.sliding_rope.proportional);
  CHECK(c.full_rope.theta == 1e6);
  CHECK(c.full_rope.proportional);
  CHECK(c.full_rope.partial_rotary_factor == 0.25);
  CHECK(c.full_rope.factor == 1.0);
}

TEST_CASE("a flat file reads as the nested one") {
  const ModelConfig flat = sample("e2b-text-only"), nested = sample("e2b");
  CHECK(flat.model_type == "gemma4_text");
  CHECK(flat.dtype == "bfloat16");
  CHECK(flat.hidden_size == nested.hidden_size);
  CHECK(flat.eos_ids == std::vector<int32_t>{1});
  REQUIRE(flat.layers.size() == nested.layers.size());
  for (size_t i = 0; i < flat.layers.size(); ++i) {
    CHECK(flat.layers[i].head_dim == nested.layers[i].head_dim);
    CHECK(flat.layers[i].kv_source == nested.layers[i].kv_source);
  }
}

TEST_CASE("E4B: without layer_types every sixth layer is full") {
  const ModelConfig c = sample("e4b");
  REQUIRE(c.layers.size() == 42);
  for (size_t i = 0; i < 42; ++i) {
    CAPTURE(i);
    CHECK(c.layers[i].full_attention == (i % 6 == 5));
    CHECK(c.layers[i].kv_heads == 2);
    CHECK(c.layers[i].intermediate_size == 10240);
    CHECK(c.layers[i].kv_source == (i < 24 ? i : i % 6 == 5 ? 23 : 22));
  }
}

TEST_CASE("12B: K = V on full layers, which have their own KV heads") {
  const ModelConfig c = sample("12b");
  CHECK(c.model_type == "gemma4_unified");
  CHECK_FALSE(c.small());
  CHECK(c.last_kv_owner() == 47);
  for (const LayerConfig& layer : c.layers) {
    CHECK(layer.k_eq_v == layer.full_attention);
    CHECK(layer.kv_heads == (layer.full_attention ? 1 : 8));
    CHECK(layer.head_dim == (layer.full_attention ? 512 : 256));
  }
}

TEST_CASE("26B-A4B: experts") {
  const ModelConfig c = sample("26b-a4b");
  CHECK(c.experts == 128);
  CHECK(c.experts_per_token == 8);
  CHECK(c.expert_width == 704);
  CHECK(c.layers[0].intermediate_size == 2112);
}

TEST_CASE("31B: per_layer_config by layer index") {
  const ModelConfig c = sample("31b-per-layer");
  REQUIRE(c.layers.size() == 60);
  for (const LayerConfig& layer : c.layers) {
    CHECK(layer.kv_heads == (layer.full_attention ? 4 : 16));
    CHECK(layer.head_dim == (layer.full_attention ? 512 : 256));
    CHECK(layer.k_eq_v == layer.full_attention);
  }
}

TEST_CASE("the configs of the goldens are read") {
  for (const char* name : {"tiny-ple", "tiny-dense", "tiny-moe", "tiny-long", "real-heads"}) {
    CAPTURE(name);
    auto config = read_config(std::string(GEMMA_TEST_DATA) + "/goldens/" + name + "/config.json");
    REQUIRE(config);
    CHECK(config->layers.back().full_attention);
  }
}

TEST_CASE("per_layer_config by layer type; a single layer may still differ from its type") {
  json file = small();
  json& text = file["text_config"];
  text.erase("global_head_dim");
  text["num_kv_shared_layers"] = 0;
  text["per_layer_config"] = {{"1", {{"num_key_value_heads", 1}}},
                              {"full_attention", {{"head_dim", 32}, {"num_key_value_heads", 4}}}};
  const ModelConfig c = read(file);
  CHECK(c.layers[0].head_dim == 8);
  CHECK(c.layers[0].kv_heads == 2);
  CHECK(c.layers[1].head_dim == 32);
  CHECK(c.layers[1].kv_heads == 1);
  CHECK(c.layers[3].head_dim == 32);
  CHECK(c.layers[3].kv_heads == 4);
}

TEST_CASE("layers of one type have heads of one width") {
  CHECK(refusal_with("per_layer_config", {{"2", {{"head_dim", 12}}}}, ErrorCode::kUnsupported)
            .starts_with(
                "text_config.per_layer_config: expected one head_dim for all sliding_attention layers, "
                "found 8 and 12"));
  json file = small();
  file["text_config"]["per_layer_config"] = {{"0", {{"head_dim", 12}}}, {"2", {{"head_dim", 12}}}};
  CHECK(read(file).layers[2].head_dim == 12);
}

TEST_CASE("every id has a row of the per-layer table") {
  json file = small();
  file["text_config"]["hidden_size_per_layer_input"] = 4;
  file["text_config"]["vocab_size_per_layer_input"] = 63;
  CHECK(refusal(file, ErrorCode::kUnsupported) ==
        "text_config.vocab_size_per_layer_input: expected a row for each id of vocab_size = 64, found 63");
  file["text_config"]["vocab_size_per_layer_input"] = 64;
  CHECK(read(file).ple_vocab_size == 64);
}

TEST_CASE("per_layer_config replaces the old spelling, also where it says nothing") {
  json file = small();
  file["text_config"]["per_layer_config"] = json::object();
  CHECK(read(file).layers[1].head_dim == 8);
}

TEST_CASE("per_layer_config that names no layer, or what a layer cannot override") {
  const auto refused = [](const json& value, ErrorCode code = ErrorCode::kInvalidFile) {
    return refusal_with("per_layer_config", value, code);
  };
  CHECK(refused({{"4", {{"head_dim", 8}}}}) ==
        "text_config.per_layer_config.\"4\": expected a layer from 0 to 3 or a layer type");
  CHECK(refused({{"-1", {{"head_dim", 8}}}}) ==
        "text_config.per_layer_config.\"-1\": expected a layer from 0 to 3 or a layer type");
  CHECK(refused({{"0", {{"sliding_window", 8}}}}, ErrorCode::kUnsupported) ==
        "text_config.per_layer_config.0.\"sliding_window\": expected head_dim or num_key_value_heads");
  CHECK(refused({{"0", 3}}) == "text_config.per_layer_config.0: expected an object, found 3");
  CHECK(refused(json::array()) == "text_config.per_layer_config: expected an object, found an array of 0");
  CHECK(refused({{"0", {{"head_dim", 7}}}})
            .starts_with("text_config.head_dim: expected an even number, found 7 (layer 0); "));
}

TEST_CASE("num_global_key_value_heads counts only where K = V") {
  json file = small();
  file["text_config"]["num_global_key_value_heads"] = 1;
  CHECK(read(file).layers[1].kv_heads == 2);
  file["text_config"]["attention_k_eq_v"] = true;
  CHECK(read(file).layers[1].kv_heads == 1);
  CHECK(read(file).layers[0].kv_heads == 2);
}

TEST_CASE("the last layer is full, whatever the file says") {
  json file = small();
  file["text_config"]["num_kv_shared_layers"] = 0;
  file["text_config"]["layer_types"][3] = "sliding_attention";
  CHECK(read(file).layers[3].full_attention);
  file["text_config"].erase("layer_types");
  const ModelConfig c = read(file);
  CHECK_FALSE(c.layers[2].full_attention);
  CHECK(c.layers[3].full_attention);
}

TEST_CASE("absent fields have the reference's defaults") {
  const ModelConfig c =
      read({{"model_type", "gemma4_text"}, {"hidden_size", 64}, {"intermediate_size", 128}});
  CHECK(c.vocab_size == 262144);
  CHECK(c.layers.size() == 30);
  CHECK(c.heads == 8);
  CHECK(c.layers[0].kv_heads == 4);
  CHECK(c.layers[0].head_dim == 256);
  CHECK(c.layers[5].head_dim == 512);
  CHECK(c.sliding_window == 512);
  CHECK(c.ple_width == 256);
  CHECK(c.final_softcap == 0);
  CHECK(c.dtype == "bfloat16");
  CHECK(c.eos_ids == std::vector<int32_t>{1});
  CHECK(c.bos_id == 2);
  CHECK(c.full_rope.proportional);
}

TEST_CASE("double-wide MLPs are those of shared layers") {
  json file = small();
  file["text_config"]["use_double_wide_mlp"] = true;
  const ModelConfig c = read(file);
  CHECK(c.layers[1].intermediate_size == 48);
  CHECK(c.layers[2].intermediate_size == 96);
}

TEST_CASE("older rope spelling: rope_theta and rope_local_base_freq") {
  json file = small();
  file["text_config"]["rope_theta"] = 500000;
  file["text_config"]["rope_local_base_freq"] = 5000.0;
  const ModelConfig c = read(file);
  CHECK(c.full_rope.theta == 500000);
  CHECK(c.full_rope.proportional);
  CHECK(c.full_rope.partial_rotary_factor == 0.25);
  CHECK(c.sliding_rope.theta == 5000);
}

TEST_CASE("rope_parameters that are not computed are refused") {
  auto refused = [](const json& full, ErrorCode code = ErrorCode::kUnsupported) {
    return refusal_with("rope_parameters", {{"full_attention", full}}, code);
  };
  const std::string at = "text_config.rope_parameters.full_attention.";
  CHECK(refused({{"rope_type", "yarn"}}) ==
        at + "rope_type: expected \"default\" or \"proportional\", found \"yarn\"");
  CHECK(refused({{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}) ==
        at + "partial_rotary_factor: only the proportional type may turn a part of the head");
  CHECK(refused({{"rope_type", "default"}, {"factor", 8.0}}) ==
        at + "factor: only the proportional type has one");
  CHECK(refused({{"rope_theta", 0}}, ErrorCode::kInvalidFile) ==
        at + "rope_theta: expected a number from 1 to 1000000000000, found 0");
  CHECK(refused({{"partial_rotary_factor", 1.5}}, ErrorCode::kInvalidFile) ==
        at + "partial_rotary_factor: expected a number from 0 to 1, found 1.5");
  CHECK(refused({{"partial_rotary_factor", 0}}, ErrorCode::kInvalidFile) ==
        at + "partial_rotary_factor: expected a number above 0, found 0");
  CHECK(refusal_with("rope_parameters", {{"rope_theta", 1e4}}, ErrorCode::kUnsupported) ==
        "text_config.rope_parameters: expected sliding_attention and full_attention in it, found neither");
  CHECK(refusal_with("rope_scaling", {{"factor", 8}}, ErrorCode::kUnsupported) ==
        "text_config.rope_scaling: expected none, found an object");
}

TEST_CASE("a foreign model type is named") {
  for (const char* type : {"gemma3", "gemma3n", "gemma2", "llama", "gemma4_assistant", "gemma4_vision"}) {
    json file = small();
    file["model_type"] = type;
    CHECK(refusal(file, ErrorCode::kUnsupported) ==
          "model_type: \"" + std::string(type) +
              "\" is not a Gemma 4 text model, expected gemma4, gemma4_text, gemma4_unified or "
              "gemma4_unified_text");
  }
  CHECK(refusal_with("model_type", "gemma3_text", ErrorCode::kUnsupported)
            .starts_with("text_config.model_type: \"gemma3_text\" is not a Gemma 4 text model"));
  json file = small();
  file.erase("model_type");
  CHECK(refusal(file) == "model_type: expected \"gemma4\" or one of its kinds, found nothing");
  file["model_type"] = 4;
  CHECK(refusal(file).starts_with("model_type: expected a string, found 4"));
}

TEST_CASE("what is not computed is refused") {
  constexpr auto kNo = ErrorCode::kUnsupported;
  CHECK(refusal_with("attention_bias", true, kNo) ==
        "text_config.attention_bias: expected false, found true");
  CHECK(refusal_with("hidden_activation", "silu", kNo) ==
        "text_config.hidden_activation: expected \"gelu_pytorch_tanh\", found \"silu\"");
  CHECK(refusal_with("attn_logit_softcapping", 50.0, kNo) ==
        "text_config.attn_logit_softcapping: expected none, found 50.0");
  CHECK(
      refusal_with("use_bidirectional_attention", "all", kNo) ==
      "text_config.use_bidirectional_attention: expected null or \"vision\" (text is causal), found \"all\"");
  CHECK(refusal_with("dtype", "float8_e4m3fn", kNo) ==
        "text_config.dtype: expected bfloat16, float32 or float16, found \"float8_e4m3fn\"");
}

TEST_CASE("sizes that are zero, negative, absurd, fractional or no numbers") {
  const std::string range = ": expected a whole number from 1 to 2147483648, found ";
  for (const char* key :
       {"vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
        "head_dim", "global_head_dim", "sliding_window", "max_position_embeddings"}) {
    CAPTURE(key);
    const std::string at = "text_config." + std::string(key) + range;
    CHECK(refusal_with(key, 0).starts_with(at + "0"));
    CHECK(refusal_with(key, -1).starts_with(at + "-1"));
    CHECK(refusal_with(key, 2147483649).starts_with(at + "2147483649"));
    CHECK(refusal_with(key, ~uint64_t{0}).starts_with(at + "18446744073709551615"));
    CHECK(refusal_with(key, 8.0).starts_with(at + "8.0"));
    CHECK(refusal_with(key, "8").starts_with(at + "\"8\""));
    CHECK(refusal_with(key, true).starts_with(at + "true"));
  }
  CHECK(refusal_with("num_hidden_layers", 0) ==
        "text_config.num_hidden_layers: expected a whole number from 1 to 4096, found 0; "
        "text_config.layer_types: expected an array of 30 (num_hidden_layers), found an array of 4");
  CHECK(refusal_with("num_hidden_layers", 2147483648)
            .starts_with(
                "text_config.num_hidden_layers: expected a whole number from 1 to 4096, found 2147483648"));
  CHECK(refusal_with("hidden_size_per_layer_input", -1) ==
        "text_config.hidden_size_per_layer_input: expected a whole number from 0 to 2147483648, found -1");
}

TEST_CASE("missing sizes that no default fits") {
  for (const char* key : {"hidden_size", "intermediate_size"}) {
    json file = small();
    file["text_config"].erase(key);
    CHECK(refusal(file) == "text_config." + std::string(key) + ": missing");
  }
}

TEST_CASE("heads that do not divide, odd head widths") {
  CHECK(refusal_with("num_key_value_heads", 3) ==
        "text_config.num_key_value_heads: expected a divisor of num_attention_heads = 4, found 3");
  json file = small();
  file["text_config"]["attention_k_eq_v"] = true;
  file["text_config"]["num_global_key_value_heads"] = 3;
  CHECK(refusal(file) ==
        "text_config.num_global_key_value_heads: expected a divisor of num_attention_heads = 4, found 3");
  CHECK(refusal_with("head_dim", 7) == "text_config.head_dim: expected an even number, found 7");
  CHECK(refusal_with("global_head_dim", 15) ==
        "text_config.global_head_dim: expected an even number, found 15");
}

TEST_CASE("layer_types of the wrong length, with an unknown word, no array") {
  CHECK(refusal_with("layer_types", {"full_attention"}) ==
        "text_config.layer_types: expected an array of 4 (num_hidden_layers), found an array of 1");
  CHECK(refusal_with("layer_types", "full_attention") ==
        "text_config.layer_types: expected an array of 4 (num_hidden_layers), found \"full_attention\"");
  CHECK(refusal_with("layer_types", {"full_attention", "linear", "full_attention", "full_attention"}) ==
        "text_config.layer_types.1: expected \"sliding_attention\" or \"full_attention\", found \"linear\"");
  CHECK(refusal_with("layer_types", {"full_attention", 1, "full_attention", "full_attention"}) ==
        "text_config.layer_types.1: expected \"sliding_attention\" or \"full_attention\", found 1");
}

TEST_CASE("a shared layer needs an earlier layer of its type and shape") {
  json file = small();
  file["text_config"]["num_kv_shared_layers"] = 3;
  CHECK(refusal(file) ==
        "text_config.num_kv_shared_layers: layer 1 shares the cache of an earlier full layer, but there is "
        "none");
  file["text_config"]["num_kv_shared_layers"] = 4;
  CHECK(refusal(file) ==
        "text_config.num_kv_shared_layers: layer 0 shares the cache of an earlier sliding layer, but there "
        "is none");
  file["text_config"]["num_kv_shared_layers"] = 5;
  CHECK(refusal(file) == "text_config.num_kv_shared_layers: expected a whole number from 0 to 4, found 5");
  file["text_config"]["num_kv_shared_layers"] = 2;
  file["text_config"]["per_layer_config"] = {{"3", {{"num_key_value_heads", 1}}}};
  CHECK(refusal(file) ==
        "text_config.num_kv_shared_layers: layer 3 shares the cache of layer 1, but their heads differ in "
        "shape");
}

TEST_CASE("experts: sizes are needed, and no more may be picked than there are") {
  json file = small();
  file["text_config"]["enable_moe_block"] = true;
  CHECK(refusal(file) ==
        "text_config.num_experts: missing; text_config.top_k_experts: missing; "
        "text_config.moe_intermediate_size: missing");
  file["text_config"].update({{"num_experts", 4}, {"top_k_experts", 5}, {"moe_intermediate_size", 16}});
  CHECK(refusal(file) == "text_config.top_k_experts: expected at most num_experts = 4, found 5");
  file["text_config"]["top_k_experts"] = 4;
  CHECK(read(file).experts_per_token == 4);
  file["text_config"]["enable_moe_block"] = false;
  CHECK(read(file).experts == 0);
}

TEST_CASE("norm epsilon and soft-cap out of range") {
  CHECK(refusal_with("rms_norm_eps", 0) == "text_config.rms_norm_eps: expected a number above 0, found 0");
  CHECK(refusal_with("rms_norm_eps", -1e-6) ==
        "text_config.rms_norm_eps: expected a number from 0 to 1, found -1e-06");
  CHECK(refusal_with("rms_norm_eps", "NaN") ==
        "text_config.rms_norm_eps: expected a number from 0 to 1, found \"NaN\"");
  CHECK(refusal_with("final_logit_softcapping", -30) ==
        "text_config.final_logit_softcapping: expected a number from 0 to 1000000, found -30");
  CHECK(read(small()).final_softcap == 0);
}

TEST_CASE("a bare NaN or an infinite number is not JSON") {
  for (const char* value : {"NaN", "Infinity", "1e999"}) {
    CAPTURE(value);
    auto config = parse_config("{\"rms_norm_eps\": " + std::string(value) + "}", "c");
    REQUIRE_FALSE(config);
    CHECK(config.error().what.starts_with("not valid JSON at byte"));
  }
}

TEST_CASE("token ids: one or a list, the outer ones win") {
  json file = small();
  file["text_config"]["eos_token_id"] = 7;
  CHECK(read(file).eos_ids == std::vector<int32_t>{7});
  file["eos_token_id"] = {1, 3};
  file["bos_token_id"] = 5;
  file["pad_token_id"] = nullptr;
  CHECK(read(file).eos_ids == std::vector<int32_t>{1, 3});
  CHECK(read(file).bos_id == 5);
  CHECK(read(file).pad_id == 0);
  file["eos_token_id"] = {1, -3};
  CHECK(refusal(file) == "eos_token_id: expected token ids from 0 to 2147483647, found -3");
  file["eos_token_id"] = "1";
  CHECK(refusal(file) == "eos_token_id: expected token ids from 0 to 2147483647, found \"1\"");
  file["eos_token_id"] = 2147483648;
  CHECK(refusal(file) == "eos_token_id: expected token ids from 0 to 2147483647, found 2147483648");
  file.erase("eos_token_id");
  file["bos_token_id"] = 64;
  CHECK(refusal(file) == "bos_token_id: expected an id below vocab_size = 64, found 64");
}

TEST_CASE("the stored type: dtype or torch_dtype, outside or inside") {
  json file = small();
  file["text_config"]["torch_dtype"] = "torch.float32";
  CHECK(read(file).dtype == "float32");
  file["torch_dtype"] = "float16";
  CHECK(read(file).dtype == "float16");
  file["text_config"]["dtype"] = "bfloat16";
  CHECK(read(file).dtype == "bfloat16");
}

TEST_CASE("tied unless the file says otherwise, the outer word first") {
  json file = small();
  CHECK(read(file).tied);
  file["text_config"]["tie_word_embeddings"] = false;
  CHECK_FALSE(read(file).tied);
  file["tie_word_embeddings"] = true;
  CHECK(read(file).tied);
}

TEST_CASE("a declared quantization") {
  json file = small();
  file["quantization_config"] = {{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"}};
  CHECK(read(file).quantization.method == "compressed-tensors");
  CHECK(read(file).quantization.format == "pack-quantized");
  file["quantization_config"] = {{"quant_method", "gemma"}};
  CHECK(read(file).quantization.method == "gemma");
  file["quantization_config"] = {{"quant_method", "awq"}};
  CHECK(refusal(file, ErrorCode::kUnsupported) ==
        "quantization_config.quant_method: expected \"compressed-tensors\" or \"gemma\", found \"awq\"");
  file["quantization_config"] = {{"format", "x"}};
  CHECK(refusal(file) == "quantization_config.quant_method: missing");
  file["quantization_config"] = nullptr;
  CHECK(read(file).quantization.method.empty());
}

TEST_CASE("every problem is named in one go, up to twenty") {
  json file = small();
  file["text_config"]["head_dim"] = -1;
  file["text_config"]["sliding_window"] = 0;
  CHECK(refusal(file) ==
        "text_config.sliding_window: expected a whole number from 1 to 2147483648, found 0; "
        "text_config.head_dim: expected a whole number from 1 to 2147483648, found -1");
  json overrides = json::object();
  for (int i = 100; i < 125; ++i) overrides[std::to_string(i)] = json::object();
  CHECK(refusal_with("per_layer_config", overrides).ends_with("; and 5 more"));
}

TEST_CASE("text_config that is no object, a file that is no object") {
  json file = small();
  file["text_config"] = {1, 2};
  CHECK(refusal(file).starts_with("text_config: expected an object, found an array of 2"));
  CHECK(refusal(json::array()) == "expected an object, found an array of 0");
  auto broken = parse_config("{", "c");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().what == "not valid JSON at byte 2, near \"{\"");
}

TEST_CASE("a config.json that is not there or too large") {
  TemporaryFolder folder;
  auto absent = read_config(folder.path("config.json"));
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::kNotFound);
  const std::string path = folder.write("config.json", "{}");
  std::filesystem::resize_file(path, (16 << 20) + 1);
  auto large = read_config(path);
  REQUIRE_FALSE(large);
  CHECK(large.error().what == "expected at most 16777216 bytes, found 16777217");
}

}  // namespace
}  // namespace gemma
