#include "engine/scheme.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

std::string canonical(const char* word) {
  auto scheme = parse_scheme(word);
  return scheme ? to_string(*scheme) : "error: " + scheme.error().message();
}

std::string refusal(const char* word) {
  auto scheme = parse_scheme(word);
  return scheme ? "accepted as " + to_string(*scheme) : scheme.error().what;
}

TEST_CASE("named schemes and their spelled forms are the same") {
  CHECK(canonical("w4g32a8g32") == "int4");
  CHECK(canonical("w8ca8") == "int8");
  CHECK(canonical("w4ca8") == "int4-channel");
  CHECK(canonical("w8ca4") == "w8a4");
  CHECK(canonical("fake:w4g32a8g32") == "fake:int4");
  CHECK(parse_scheme("int4")->base.integer);
  CHECK(!parse_scheme("fake:int4")->base.integer);
  CHECK(!parse_scheme("w4g32")->base.integer);
}

TEST_CASE("canonical spellings parse to themselves") {
  for (const char* word : {"f32",
                           "bf16",
                           "int8",
                           "int4",
                           "int4-channel",
                           "w8a4",
                           "mobile",
                           "fake:mobile",
                           "fake:w2t",
                           "fake:w3ca4",
                           "w2g16",
                           "w8t",
                           "fake:w4g64a8g128",
                           "fake:w4g32a8g8",
                           "fake:w8ca8s",
                           "fake:w4g32z",
                           "fake:w2tz",
                           "fake:w8cza8z",
                           "fake:w4cza8g32z",
                           "fake:w4ca4z",
                           "fake:w4ca8sz",
                           "w2ca8s",
                           "w4ca8s",
                           "w8ca8s",
                           "fake:w4ca4s",
                           "int4,ple=bf16,head=int8",
                           "f32,mlp=fake:w2g32,experts=w4g32",
                           "int4,head=int8,layers.0=bf16,layers.12=int8"}) {
    CHECK(canonical(word) == std::string(word));
  }
}

TEST_CASE(
    "levels per channel between static scales run in integers, others with static scales are fake only") {
  for (const char* word : {"w2ca8s", "w4ca8s", "w8ca8s"}) {
    CAPTURE(word);
    CHECK(parse_scheme(word)->base.integer);
    CHECK(parse_scheme(word)->needs_static_scales());
  }
  CHECK(!parse_scheme("fake:w4ca8s")->base.integer);
  CHECK(parse_scheme("fake:w4g32a4s")->needs_static_scales());
}

TEST_CASE("z asks for zero points, of weights and of activations apart") {
  const ClassScheme weights = parse_scheme("fake:w4g32za8")->base,
                    inputs = parse_scheme("fake:w4ca8g16z")->base;
  CHECK(weights.weight_zero_point);
  CHECK(!weights.activation_zero_point);
  CHECK(!inputs.weight_zero_point);
  CHECK(inputs.activation_zero_point);
  CHECK(inputs.activation_group == 16);
}

TEST_CASE("an override applies to its class alone, and norms and router stay float") {
  const Scheme scheme = *parse_scheme("int4,head=int8");
  CHECK(to_string(scheme.of(TensorClass::kHead)) == "int8");
  CHECK(to_string(scheme.of(TensorClass::kEmbed)) == "int4");
  CHECK(to_string(scheme.of(TensorClass::kFloat)) == "f32");
  CHECK(canonical("int4,mlp=int4") == "int4");
}

TEST_CASE("a layer's own scheme is that of all its matrices, before their classes', and of nothing else") {
  const Scheme scheme = *parse_scheme("f32,layers.1=int4,mlp=int8,layers.10=fake:w4ca8s");
  const auto of = [&](TensorClass tensor_class, const char* tensor) {
    return to_string(scheme.of(tensor_class, tensor));
  };
  CHECK(of(TensorClass::kMlp, "layers.1.mlp.up_proj.weight") == "int4");
  CHECK(of(TensorClass::kAttention, "layers.1.self_attn.q_proj.weight") == "int4");
  CHECK(of(TensorClass::kFloat, "layers.1.input_layernorm.weight") == "f32");
  CHECK(of(TensorClass::kMlp, "layers.0.mlp.up_proj.weight") == "int8");
  CHECK(of(TensorClass::kAttention, "layers.11.self_attn.q_proj.weight") == "f32");
  CHECK(of(TensorClass::kHead, "embed_tokens.weight") == "f32");
  CHECK(scheme.needs_static_scales());  // of layer 10
  CHECK(layer_of("layers.12.mlp.up_proj.weight") == 12);
  CHECK(!layer_of("embed_tokens.weight"));
  CHECK(!layer_of("layers.x"));
}

