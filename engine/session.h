// One sequence: its tokens, its keys and values, its place in them. Prefill in chunks, decode, take tokens
// back, remember and restore. Whatever the way to a state, the logits that follow are the same bits.
//
//   Result<Session> session = Session::create(model, {});
//   session->prefill(prompt);                                  // all but what decode adds
//   Result<std::span<const float>> logits = session->decode(last);
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/forward.h"
#include "engine/memory_range.h"
#include "engine/model.h"

namespace gemma {

struct SessionOptions {
  size_t context = 0;                           // positions; 0: the model's own, 4096 at most
  size_t chunk = 256;                           // tokens of one forward pass in prefill; 1..4096
  size_t rollback = 256;                        // tokens that rollback() can take back
  std::optional<kernels::KvType> kv_type = {};  // default: f32 under f32 and fake schemes, else f16
  ActivationObserver* observer = nullptr;       // sees what every matrix multiplies; must outlive the session
  // Every layer for every position, though nothing reads the last ones: what an engine without the short
  // prefill does. The results are the same bits; for measuring.
  bool all_layers = false;
};

// A copy of a sequence's state, good for any session with the same model and options.
struct Snapshot {
  std::vector<int32_t> tokens;
  size_t furthest = 0;  // one past the newest position ever written
  Buffer cache;
};

class Session {
 public:
  // kUsage for options out of range or a context beyond the model's positions; kResource if the memory is not
  // there (checked before allocating). The model must outlive the session.
  static Result<Session> create(const Model& model, const SessionOptions& options);
  // The options as create() takes them for such a model: defaults filled in, checked. kUsage.
  static Result<SessionOptions> resolve(const ModelConfig& config, const Scheme& scheme,
                                        const SessionOptions& options);

  // What create() checks for room: keys and values, activations and scratch. The model's scheme must be
  // chosen; its weights are not looked at. kUsage as create().
  static Result<uint64_t> plan_bytes(const Model& model, const SessionOptions& options);

  const Model& model() const { return *model_; }
  const SessionOptions& options() const { return options_; }  // resolved: context and kv_type are set
  size_t position() const { return tokens_.size(); }
  size_t context() const { return options_.context; }
  std::span<const int32_t> tokens() const { return tokens_; }

  // Appends tokens without computing logits. kUsage, and nothing changed, if an id is outside the vocabulary
  // or the context would overflow.
  Result<void> prefill(std::span<const int32_t> tokens);
  // Appends tokens and returns the logits (vocab_size) after the last; valid until the next call. Not empty.
  Result<std::span<const float>> extend(std::span<const int32_t> tokens);
  // Of the logits that extend() or decode() returned last, their peaks (kernels/reductions.h).
  std::span<const float> peaks() const { return forward_.peaks(); }
  Result<std::span<const float>> decode(int32_t token) { return extend({&token, 1}); }
  // Appends tokens and hands out the logits of every position from `logits_from` (index into `tokens`) on,
  // and, if on_hidden is set, the residual stream of every position after every layer.
  Result<void> evaluate(std::span<const int32_t> tokens, size_t logits_from, const LogitsSink& on_logits,
                        const HiddenSink& on_hidden = nullptr);

  // Goes back to `position` tokens. Within SessionOptions::rollback of the furthest position reached (or to
  // 0) always possible; beyond, kUsage says how many tokens to prefill again after reset().
  Result<void> rollback(size_t position);
  void reset();
  // Tokens that both sequences begin with.
  size_t common_prefix(std::span<const int32_t> tokens) const;

  Result<Snapshot> snapshot() const;
  Result<void> restore(const Snapshot& snapshot);
  // Becomes a copy of another session of the same model and options.
  Result<void> copy_from(const Session& other);

  // The state in a file: written to a temporary name, synced, renamed; checked by length, checksum and the
  // fingerprint of model, scheme and KV type, so that no other model's state can be taken for ours.
  Result<void> save(const std::string& path) const;
  Result<void> load(const std::string& path);

  uint64_t kv_reserved_bytes() const { return cache_.reserved_bytes(); }
  uint64_t kv_used_bytes() const { return cache_.used_bytes(position()); }
  uint64_t scratch_bytes() const;
  // Every block this session holds.
  void list_memory(std::vector<MemoryRange>& ranges) const;

 private:
  Result<void> run(std::span<const int32_t> tokens, size_t logits_from, const LogitsSink* on_logits,
                   const HiddenSink* on_hidden);
  size_t oldest_needed(size_t position) const;

  const Model* model_ = nullptr;
  SessionOptions options_;
  KvCache cache_;
  Forward forward_;
  std::vector<int32_t> tokens_;
  size_t furthest_ = 0;  // one past the newest position ever written since the last reset
};

}  // namespace gemma
