// A small Gemma 4 model as a GGUF file, key by key and tensor by tensor, for tests that change one of them:
// two layers (sliding, full), hidden 32, 300 pieces.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "loader/gguf_writer.h"
#include "tests/loader/gguf_bytes.h"

namespace gemma {

struct GgufModel {
  struct Tensor {
    GgufTensorType type;
    std::vector<size_t> shape;
    std::string data;  // filled up or cut to what type and shape need
  };
  std::map<std::string, std::function<void(GgufWriter&, const std::string& key)>> keys;
  std::map<std::string, Tensor> tensors;
  std::vector<std::string> pieces;
  std::vector<int32_t> types;
  std::vector<std::string> merges = {"a b", "ab c"};

  void u32(const std::string& key, uint32_t value) {
    keys[key] = [value](GgufWriter& writer, const std::string& name) { writer.add_u32(name, value); };
  }
  void u32s(const std::string& key, std::vector<uint32_t> values) {
    keys[key] = [values](GgufWriter& writer, const std::string& name) { writer.add_u32s(name, values); };
  }
  void f32(const std::string& key, float value) {
    keys[key] = [value](GgufWriter& writer, const std::string& name) { writer.add_f32(name, value); };
  }
  void string(const std::string& key, std::string value) {
    keys[key] = [value](GgufWriter& writer, const std::string& name) { writer.add_string(name, value); };
  }
  void bools(const std::string& key, std::vector<bool> values) {
    keys[key] = [values](GgufWriter& writer, const std::string& name) { writer.add_bools(name, values); };
  }

  GgufModel() {
    string("general.architecture", "gemma4");
    u32("gemma4.block_count", 2);
    u32("gemma4.context_length", 512);
    u32("gemma4.embedding_length", 32);
    u32("gemma4.feed_forward_length", 64);
    u32("gemma4.attention.head_count", 4);
    u32s("gemma4.attention.head_count_kv", {2, 1});
    u32("gemma4.attention.key_length", 16);
    u32("gemma4.attention.key_length_swa", 8);
    u32("gemma4.attention.sliding_window", 16);
    bools("gemma4.attention.sliding_window_pattern", {true, false});
    f32("gemma4.attention.layer_norm_rms_epsilon", 1e-6f);
    f32("gemma4.rope.freq_base", 1e6f);
    f32("gemma4.rope.freq_base_swa", 1e4f);
    f32("gemma4.final_logit_softcapping", 30.0f);
    string("tokenizer.ggml.model", "gemma4");
    u32("tokenizer.ggml.eos_token_id", 1);
    u32("tokenizer.ggml.bos_token_id", 2);
    u32("tokenizer.ggml.padding_token_id", 0);
    pieces = {"<pad>", "<eos>", "<bos>", "<turn|>", "<|tool_call>", "<table>", "a", "b", "c", "ab", "abc"};
    types = {3, 3, 3, 3, 4, 4, 1, 1, 1, 1, 1};
    for (int byte = 0; byte < 256; ++byte) {
      char piece[8];
      std::snprintf(piece, sizeof(piece), "<0x%02X>", byte);
      pieces.emplace_back(piece);
      types.push_back(6);
    }
    while (pieces.size() < 300) {
      pieces.push_back("[PAD" + std::to_string(pieces.size()) + "]");
      types.push_back(5);
    }
    std::string freqs;
    for (int i = 0; i < 8; ++i) freqs += le_bytes(i < 2 ? 1.0f : 1e30f);
    tensors["rope_freqs.weight"] = {GgufTensorType::kF32, {8}, freqs};
    tensors["token_embd.weight"] = {GgufTensorType::kQ4_0, {300, 32}, ""};
    tensors["output_norm.weight"] = {GgufTensorType::kF32, {32}, ""};
    tensors["blk.0.attn_v.weight"] = {GgufTensorType::kQ4_0, {16, 32}, ""};
    tensors["blk.0.layer_output_scale.weight"] = {GgufTensorType::kF32, {1}, ""};
  }

  // Writes the file and returns its path.
  std::string write(const std::string& path) const {
    GgufWriter writer(path);
    for (const auto& [key, add] : keys) add(writer, key);
    const std::vector<std::string_view> texts(pieces.begin(), pieces.end());
    const std::vector<std::string_view> joined(merges.begin(), merges.end());
    writer.add_strings("tokenizer.ggml.tokens", texts);
    writer.add_i32s("tokenizer.ggml.token_type", types);
    writer.add_strings("tokenizer.ggml.merges", joined);
    for (const auto& [name, tensor] : tensors) writer.add_tensor(name, tensor.type, tensor.shape);
    REQUIRE(writer.begin());
    for (const auto& [name, tensor] : tensors) {
      size_t elements = 1;
      for (const size_t extent : tensor.shape) elements *= extent;
      std::string data = tensor.data;
      data.resize(elements / gguf_block_columns(tensor.type) * gguf_block_bytes(tensor.type));
      REQUIRE(writer.write(std::as_bytes(std::span(data))));
    }
    REQUIRE(writer.finish());
    return path;
  }
};

}  // namespace gemma
