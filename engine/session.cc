#include "engine/session.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr size_t kDefaultContext = 4096;
constexpr size_t kLargestChunk = 4096;

}  // namespace

Result<SessionOptions> Session::resolve(const ModelConfig& config, const Scheme& scheme,
                                        const SessionOptions& asked) {
  SessionOptions options = asked;
  if (options.context == 0) options.context = std::min(config.max_positions, kDefaultContext);
  if (options.context > config.max_positions) {
    return fail(
        ErrorCode::kUsage, "context",
        fmt::format("{} tokens asked for, the model was made for {}", options.context, config.max_positions),
        "take a smaller --context");
  }
  if (options.chunk == 0 || options.chunk > kLargestChunk) {
    return fail(ErrorCode::kUsage, "chunk",
                fmt::format("expected 1 to {}, found {}", kLargestChunk, options.chunk));
  }
  options.chunk = std::min(options.chunk, options.context);
  options.rollback = std::min(options.rollback, options.context);
  if (!options.kv_type) options.kv_type = scheme.default_kv_type();
  return options;
}

Result<uint64_t> Session::plan_bytes(const Model& model, const SessionOptions& asked) {
  const ModelConfig& config = model.config();
  Result<SessionOptions> options = resolve(config, model.scheme(), asked);
  if (!options) return fail(std::move(options.error()));
  const KvCacheOptions cache{options->context, options->chunk, options->rollback, *options->kv_type};
  return KvCache::plan_bytes(config, cache) +
         Forward::plan_bytes(config, options->chunk, options->context, model.team().size());
}

Result<Session> Session::create(const Model& model, const SessionOptions& asked) {
  const ModelConfig& config = model.config();
  Result<SessionOptions> resolved = resolve(config, model.scheme(), asked);
  if (!resolved) return fail(std::move(resolved.error()));
  Session session;
  session.model_ = &model;
  const SessionOptions& options = session.options_ = *resolved;

  Result<uint64_t> bytes = plan_bytes(model, options);
  if (!bytes) return fail(std::move(bytes.error()));
  Result<void> room = check_memory(*bytes, fmt::format("a session of {} tokens", options.context));
  if (!room) return fail(std::move(room.error()));
  const KvCacheOptions cache_options{options.context, options.chunk, options.rollback, *options.kv_type};
  Result<KvCache> cache = KvCache::create(config, cache_options);
  if (!cache) return fail(std::move(cache.error()));
  session.cache_ = std::move(*cache);
  Result<Forward> forward =
      Forward::create(config, model.weights(), model.team(), model.kernels(), options.chunk, options.context);
  if (!forward) return fail(std::move(forward.error()));
  session.forward_ = std::move(*forward);
  session.tokens_.reserve(options.context);
  return session;
}

uint64_t Session::scratch_bytes() const {
  return Forward::plan_bytes(model_->config(), options_.chunk, options_.context, model_->team().size());
}

void Session::list_memory(std::vector<MemoryRange>& ranges) const {
  cache_.list_memory(model_->config(), ranges);
  forward_.list_memory(ranges);
}

Result<void> Session::run(std::span<const int32_t> tokens, size_t logits_from, const LogitsSink* on_logits,
                          const HiddenSink* on_hidden) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const size_t vocab = model_->config().vocab_size;
    if (tokens[i] < 0 || static_cast<size_t>(tokens[i]) >= vocab) {
      return fail(ErrorCode::kUsage, fmt::format("token {}", i),
                  fmt::format("expected an id from 0 to {}, found {}", vocab - 1, tokens[i]),
                  "were these ids made with this model's tokenizer?");
    }
  }
  if (tokens.size() > options_.context - position()) {
    return fail(ErrorCode::kUsage, "context",
                fmt::format("{} tokens do not fit behind the {} already there: the context holds {}",
                            tokens.size(), position(), options_.context),
                "shorten the prompt or take a larger --context");
  }
  for (size_t begin = 0; begin < tokens.size(); begin += options_.chunk) {
    const std::span<const int32_t> chunk =
        tokens.subspan(begin, std::min(options_.chunk, tokens.size() - begin));
    ChunkRequest request;
    request.tokens = chunk;
    request.position = position();
    request.logits_from = logits_from <= begin ? 0 : std::min(logits_from - begin, chunk.size());
    request.on_logits = request.logits_from < chunk.size() ? on_logits : nullptr;
    request.on_hidden = on_hidden;
    request.all_layers = options_.all_layers;
    request.observer = options_.observer;
    // A chunk that fails half-way has overwritten ring slots behind its positions; count them as written.
    furthest_ = std::max(furthest_, position() + chunk.size());
    Result<void> ran = forward_.run(request, cache_);
    if (!ran) return ran;
    tokens_.insert(tokens_.end(), chunk.begin(), chunk.end());
  }
  return {};
}

