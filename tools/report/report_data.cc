#include "tools/report/report_data.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/report/json_place.h"

namespace gemma {
namespace {

constexpr char kKinds[] =
    "a document of gemma-eval (comparison, perplexity, layers, sensitivity, accuracy, memory) or gemma-bench";

VariantName name_of(const JsonPlace& place) {
  return {place.at("model").text(), place.at("scheme").text()};
}

TextCut cut_of(const JsonPlace& place, std::string_view tokens) {
  const JsonPlace text = place.at("text");
  TextCut cut;
  cut.path = text.at("path").text();
  cut.text_hash = text.at("hash").text();
  cut.token_hash = place.at("token_hash").text();
  cut.definition = place.at("definition").text();
  cut.max_length = place.at("max_length").count();
  cut.windows = place.at("windows").count();
  if (!tokens.empty()) cut.tokens = place.at(tokens).count();
  return cut;
}

void read_pair(const JsonPlace& pair, ComparedVariant& variant) {
  variant.perplexity = {pair.at("perplexity").number(), pair.at("standard_error").number()};
  variant.ratio = {pair.at("ratio").number(), pair.at("ratio_standard_error_windows").number()};
  // With one window there is no spread of windows.
  if (!(variant.ratio.error > 0)) variant.ratio.error = pair.at("ratio_standard_error").number();
  const JsonPlace divergence = pair.at("kl_divergence");
  variant.divergence = {divergence.at("mean").number(), divergence.at("standard_error").number()};
  variant.divergence_max = divergence.at("max").number();
  for (const double percentile : {50.0, 90.0, 99.0, 99.9}) {
    variant.divergence_percentiles.emplace_back(
        percentile, divergence.at("percentiles").at(fmt::format("{:g}", percentile)).number());
  }
  variant.same_top = pair.at("same_top").number();
  const std::vector<JsonPlace> interval = pair.at("same_top_interval").items();
  if (interval.size() != 2) return pair.at("same_top_interval").expected("a list of two numbers");
  variant.same_top_interval = {interval[0].number(), interval[1].number()};
}

void read_comparison(const JsonPlace& top, ReportData& data) {
  ComparisonData comparison;
  comparison.source = data.sources.size() - 1;
  comparison.cut = cut_of(top, "tokens");
  for (const JsonPlace& model : top.at("models").items()) {
    ComparedVariant variant;
    variant.name = name_of(model);
    variant.rate = model.at("tokens_per_second").number();
    variant.decode_rate = model.at("decode_tokens_per_second").number();
    variant.weight_bytes = model.at("weight_bytes").count();
    variant.kv_bytes = model.at("kv_bytes").count();
    variant.scratch_bytes = model.at("scratch_bytes").count();
    if (comparison.variants.empty()) {
      variant.perplexity = {model.at("perplexity").number(), model.at("standard_error").number()};
    } else {
      read_pair(model.at("against_base"), variant);
    }
    comparison.variants.push_back(std::move(variant));
  }
  if (comparison.variants.empty()) top.at("models").expected("a base, at least");
  comparison.missed = top.at("missed").texts();
  data.comparisons.push_back(std::move(comparison));
}

void read_perplexity(const JsonPlace& top, ReportData& data) {
  PerplexityData one;
  one.source = data.sources.size() - 1;
  one.name = name_of(top);
  one.cut = cut_of(top, "scored_tokens");
  one.perplexity = {top.at("perplexity").number(), top.at("standard_error_windows").number()};
  if (!(one.perplexity.error > 0)) one.perplexity.error = top.at("standard_error").number();
  one.rate = top.at("tokens_per_second").number();
  data.perplexities.push_back(std::move(one));
}

LayersData::Row difference_of(const JsonPlace& place) {
  return {place.at("max_abs").number(), place.at("relative_l2").number(), place.at("cosine").number(),
          place.at("snr_db").number()};
}

void read_layers(const JsonPlace& top, ReportData& data) {
  LayersData one;
  one.source = data.sources.size() - 1;
  one.model = top.at("model").text();
  one.base = top.at("base").text();
  one.scheme = top.at("scheme").text();
  one.text_path = top.at("text").at("path").text();
  for (const JsonPlace& layer : top.at("layers").items()) one.layers.push_back(difference_of(layer));
  one.logits = difference_of(top.at("logits"));
  const JsonPlace divergence = top.at("kl_divergence");
  one.divergence = {divergence.at("mean").number(), divergence.at("standard_error").number()};
  data.layers.push_back(std::move(one));
}

void read_sensitivity(const JsonPlace& top, ReportData& data) {
  SensitivityData one;
  one.source = data.sources.size() - 1;
  one.model = top.at("model").text();
  one.base = top.at("base").text();
  one.scheme = top.at("scheme").text();
  one.by_layer = top.has("groups") && top.at("groups").text() == "layers";
  for (const JsonPlace& place : top.at("classes").items()) {
    const JsonPlace cost = place.at("against_base");
    const JsonPlace divergence = cost.at("kl_divergence");
    std::optional<size_t> layer;
    if (one.by_layer && place.has("layer")) layer = place.at("layer").count();
    one.classes.push_back({place.at("class").text(),
                           place.at("scheme").text(),
                           layer,
                           place.at("weights").count(),
                           {divergence.at("mean").number(), divergence.at("standard_error").number()},
                           {cost.at("ratio").number(), cost.at("ratio_standard_error").number()},
                           cost.at("same_top").number()});
  }
  data.sensitivities.push_back(std::move(one));
}

void read_accuracy(const JsonPlace& top, ReportData& data) {
  AccuracyData one;
  one.source = data.sources.size() - 1;
  one.choice = top.at("kind").text() == "choice";
  one.questions = top.at("questions").count();
  for (const JsonPlace& file : top.at("data").items()) one.files.push_back(file.at("path").text());
  for (const JsonPlace& place : top.at("variants").items()) {
    AccuracyData::Variant variant{name_of(place), {}};
    for (const auto& [name, score] : place.at("scores").members()) {
      variant.scores.push_back(
          {name, score.at("value").number(), score.at("low").number(), score.at("high").number()});
    }
    one.variants.push_back(std::move(variant));
  }
  if (top.has("second_against_first")) {
    for (const auto& [name, test] : top.at("second_against_first").members()) {
      one.tests.push_back(
          {name, test.at("difference").number(), test.at("low").number(), test.at("high").number(),
           test.has("mcnemar_p") ? std::optional<double>(test.at("mcnemar_p").number()) : std::nullopt});
    }
  }
  for (const JsonPlace& limit : top.at("limits").items()) {
    one.limits.push_back({limit.at("option").text(), limit.at("limit").number(), limit.at("value").number(),
                          limit.at("met").flag()});
  }
  data.accuracies.push_back(std::move(one));
}

void read_memory(const JsonPlace& top, ReportData& data) {
  MemoryData one;
  one.source = data.sources.size() - 1;
  one.name = name_of(top);
  one.context = top.at("context").count();
  one.tokens = top.at("tokens").count();
  one.forecast = top.at("forecast").flag();
  for (const JsonPlace& line : top.at("lines").items()) {
    const std::string part = line.at("part").text();
    const uint64_t bytes = line.at("resident_bytes").count();
    one.parts[part] += bytes;
    if (line.has("class")) one.classes[line.at("class").text()] += bytes;
  }
  one.peak = top.at("peak_resident_bytes").count();
  if (!one.forecast) {
    one.unaccounted = top.at("unaccounted_bytes").whole();
    one.unaccounted_limit = top.at("unaccounted_limit_bytes").count();
    for (const JsonPlace& phase : top.at("phases").items()) {
      one.phases.emplace_back(phase.at("name").text(), phase.at("peak_resident_bytes").count());
    }
  }
  if (top.has("limit_bytes")) one.limit = top.at("limit_bytes").count();
  data.memories.push_back(std::move(one));
}

struct Kind {
  std::string_view name;    // in the document
  std::string_view source;  // for ReportSource
  std::string_view schema;
  void (*read)(const JsonPlace& top, ReportData& data);
};
constexpr Kind kEvaluations[] = {
    {"comparison", "comparison", "1", read_comparison},
    {"perplexity", "perplexity", "1", read_perplexity},
    {"layers", "layers", "1", read_layers},
    {"sensitivity", "sensitivity", "1", read_sensitivity},
    {"choice", "accuracy", "gemma-eval accuracy/1", read_accuracy},
    {"free", "accuracy", "gemma-eval accuracy/1", read_accuracy},
    {"memory", "memory", "1", read_memory},
};

Result<void> add_bench(const nlohmann::json& json, const std::string& file, ReportData& data) {
  Result<BenchDocument> document = parse_document(json, file);
  if (!document) return fail(std::move(document.error()));
  data.sources.push_back(
      {file, "bench", document->command, document->date, document->version, document->machine, {}});
  data.benches.push_back({data.sources.size() - 1, std::move(*document)});
  return {};
}

// What tells of the run; older documents do not.
void read_circumstances(const JsonPlace& top, const std::string& file, JsonReading& reading,
                        ReportSource& source) {
  for (const auto& [key, target] : {std::pair{"command", &source.command}, std::pair{"date", &source.date},
                                    std::pair{"version", &source.version}}) {
    if (top.has(key)) *target = top.at(key).text();
  }
  if (top.has("notes")) source.notes = top.at("notes").texts();
  if (!top.has("machine")) return;
  Result<Machine> machine = parse_machine(top.at("machine").value(), file + ": machine");
  if (machine) {
    source.machine = std::move(*machine);
  } else {
    reading.refuse(machine.error().code, "machine", machine.error().what);
  }
}

}  // namespace

Result<void> add_document(const nlohmann::json& json, const std::string& file, ReportData& data) {
  JsonReading reading(file);
  const JsonPlace top(json, reading);
  if (json.is_object() && json.value("program", nlohmann::json()) == "gemma-bench") {
    return add_bench(json, file, data);
  }
  if (!top.has("kind")) {
    reading.refuse(ErrorCode::kInvalidFile, {},
                   fmt::format("expected {}, found JSON that does not tell its kind", kKinds));
    return fail(reading.error());
  }
  const std::string name = top.at("kind").text();
  const auto kind = std::find_if(std::begin(kEvaluations), std::end(kEvaluations),
                                 [&](const Kind& k) { return k.name == name; });
  if (kind == std::end(kEvaluations)) {
    top.at("kind").expected(kKinds);
    return fail(reading.error());
  }
  if (top.at("schema").word() != kind->schema) {
    top.at("schema").expected(std::string(kind->schema), ErrorCode::kUnsupported);
    return fail(reading.error());
  }
  // On an error what was added is taken back: whoever goes on has whole documents only.
  ReportData added = data;
  added.sources.push_back({file, std::string(kind->source), {}, {}, {}, {}, {}});
  read_circumstances(top, file, reading, added.sources.back());
  kind->read(top, added);
  if (!reading.sound()) return fail(reading.error());
  data = std::move(added);
  return {};
}

}  // namespace gemma
