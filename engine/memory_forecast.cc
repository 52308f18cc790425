#include "engine/memory_forecast.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/forward_plan.h"
#include "engine/matrix_builder.h"
#include "engine/row_packer.h"
#include "engine/weight_plan.h"

namespace gemma {
namespace {

class Forecast {
 public:
  void add(const MemoryLine& line) {
    MemoryLine& sum = lines_[{line.part, line.tensor_class, line.layer ? *line.layer + 1 : 0, line.mapped}];
    const uint64_t reserved = sum.reserved_bytes + line.reserved_bytes;
    const uint64_t resident = sum.resident_bytes + line.resident_bytes;
    sum = line;
    sum.reserved_bytes = reserved;
    sum.resident_bytes = resident;
  }

  void buffer(MemoryPart part, std::optional<size_t> layer, uint64_t bytes, uint64_t resident) {
    add({.part = part, .layer = layer, .reserved_bytes = bytes, .resident_bytes = std::min(bytes, resident)});
  }

  std::vector<MemoryLine> take() const {
    std::vector<MemoryLine> all;
    for (const auto& [key, line] : lines_) all.push_back(line);
    return all;
  }

 private:
  // By part, class, layer + 1 or 0 (GCC 12 takes comparing an optional for a mistake), mapped.
  std::map<std::tuple<MemoryPart, TensorClass, size_t, bool>, MemoryLine> lines_;
};

// Weights, and the rows on their way into them: as stored, as float32 and as levels, for each thread. The
// allocator keeps that memory; what it has kept already (`slack`) serves for it.
void add_weights(const Model& model, const std::vector<PlannedWeight>& weights, uint64_t slack,
                 Forecast& forecast) {
  uint64_t built = 0;  // most elements that a thread reads at a time
  for (const PlannedWeight& weight : weights) {
    MemoryLine line{.part = MemoryPart::kWeights, .tensor_class = weight.tensor_class, .layer = weight.layer};
    line.mapped = weight.mapped_bytes > 0;
    // Every weight is read: what is mapped will be resident too.
    line.reserved_bytes = line.resident_bytes = weight.owned_bytes + weight.mapped_bytes;
    forecast.add(line);
    if (line.mapped || weight.owned_bytes == 0) continue;
    const TensorInfo* tensor = model.source().find(weight.name);
    if (tensor == nullptr) continue;
    const uint64_t step = uint64_t{rows_per_step(tensor->columns())} * tensor->columns();
    built = std::max(built, std::min<uint64_t>(step, tensor->elements()));
  }
  constexpr uint64_t kBytesPerElement = 2 + sizeof(float) + 1;
  const uint64_t rows = built * kBytesPerElement * model.team().size();
  const uint64_t more = rows - std::min(rows, slack);
  forecast.add({.part = MemoryPart::kAllocator, .reserved_bytes = more, .resident_bytes = more});
}

// Keys and values: each head has its own run of slots, filled from the start.
void add_kv(const ModelConfig& config, const SessionOptions& session, size_t tokens, Forecast& forecast) {
  const KvCacheOptions options{session.context, session.chunk, session.rollback, *session.kv_type};
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    const uint64_t slots = KvCache::plan_slots(config, layer, options);
    if (slots == 0) continue;
    const MemoryPart part = layer.full_attention ? MemoryPart::kKvFull : MemoryPart::kKvSliding;
    const KvRowBytes row = kv_row_bytes(options.type, layer.head_dim);
    for (const uint64_t slot : {row.numbers, row.scale}) {
      const uint64_t bytes = slots * slot * layer.kv_heads;
      if (bytes == 0) continue;
      const uint64_t filled = std::min<uint64_t>(tokens, slots) * slot;
      uint64_t resident = 0;  // a page that two heads share counts once, hence the minimum in buffer()
      for (size_t head = 0; head < layer.kv_heads; ++head) resident += resident_once_touched(bytes, filled);
      for (int both = 0; both < 2; ++both) forecast.buffer(part, i, bytes, resident);
    }
  }
}

// Where the numbers of gate and up are (forward_plan.h): of some layers in pieces, of others whole. As if gate
// and up read the same levels.
struct GateNumbers {
  bool in_pieces = false, whole = false;
};

GateNumbers gate_numbers(const Model& model, const std::vector<PlannedWeight>& weights, size_t prompt) {
  const ModelConfig& config = model.config();
  GateNumbers found;
  for (const PlannedWeight& weight : weights) {
    if (weight.tensor_class != TensorClass::kMlp || !weight.name.ends_with("mlp.down_proj.weight")) continue;
    const size_t width = config.layers[*weight.layer].intermediate_size;
    const Grain grain = gate_grain(width, config.hidden_size, prompt, model.team().size());
    InputFormat levels = input_format(weight.scheme, width);
    // Static scales are read with the weights.
    if (weight.scheme.activation == ActivationLevels::kStatic)
      levels.kind = kernels::ActivationKind::kInt8Static;
    (passes_gate(levels, prompt, grain) ? found.in_pieces : found.whole) = true;
  }
  return found;
}

void add_scratch(const Model& model, const SessionOptions& session, const std::vector<PlannedWeight>& weights,
                 size_t prompt, size_t tokens, Forecast& forecast) {
  using Rows = Forward::PlannedBuffer::Rows;
  const ModelConfig& config = model.config();
  const size_t threads = model.team().size();
  const GateNumbers gates = gate_numbers(model, weights, prompt);
  for (const Forward::PlannedBuffer& planned :
       Forward::plan(config, session.chunk, session.context, threads)) {
    const uint64_t row = uint64_t{planned.row_floats} * sizeof(float);
    const uint64_t bytes = planned.rows * row;
    uint64_t resident = 0;
    switch (planned.counts) {
      case Rows::kTokens:
        resident = resident_once_touched(bytes, prompt * row);
        break;
      case Rows::kThreads:
        resident = resident_once_touched(bytes, bytes);
        break;
      case Rows::kGates: {  // in pieces: what is left is decoding and the router's scores
        const uint64_t few = std::max<uint64_t>(row, prompt * config.experts * sizeof(float));
        resident = resident_once_touched(bytes, gates.whole ? prompt * row : few);
        break;
      }
      case Rows::kPieces:
        resident = resident_once_touched(bytes, gates.in_pieces ? bytes : 0);
        break;
      case Rows::kPositions:
        resident = resident_once_touched(bytes, bytes / session.context * tokens);
        break;
      case Rows::kLogits:  // one position at a time
        resident = resident_once_touched(bytes, row);
        break;
    }
    forecast.buffer(planned.part, std::nullopt, bytes, resident);
  }
  bool fake = false, quantized = false, fixed = false, unpacked = false;
  for (const ClassScheme& scheme : model.scheme().all()) {
    const bool inputs = scheme.activation != ActivationLevels::kNone;
    fake = fake || (scheme.fake && inputs);
    quantized = quantized || inputs;
    fixed = fixed || scheme.activation == ActivationLevels::kStatic;
    unpacked = unpacked || (scheme.weight == WeightKind::kLevels && !scheme.fake && !scheme.integer);
  }
  const auto scratch = [&](uint64_t bytes, bool written) {
    const uint64_t touched = written ? bytes / std::max<size_t>(session.chunk, 1) * prompt : 0;
    forecast.buffer(MemoryPart::kScratch, std::nullopt, bytes, resident_once_touched(bytes, touched));
  };
  for (const LinearScratch::Plan& plan : Forward::linear_plans(config, session.chunk, threads)) {
    scratch(plan.fake, fake);
    scratch(plan.levels, quantized);
    scratch(plan.scales, quantized);
    scratch(plan.sums, quantized);
    scratch(plan.totals, fixed);
    forecast.buffer(MemoryPart::kScratch, std::nullopt, plan.unpacked,
                    resident_once_touched(plan.unpacked, unpacked ? plan.unpacked : 0));
  }
}

}  // namespace

