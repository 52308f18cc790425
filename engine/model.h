// A checkpoint, opened and ready: config, tokenizer, weights. Immutable; any number of sessions share it.
//
//   Result<std::unique_ptr<Model>> model = Model::load("google/gemma-4-E2B-it", {});
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/scheme.h"
#include "engine/thread_team.h"
#include "engine/weights.h"
#include "kernels/kernel_table.h"
#include "loader/config.h"
#include "loader/generation_config.h"
#include "loader/tensor_source.h"
#include "loader/tokenizer.h"

namespace gemma {

struct TemplateFile;  // engine/chat_detect.h

struct ModelOptions {
  std::string scheme;               // engine/scheme.h; empty: what fits the file (Model::scheme_reason)
  size_t threads = 0;               // 0: physical cores
  std::optional<kernels::Isa> isa;  // default: GEMMA_ISA, else the best of this CPU
  // Kernels to take for their operations, "int4_group32/avx2" (kernels/kernel_registry.h); default:
  // GEMMA_KERNEL, else those of the instruction set.
  std::vector<std::string> kernels;
  std::optional<Placement> placement = {};  // default: fitting_placement (engine/weight_plan.h)
  bool weights = true;                      // false: everything but the weights (tokenize, inspect)
  bool tokenizer = true;                    // false: none is needed (logits of given ids)
  Progress progress;
};

// The kernels that these options ask for. kUsage: an instruction set that this CPU lacks, or an unknown name.
Result<kernels::KernelTable> kernel_table_of(const ModelOptions& options);

class Model {
 public:
  // `name`: a model's folder, a .gguf file or the folder that holds it, a hub id in the local cache, or
  // "synthetic:SIZE[:SEED]".
  static Result<std::unique_ptr<Model>> load(const std::string& name, const ModelOptions& options);
  ~Model();

  const std::string& name() const { return name_; }  // as asked for
  // The folder, or the .gguf file; empty for synthetic models.
  const std::string& folder() const { return folder_; }
  // The chat template of the folder or inside the file; no text if there is none. Errors of read_template.
  Result<TemplateFile> chat_template() const;
  const ModelConfig& config() const { return config_; }
  const GenerationConfig& generation_config() const { return generation_config_; }
  const Tokenizer* tokenizer() const {
    return tokenizer_ ? &*tokenizer_ : nullptr;
  }  // null: the folder has none
  const TensorSource& source() const { return *source_; }
  const Scheme& scheme() const { return scheme_; }
  const std::string& scheme_reason() const { return scheme_reason_; }  // why this one, if none was asked for
  const Weights& weights() const { return *weights_; }
  const Weights* loaded_weights() const { return weights_.get(); }  // null: opened without weights
  const ThreadTeam& team() const { return *team_; }
  const kernels::KernelTable& kernels() const { return kernels_; }
  double load_seconds() const { return load_seconds_; }

  Placement placement() const { return placement_; }  // of weights that the file holds ready

  // The scheme that fits the file, where none is asked for, and in `reason` why. Needs no weights loaded.
  Result<std::string> fitting_scheme(std::string& reason) const;
  // Ends of a generation: generation_config.json's, else config.json's.
  std::vector<int32_t> eos_ids() const;
  // Of config, scheme, float kernels and a sample of every tensor: what a saved session must match, so that it
  // goes on as if it had not been interrupted, bit for bit.
  uint64_t fingerprint() const { return fingerprint_; }
  // Bytes of weights in memory of their own, and used where their file is mapped.
  uint64_t owned_weight_bytes() const;
  uint64_t mapped_weight_bytes() const;

  // For a model opened without weights: sets scheme and placement as load() would. kUsage as load().
  Result<void> choose_scheme(const std::string& asked);

 private:
  Model() = default;
  Result<void> open_folder(bool tokenizer);
  Result<void> open_gguf(bool tokenizer);
  Result<void> take_tokenizer(Result<Tokenizer> tokenizer, const std::string& path);
  Result<void> compute_fingerprint();

  std::string name_, folder_;
  std::optional<std::string> inner_template_;  // of a .gguf file
  ModelConfig config_;
  GenerationConfig generation_config_;
  std::optional<Tokenizer> tokenizer_;
  std::unique_ptr<TensorSource> source_;
  Scheme scheme_;
  std::optional<Placement> asked_placement_;
  Placement placement_ = Placement::kMapped;
  std::string scheme_reason_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<ThreadTeam> team_;
  kernels::KernelTable kernels_ = {};
  double load_seconds_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace gemma
