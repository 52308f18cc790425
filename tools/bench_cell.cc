#include "tools/bench_cell.h"

#include <algorithm>
#include <chrono>

#include "engine/decode_traffic.h"
#include "engine/machine_limits.h"
#include "engine/memory_inventory.h"
#include "engine/process_memory.h"
#include "kernels/reductions.h"
#include "tools/spread_tokens.h"

namespace gemma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// The longest stretch of the model's weights in memory, 2 GiB of it at most; nothing if the caches hold it.
// Blocks with less than a page between them are one stretch: what lies between is on a page of one of them.
std::span<const std::byte> longest_stretch(const Model& model) {
  constexpr size_t kMost = size_t{2} << 30, kPage = 4096;
  std::vector<MemoryRange> ranges = list_memory(model, nullptr);
  std::erase_if(ranges, [](const MemoryRange& range) { return range.part != MemoryPart::kWeights; });
  std::sort(ranges.begin(), ranges.end(),
            [](const MemoryRange& a, const MemoryRange& b) { return a.begin < b.begin; });
  std::span<const std::byte> longest, open;
  for (const MemoryRange& range : ranges) {
    const auto* begin = static_cast<const std::byte*>(range.begin);
    const bool near = !open.empty() && begin < open.data() + open.size() + kPage;
    open = near ? std::span(open.data(), begin + range.bytes) : std::span(begin, range.bytes);
    if (open.size() > longest.size()) longest = open;
  }
  // Decoding reads the same bytes: what the caches keep of them helps both alike.
  if (longest.size() < 2 * last_cache_bytes()) return {};
  return longest.first(std::min(longest.size(), kMost));
}

}  // namespace

Result<CellRunner> CellRunner::create(const Model& model, const BenchShape& shape, const BenchGrid& grid) {
  SessionOptions options;
  options.context = shape.depth + shape.prompt_tokens + shape.new_tokens;
  options.chunk = grid.chunk;
  options.kv_type = grid.kv_type;
  options.all_layers = shape.all_layers;
  Result<Session> session = Session::create(model, options);
  if (!session) return fail(std::move(session.error()));
  CellRunner runner(std::move(*session), shape);
  const size_t vocab = model.config().vocab_size;
  std::vector<int32_t> ids = spread_tokens(shape.depth + shape.prompt_tokens, vocab);
  if (shape.depth > 0) {
    Result<void> filled = runner.session_.prefill(std::span(ids).first(shape.depth));
    if (!filled) return fail(std::move(filled.error()));
    Result<Snapshot> start = runner.session_.snapshot();
    if (!start) return fail(std::move(start.error()));
    runner.start_ = std::move(*start);
  }
  runner.prompt_.assign(ids.begin() + static_cast<ptrdiff_t>(shape.depth), ids.end());

  BenchCell& cell = runner.cell_;
  cell.key = {model.name(),        to_string(model.scheme()), model.team().size(),
              shape.prompt_tokens, shape.new_tokens,          shape.depth,
              shape.all_layers};
  cell.kernels = kernels::to_string(model.kernels().isa);
  const kernels::KvType kv = *runner.session_.options().kv_type;
  cell.kv_type = kernels::to_string(kv);
  Result<std::vector<PlannedWeight>> weights =
      plan_weights(model.config(), model.scheme(), model.source(), model.placement(), model.kernels());
  if (!weights) return fail(std::move(weights.error()));
  cell.weight_bytes_per_token = weight_bytes_per_token(model.config(), *weights);
  if (grid.limits) runner.weights_ = longest_stretch(model);
  cell.kv_bytes_per_token =
      kv_bytes_per_token(model.config(), kv, shape.depth + shape.prompt_tokens + shape.new_tokens / 2);
  return runner;
}

Result<void> CellRunner::go_to_start() {
  if (start_) return session_.restore(*start_);
  session_.reset();
  return {};
}

Result<void> CellRunner::run(bool record, EnergyMeter& energy) {
  Result<void> ready = go_to_start();
  if (!ready) return ready;
  std::vector<double> gaps;
  gaps.reserve(shape_.new_tokens);
  reset_peak_resident();

  const Clock::time_point begin = Clock::now();
  Result<std::span<const float>> logits = session_.extend(prompt_);
  const Clock::time_point prefilled = Clock::now();
  if (!logits) return fail(std::move(logits.error()));
  const auto likeliest = [&] { return static_cast<int32_t>(kernels::argmax(*logits, session_.peaks())); };
  int32_t token = likeliest();
  const Clock::time_point first = Clock::now();
  energy.take();
  Clock::time_point last = first;
  for (size_t i = 1; i < shape_.new_tokens; ++i) {
    logits = session_.decode(token);
    if (!logits) return fail(std::move(logits.error()));
    token = likeliest();
    const Clock::time_point now = Clock::now();
    gaps.push_back(seconds_between(last, now));
    last = now;
  }
  if (!record) return {};

  const std::optional<double> joules = energy.take();
  const double to_first = seconds_between(begin, first), decode = seconds_between(first, last);
  measured_seconds_ += to_first + decode;
  cell_.of(Metric::kTimeToFirstToken).push_back(to_first);
  cell_.of(Metric::kPrefillRate)
      .push_back(static_cast<double>(prompt_.size()) / seconds_between(begin, prefilled));
  cell_.of(Metric::kEndToEnd).push_back(to_first + decode);
  if (!gaps.empty()) {
    const double n = static_cast<double>(gaps.size());
    cell_.of(Metric::kTimePerOutputToken).push_back(decode / n);
    cell_.of(Metric::kDecodeRate).push_back(n / decode);
    if (!weights_.empty()) {
      reads_.push_back(read_each_way(weights_, session_.model().team()));
      cell_.reads_between_runs = best_column(reads_);
    }
    std::vector<double>& all = cell_.of(Metric::kInterTokenLatency);
    all.insert(all.end(), gaps.begin(), gaps.end());
    if (joules) {
      joules_ += *joules;
      joules_tokens_ += gaps.size();
      cell_.joules_per_token = joules_ / static_cast<double>(joules_tokens_);
    }
  }
  cell_.peak_resident_bytes = std::max(cell_.peak_resident_bytes, process_memory().peak_resident_bytes);
  return {};
}

}  // namespace gemma