uint64_t MemoryForecast::resident(MemoryPart part) const {
  uint64_t bytes = 0;
  for (const MemoryLine& line : lines) bytes += line.part == part ? line.resident_bytes : 0;
  return bytes;
}

Result<MemoryForecast> forecast_memory(const Model& model, const ForecastOptions& options) {
  Result<SessionOptions> session = Session::resolve(model.config(), model.scheme(), options.session);
  if (!session) return fail(std::move(session.error()));
  MemoryForecast made;
  made.session = *session;
  made.tokens = std::min(options.tokens.value_or(session->context), session->context);
  const size_t prompt = std::min(options.prompt.value_or(session->chunk), session->chunk);
  Result<MemoryReport> now = memory_report(model, nullptr);
  if (!now) return fail(std::move(now.error()));
  Forecast forecast;
  for (const MemoryLine& line : now->lines) forecast.add(line);
  Result<std::vector<PlannedWeight>> weights =
      plan_weights(model.config(), model.scheme(), model.source(), model.placement(), model.kernels());
  if (!weights) return fail(std::move(weights.error()));
  add_weights(model, *weights, now->resident(MemoryPart::kAllocator), forecast);
  add_kv(model.config(), *session, made.tokens, forecast);
  add_scratch(model, *session, *weights, prompt, made.tokens, forecast);
  made.lines = forecast.take();
  for (const MemoryLine& line : made.lines) made.resident_bytes += line.resident_bytes;
  made.ple_file_bytes = now->ple_file_bytes;
  return made;
}

}  // namespace gemma