Result<void> Session::prefill(std::span<const int32_t> tokens) {
  return run(tokens, tokens.size(), nullptr, nullptr);
}

Result<std::span<const float>> Session::extend(std::span<const int32_t> tokens) {
  if (tokens.empty()) return fail(ErrorCode::kUsage, "prompt", "expected at least one token, found none");
  std::span<const float> last;
  const LogitsSink keep = [&](size_t, std::span<const float> logits) { last = logits; };
  Result<void> ran = run(tokens, tokens.size() - 1, &keep, nullptr);
  if (!ran) return fail(std::move(ran.error()));
  return last;
}

Result<void> Session::evaluate(std::span<const int32_t> tokens, size_t logits_from,
                               const LogitsSink& on_logits, const HiddenSink& on_hidden) {
  return run(tokens, logits_from, on_logits ? &on_logits : nullptr, on_hidden ? &on_hidden : nullptr);
}

// The oldest position whose key a next token at `position` would read from a ring.
size_t Session::oldest_needed(size_t position) const {
  const size_t window = model_->config().sliding_window;
  return position + 1 > window ? position + 1 - window : 0;
}

Result<void> Session::rollback(size_t position) {
  if (position > tokens_.size()) {
    return fail(
        ErrorCode::kUsage, "rollback",
        fmt::format("cannot go forward: {} tokens are there, {} asked for", tokens_.size(), position));
  }
  if (position == 0) {
    reset();
    return {};
  }
  // A ring holds the last `slots` positions ever written; anything older has been overwritten.
  size_t oldest_kept = 0;
  const std::vector<LayerConfig>& layers = model_->config().layers;
  for (size_t i = 0; i < layers.size(); ++i) {
    const size_t slots = cache_.layer(i).slots;
    if (slots != 0 && !layers[i].full_attention && furthest_ > slots) {
      oldest_kept = std::max(oldest_kept, furthest_ - slots);
    }
  }
  if (oldest_needed(position) < oldest_kept) {
    return fail(
        ErrorCode::kUsage, "rollback",
        fmt::format("from {} back to {} tokens is further than the {} that a sliding window was kept for",
                    furthest_, position, options_.rollback),
        fmt::format("reset the session and prefill the {} tokens again", position));
  }
  tokens_.resize(position);
  return {};
}

void Session::reset() {
  tokens_.clear();
  furthest_ = 0;
}

size_t Session::common_prefix(std::span<const int32_t> tokens) const {
  const auto end = std::mismatch(tokens_.begin(), tokens_.end(), tokens.begin(), tokens.end());
  return static_cast<size_t>(end.first - tokens_.begin());
}

Result<Snapshot> Session::snapshot() const {
  Result<Buffer> bytes = Buffer::allocate(cache_.serialized_bytes(position()), "session snapshot");
  if (!bytes) return fail(std::move(bytes.error()));
  cache_.serialize(position(), bytes->data());
  return Snapshot{tokens_, furthest_, std::move(*bytes)};
}

Result<void> Session::restore(const Snapshot& snapshot) {
  const size_t expected = cache_.serialized_bytes(snapshot.tokens.size());
  if (snapshot.tokens.size() > options_.context || snapshot.cache.bytes() != expected) {
    return fail(ErrorCode::kMismatch, "session snapshot",
                fmt::format("expected {} bytes for {} tokens in a context of {}, found {}", expected,
                            snapshot.tokens.size(), options_.context, snapshot.cache.bytes()),
                "restore into a session of the same model, context, chunk, rollback and KV type");
  }
  cache_.deserialize(snapshot.tokens.size(), snapshot.cache.data());
  tokens_ = snapshot.tokens;
  furthest_ = snapshot.furthest;
  return {};
}

Result<void> Session::copy_from(const Session& other) {
  if (model_ != other.model_ || options_.context != other.options_.context ||
      options_.chunk != other.options_.chunk || options_.rollback != other.options_.rollback ||
      options_.kv_type != other.options_.kv_type) {
    return fail(ErrorCode::kMismatch, "session", "the two sessions differ in model or options");
  }
  cache_.copy_from(other.cache_, other.position());
  tokens_ = other.tokens_;
  furthest_ = other.furthest_;
  return {};
}

}  // namespace gemma
