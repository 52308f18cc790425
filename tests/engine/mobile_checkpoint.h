// Writes the tiny synthetic mobile checkpoint as a folder in the published layouts, with whatever a test
// wants changed in it.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "engine/synthetic_mobile.h"
#include "tests/loader/safetensors_bytes.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {

struct FileTensor {
  std::string name, dtype;
  std::vector<size_t> shape;
  std::string bytes;

  void set_float(size_t index, float value) {
    std::memcpy(bytes.data() + index * sizeof(value), &value, sizeof(value));
  }
};

enum class Spelling { kGemma, kCompressedTensors };

inline SyntheticMobileSource tiny_mobile_source() {
  auto config = synthetic_config("tiny");
  REQUIRE(config.has_value());
  return SyntheticMobileSource(mobile_config(*config), 0);
}

// What transformers' exporter calls a canonical tensor.
inline std::string published_name(std::string name) {
  for (const char* table : {"embed_tokens.", "embed_tokens_per_layer."}) {
    if (name == std::string(table) + "weight") name = std::string(table) + "embedding_quantized";
    if (name == std::string(table) + "weight_scale") name = std::string(table) + "embedding_scale";
  }
  return name.starts_with("lm_head.") ? name : "model.language_model." + name;
}

inline std::string bytes_of(const TensorSource& source, const TensorInfo& tensor) {
  std::vector<std::byte> raw(tensor.bytes());
  REQUIRE(source.read_rows(tensor, 0, tensor.rows(), raw).has_value());
  return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
}

// The tensors of quant_method "gemma".
inline std::vector<FileTensor> gemma_tensors(const TensorSource& source) {
  std::vector<FileTensor> tensors;
  for (const TensorInfo& tensor : source.tensors()) {
    FileTensor file{published_name(tensor.name), std::string(dtype_name(tensor.dtype)), tensor.shape,
                    bytes_of(source, tensor)};
    if (tensor.encoding != Encoding::kPlain) file.shape.back() = tensor.row_bytes();
    tensors.push_back(std::move(file));
  }
  tensors.push_back({"model.vision_tower.patch.weight", "U8", {4}, std::string(4, 'v')});
  return tensors;
}

// The same in compressed-tensors' naming: int32 words, no scales that are 0, none of a KV cache.
inline std::vector<FileTensor> compressed_tensors(const TensorSource& source) {
  std::vector<FileTensor> tensors;
  for (const TensorInfo& tensor : source.tensors()) {
    std::string name =
        tensor.name.starts_with("lm_head.") ? tensor.name : "model.language_model." + tensor.name;
    std::string bytes = bytes_of(source, tensor);
    const auto renamed = [&](std::string_view from, std::string_view to) {
      return name.substr(0, name.size() - from.size()) + std::string(to);
    };
    if (name.ends_with("_cache_scale")) continue;
    if (name.ends_with("activation_scale")) {
      float value;
      std::memcpy(&value, bytes.data(), sizeof(value));
      if (value == 0) continue;
      name = name.ends_with("input_activation_scale") ? renamed("input_activation_scale", "input_scale")
                                                      : renamed("output_activation_scale", "output_scale");
      tensors.push_back({name, "F32", {1}, bytes});
      continue;
    }
    if (tensor.encoding == Encoding::kGemma2 || tensor.encoding == Encoding::kGemma4) {
      const size_t words = (tensor.row_bytes() + 3) / 4;
      std::string padded;
      for (size_t r = 0; r < tensor.rows(); ++r) {
        std::string row = bytes.substr(r * tensor.row_bytes(), tensor.row_bytes());
        row.resize(words * 4);
        padded += row;
      }
      tensors.push_back({renamed("weight", "weight_packed"), "I32", {tensor.rows(), words}, padded});
      tensors.push_back({renamed("weight", "weight_shape"),
                         "I64",
                         {2},
                         length_bytes(tensor.rows()) + length_bytes(tensor.columns())});
      continue;
    }
    tensors.push_back({name, std::string(dtype_name(tensor.dtype)), tensor.shape, bytes});
  }
  return tensors;
}

inline FileTensor& find_tensor(std::vector<FileTensor>& tensors, std::string_view name) {
  for (FileTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  FAIL("no tensor " << name);
  return tensors.front();
}

inline void write_mobile_folder(const TemporaryFolder& folder, const std::vector<FileTensor>& tensors,
                                Spelling spelling = Spelling::kGemma) {
  std::string header = "{", data;
  for (const FileTensor& tensor : tensors) {
    if (header.size() > 1) header += ",";
    header += entry(tensor.name, tensor.dtype, fmt::format("[{}]", fmt::join(tensor.shape, ",")),
                    fmt::format("[{},{}]", data.size(), data.size() + tensor.bytes.size()));
    data += tensor.bytes;
  }
  folder.write("model.safetensors", safetensors_bytes(header + "}", data));
  auto text = synthetic_config_json("tiny");
  REQUIRE(text.has_value());
  nlohmann::json config = nlohmann::json::parse(*text);
  config["tie_word_embeddings"] = false;
  config["text_config"]["tie_word_embeddings"] = false;
  if (spelling == Spelling::kGemma) {
    config["quantization_config"] = {{"quant_method", "gemma"},
                                     {"num_bits", 4},
                                     {"quantize_embeddings", true},
                                     {"module_quant_configs", {{"^lm_head$", {{"num_bits", 2}}}}}};
  } else {
    config["quantization_config"] = {{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"}};
  }
  folder.write("config.json", config.dump());
}

}  // namespace gemma