TEST_CASE("keys and values are f32 under f32 and fake schemes, else f16") {
  CHECK(parse_scheme("f32")->default_kv_type() == kernels::KvType::kF32);
  CHECK(parse_scheme("fake:int4")->default_kv_type() == kernels::KvType::kF32);
  CHECK(parse_scheme("int4")->default_kv_type() == kernels::KvType::kF16);
  CHECK(parse_scheme("bf16")->default_kv_type() == kernels::KvType::kF16);
}

TEST_CASE("what cannot be read is refused with what was expected") {
  CHECK(refusal("int44") == "unknown scheme; the nearest is int4");
  CHECK(refusal("") == "expected a scheme, found none");
  CHECK(refusal("w5c") == "expected 2, 3, 4 or 8 weight bits behind w");
  CHECK(refusal("w4") == "expected t (per tensor), c (per channel) or gN (per group) behind the weight bits");
  CHECK(refusal("w4g0") == "expected a weight group of 1 to 65536 columns behind g");
  CHECK(refusal("w4g99999999999999999999") == "expected a weight group of 1 to 65536 columns behind g");
  CHECK(refusal("w4g70000") == "expected a weight group of 1 to 65536 columns behind g");
  CHECK(refusal("fake:w4ca7") == "expected 4 or 8 activation bits behind a");
  CHECK(refusal("fake:w4ca8g") == "expected an activation group of 8 to 65536 columns behind g");
  CHECK(refusal("fake:w4g32a8g7") == "expected an activation group of 8 to 65536 columns behind g");
  CHECK(refusal("fake:w4g32a8g0") == "expected an activation group of 8 to 65536 columns behind g");
  CHECK(refusal("int4,mlp=fake:w4ca4g4z") == "expected an activation group of 8 to 65536 columns behind g");
  CHECK(refusal("w4cx") == "\"x\" is left over");
  CHECK(refusal("w4cz") == "levels with a zero point (z) are computed in float only");
  CHECK(refusal("w4ca8z") == "levels with a zero point (z) are computed in float only");
  CHECK(refusal("fake:w4czz") == "\"z\" is left over");
  CHECK(refusal("fake:w4zc") ==
        "expected t (per tensor), c (per channel) or gN (per group) behind the weight bits");
  CHECK(refusal("w3ca8s") == "there is no integer kernel for it");
  CHECK(refusal("w4g32a8s") == "there is no integer kernel for it");
  CHECK(refusal("w4ca4s") == "there is no integer kernel for it");
  CHECK(refusal("w2ca8") == "there is no integer kernel for it");
  CHECK(refusal("fake:f32") == "f32 quantizes nothing, so there is nothing to fake");
  CHECK(refusal("int4,") == "ends with a comma");
  CHECK(refusal("int4,head") == "expected class=scheme or layers.N=scheme behind the comma, found \"head\"");
  CHECK(refusal("int4,foo=int8") == "unknown class \"foo\"");
  CHECK(refusal("int4,head=int8,head=bf16") == "class \"head\" is given twice");
  CHECK(refusal("int4,layers.1=int8,layers.1=bf16") == "\"layers.1\" is given twice");
  CHECK(refusal("int4,layers.1=int44") == "unknown scheme; the nearest is int4");
  for (const char* word :
       {"int4,layers.=int8", "int4,layers.x=int8", "int4,layers.1x=int8", "int4,layers.-1=int8",
        "int4,layers.1024=int8", "int4,layers.99999999999999999999=int8"}) {
    CAPTURE(word);
    CHECK(refusal(word).find("expected a layer from 0 to 1023 behind \"layers.\"") == 0);
  }
}

}  // namespace
}  // namespace gemma
