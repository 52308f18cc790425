// save_state and load_state: a JSON object, each number with all the digits that make it the same double
// again.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/evaluation/perplexity.h"
#include "loader/file.h"
#include "loader/json.h"
#include "loader/replace_file.h"

namespace gemma {
namespace {

constexpr int kSchema = 1;

nlohmann::json to_json(const Moments& m) {
  return {{"count", m.count}, {"sum", m.sum}, {"mean", m.mean}, {"squares", m.squares}};
}
nlohmann::json to_json(const ClusterMoments& m) {
  return {{"clusters", m.clusters}, {"sizes", m.sizes}, {"sums", m.sums},
          {"sizes2", m.sizes2},     {"sums2", m.sums2}, {"products", m.products}};
}

// Fields of a state, any missing or of another type noted.
class Reader {
 public:
  explicit Reader(const nlohmann::json& json) : json_(json) {}
  void read(const char* key, double& to) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number()) return miss(key);
    to = found->get<double>();
  }
  void read(const char* key, uint64_t& to) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number_unsigned()) return miss(key);
    to = found->get<uint64_t>();
  }
  void read(const char* key, Moments& to) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_object()) return miss(key);
    Reader in(*found);
    in.read("count", to.count);
    in.read("sum", to.sum);
    in.read("mean", to.mean);
    in.read("squares", to.squares);
    if (!in.missing_.empty()) miss(key);
  }
  void read(const char* key, ClusterMoments& to) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_object()) return miss(key);
    Reader in(*found);
    in.read("clusters", to.clusters);
    in.read("sizes", to.sizes);
    in.read("sums", to.sums);
    in.read("sizes2", to.sizes2);
    in.read("sums2", to.sums2);
    in.read("products", to.products);
    if (!in.missing_.empty()) miss(key);
  }
  const std::string& missing() const { return missing_; }

 private:
  void miss(const char* key) {
    if (missing_.empty()) missing_ = key;
  }
  const nlohmann::json& json_;
  std::string missing_;
};

}  // namespace

std::string perplexity_identity(const Session& session, const EvaluationPlan& plan) {
  const Model& model = session.model();
  return fmt::format(
      "model {:016x}; tokenizer {:016x}; text {:016x}; windows {:016x}; definition {}; kv {}; kernels {}",
      model.fingerprint(), model.tokenizer() == nullptr ? 0 : model.tokenizer()->fingerprint(),
      plan.text_hash, plan.token_hash, to_string(plan.options.definition),
      static_cast<int>(*session.options().kv_type), kernels::to_string(model.kernels().isa));
}

Result<void> save_state(const std::string& path, const std::string& identity, const PerplexityState& state) {
  const nlohmann::json json = {{"schema", kSchema},
                               {"identity", identity},
                               {"windows", state.windows},
                               {"inputs", state.inputs},
                               {"seconds", state.seconds},
                               {"tokens", to_json(state.tokens)},
                               {"fresh", to_json(state.fresh)},
                               {"window_means", to_json(state.window_means)},
                               {"perplexities", to_json(state.perplexities)},
                               {"clusters", to_json(state.clusters)},
                               {"fresh_clusters", to_json(state.fresh_clusters)},
                               {"weighted", state.weighted},
                               {"weights", state.weights}};
  return replace_file(path, json.dump(1) + "\n");
}

Result<PerplexityState> load_state(const std::string& path, const std::string& identity) {
  constexpr uint64_t kLargest = uint64_t{1} << 20;
  PerplexityState state;
  Result<std::string> text = read_text(path, kLargest);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return state;
    return fail(std::move(text.error()));
  }
  Result<nlohmann::json> json = parse_json(*text, path);
  if (!json) return fail(std::move(json.error()));
  const bool ours = json->is_object() && json->contains("schema") && (*json)["schema"] == kSchema &&
                    json->contains("identity") && (*json)["identity"].is_string();
  if (!ours) {
    return fail(ErrorCode::kInvalidFile, path, "this is no saved state of gemma-eval perplexity",
                "give another --resume FILE, or remove it to begin anew");
  }
  const std::string found = (*json)["identity"].get<std::string>();
  if (found != identity) {
    return fail(
        ErrorCode::kMismatch, path,
        fmt::format("it belongs to another run: expected {}, found {}", identity, found.substr(0, 400)),
        "the same command continues it; remove the file to begin anew");
  }
  Reader in(*json);
  in.read("windows", state.windows);
  in.read("inputs", state.inputs);
  in.read("seconds", state.seconds);
  in.read("tokens", state.tokens);
  in.read("fresh", state.fresh);
  in.read("window_means", state.window_means);
  in.read("perplexities", state.perplexities);
  in.read("clusters", state.clusters);
  in.read("fresh_clusters", state.fresh_clusters);
  in.read("weighted", state.weighted);
  in.read("weights", state.weights);
  if (!in.missing().empty()) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("field \"{}\" is missing or of another type", in.missing()),
                "remove the file to begin anew");
  }
  return state;
}

}  // namespace gemma
