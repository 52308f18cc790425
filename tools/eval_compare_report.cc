// compare_text and compare_json: the same figures for people and for programs.
#include <fmt/format.h>

#include "tools/eval_compare.h"

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

// A table of one row per figure and one column per model.
class Table {
 public:
  explicit Table(size_t columns) : columns_(columns) {}
  void row(const std::string& name, std::vector<std::string> cells) {
    cells.resize(columns_);
    rows_.push_back({name, std::move(cells)});
  }
  std::string text() const {
    size_t name_width = 0;
    std::vector<size_t> widths(columns_, 0);
    for (const Row& row : rows_) {
      name_width = std::max(name_width, width(row.name));
      for (size_t c = 0; c < columns_; ++c) widths[c] = std::max(widths[c], width(row.cells[c]));
    }
    std::string out;
    for (const Row& row : rows_) {
      std::string line = row.name + std::string(name_width - width(row.name), ' ');
      for (size_t c = 0; c < columns_; ++c) {
        line += "  " + row.cells[c] + std::string(widths[c] - width(row.cells[c]), ' ');
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

 private:
  struct Row {
    std::string name;
    std::vector<std::string> cells;
  };
  // Columns of a terminal, for the characters that are used here: one per UTF-8 sequence.
  static size_t width(const std::string& text) {
    size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
  }
  size_t columns_;
  std::vector<Row> rows_;
};

std::string percent_name(double percentile) {
  return percentile == 100  ? "max"
         : percentile == 0  ? "min"
         : percentile == 50 ? "median"
                            : fmt::format("{:g}", percentile);
}

}  // namespace

std::string compare_text(const CompareReport& report) {
  const EvaluationPlan& plan = report.plan;
  Table table(report.models.size());
  // A row of the base's own cell and one made of each pair.
  const auto pairs = [&](const std::string& name, const std::string& base, const auto& cell) {
    std::vector<std::string> cells = {base};
    for (const PairResult& pair : report.pairs) cells.push_back(cell(pair));
    table.row(name, std::move(cells));
  };
  const auto models = [&](const std::string& name, const auto& cell) {
    std::vector<std::string> cells;
    for (const ComparedModel& model : report.models) cells.push_back(cell(model));
    table.row(name, std::move(cells));
  };
  models("model", [](const ComparedModel& m) { return m.name; });
  models("scheme", [](const ComparedModel& m) { return m.scheme; });
  const PairResult& first = report.pairs.front();
  pairs("perplexity", fmt::format("{:.4f} ± {:.4f}", first.base_perplexity, first.base_error),
        [](const PairResult& p) { return fmt::format("{:.4f} ± {:.4f}", p.perplexity, p.error); });
  pairs("  ratio to base", "1",
        [](const PairResult& p) { return fmt::format("{:.5f} ± {:.5f}", p.ratio, p.ratio_error); });
  pairs("  if windows only", "",
        [](const PairResult& p) { return fmt::format("± {:.5f}", p.ratio_window_error); });
  pairs("  ln of it", "0",
        [](const PairResult& p) { return fmt::format("{:.5f} ± {:.5f}", p.log_ratio, p.log_ratio_error); });
  pairs("  difference", "0", [](const PairResult& p) {
    return fmt::format("{:+.4f} ± {:.4f}", p.difference, p.difference_error);
  });
  pairs("  correlation", "1", [](const PairResult& p) { return fmt::format("{:.4f}", p.correlation); });
  pairs("divergence (nats)", "0",
        [](const PairResult& p) { return fmt::format("{:.6f} ± {:.6f}", p.divergence, p.divergence_error); });
  pairs("  max", "", [](const PairResult& p) { return fmt::format("{:.5f}", p.divergence_max); });
  for (size_t i = 0; i < kDivergencePercentiles.size(); ++i) {
    pairs("  " + percent_name(kDivergencePercentiles[i]), "",
          [&](const PairResult& p) { return fmt::format("{:.6f}", p.divergence_percentiles[i]); });
  }
  pairs("right token's p", "", [](const PairResult& p) {
    return fmt::format("{:+.3f} ± {:.3f} %", 100 * p.change, 100 * p.change_error);
  });
  pairs("  RMS change", "", [](const PairResult& p) {
    return fmt::format("{:.3f} ± {:.3f} %", 100 * p.change_rms, 100 * p.change_rms_error);
  });
  for (size_t i = 0; i < kChangePercentiles.size(); ++i) {
    pairs("  " + percent_name(kChangePercentiles[i]), "",
          [&](const PairResult& p) { return fmt::format("{:+.3f} %", 100 * p.change_percentiles[i]); });
  }
  pairs("same top token", "", [](const PairResult& p) {
    return fmt::format("{:.3f} % ({:.3f} .. {:.3f})", 100 * p.same_top, 100 * p.same_top_interval[0],
                       100 * p.same_top_interval[1]);
  });
  pairs("  right -> wrong", "", [](const PairResult& p) { return fmt::format("{}", p.right_to_wrong); });
  pairs("  wrong -> right", "", [](const PairResult& p) { return fmt::format("{}", p.wrong_to_right); });
  pairs("  wrong -> wrong", "", [](const PairResult& p) { return fmt::format("{}", p.wrong_to_wrong); });
  pairs("top token right", fmt::format("{:.3f} %", 100 * first.base_accuracy),
        [](const PairResult& p) { return fmt::format("{:.3f} %", 100 * p.accuracy); });
  models("tokens/s, windows", [](const ComparedModel& m) { return fmt::format("{:.1f}", m.rate); });
  models("tokens/s, writing", [](const ComparedModel& m) {
    return m.decode_rate > 0 ? fmt::format("{:.1f}", m.decode_rate) : std::string("not measured");
  });
  models("seconds", [](const ComparedModel& m) {
    return fmt::format("{:.2f}, load {:.2f}", m.seconds, m.load_seconds);
  });
  models("memory", [](const ComparedModel& m) { return format_bytes(m.bytes()); });
  models("  weights", [](const ComparedModel& m) { return format_bytes(m.weight_bytes); });
  models("  KV cache", [](const ComparedModel& m) {
    return fmt::format("{}, {}", format_bytes(m.cache_bytes), m.kv_type);
  });
  models("  scratch", [](const ComparedModel& m) { return format_bytes(m.scratch_bytes); });

  std::string text = table.text();
  text +=
      fmt::format("\n{} windows of {} tokens{}, {} definition, <bos> {}; {} tokens compared, each once\n",
                  report.windows, plan.options.max_length,
                  has_stride(plan.options.definition) ? fmt::format(" every {}", plan.options.stride) : "",
                  to_string(plan.options.definition), to_string(plan.options.bos), first.tokens);
  text += fmt::format("text {}, hash {:016x}; tokens hash {:016x}; tokenizer {:016x}; {}, {} thread{}\n",
                      report.text_path, plan.text_hash, plan.token_hash, report.tokenizer_hash,
                      report.kernels, report.threads, report.threads == 1 ? "" : "s");
  for (const std::string& note : plan.notes) text += "note: " + note + "\n";
  return text;
}

Json pair_json(const PairResult& p) {
  Json divergence = {{"mean", p.divergence},
                     {"standard_error", p.divergence_error},
                     {"standard_error_windows", p.divergence_window_error},
                     {"max", p.divergence_max},
                     {"percentiles", Json::object()}};
  for (size_t i = 0; i < kDivergencePercentiles.size(); ++i) {
    divergence["percentiles"][fmt::format("{:g}", kDivergencePercentiles[i])] = p.divergence_percentiles[i];
  }
  Json change = {{"mean", p.change},
                 {"standard_error", p.change_error},
                 {"rms", p.change_rms},
                 {"rms_standard_error", p.change_rms_error},
                 {"percentiles", Json::object()}};
  for (size_t i = 0; i < kChangePercentiles.size(); ++i) {
    change["percentiles"][fmt::format("{:g}", kChangePercentiles[i])] = p.change_percentiles[i];
  }
  return {{"tokens", p.tokens},
          {"perplexity", p.perplexity},
          {"standard_error", p.error},
          {"standard_error_windows", p.window_error},
          {"ratio", p.ratio},
          {"ratio_standard_error", p.ratio_error},
          {"ratio_standard_error_windows", p.ratio_window_error},
          {"log_ratio", p.log_ratio},
          {"log_ratio_standard_error", p.log_ratio_error},
          {"difference", p.difference},
          {"difference_standard_error", p.difference_error},
          {"correlation", p.correlation},
          {"kl_divergence", std::move(divergence)},
          {"probability_change", std::move(change)},
          {"same_top", p.same_top},
          {"same_top_interval", p.same_top_interval},
          {"flips",
           {{"right_to_wrong", p.right_to_wrong},
            {"wrong_to_right", p.wrong_to_right},
            {"wrong_to_wrong", p.wrong_to_wrong}}},
          {"accuracy", p.accuracy}};
}

Json compare_json(const CompareReport& report) {
  const EvaluationPlan& plan = report.plan;
  Json models = Json::array();
  for (size_t m = 0; m < report.models.size(); ++m) {
    const ComparedModel& model = report.models[m];
    Json one = {{"model", model.name},
                {"scheme", model.scheme},
                {"kv_type", model.kv_type},
                {"load_seconds", model.load_seconds},
                {"seconds", model.seconds},
                {"tokens_per_second", model.rate},
                {"decode_tokens_per_second", model.decode_rate > 0 ? Json(model.decode_rate) : Json()},
                {"memory_bytes", model.bytes()},
                {"weight_bytes", model.weight_bytes},
                {"kv_bytes", model.cache_bytes},
                {"scratch_bytes", model.scratch_bytes}};
    if (m == 0) {
      const PairResult& first = report.pairs.front();
      one["perplexity"] = first.base_perplexity;
      one["standard_error"] = first.base_error;
      one["accuracy"] = first.base_accuracy;
    } else {
      one["against_base"] = pair_json(report.pairs[m - 1]);
    }
    models.push_back(std::move(one));
  }
  return {{"schema", kSchema},
          {"kind", "comparison"},
          {"definition", to_string(plan.options.definition)},
          {"max_length", plan.options.max_length},
          {"stride", has_stride(plan.options.definition) ? Json(plan.options.stride) : Json()},
          {"bos", to_string(plan.options.bos)},
          {"windows", report.windows},
          {"tokens", report.pairs.front().tokens},
          {"text",
           {{"path", report.text_path},
            {"texts", plan.texts},
            {"bytes", plan.bytes},
            {"hash", fmt::format("{:016x}", plan.text_hash)}}},
          {"token_hash", fmt::format("{:016x}", plan.token_hash)},
          {"tokenizer_hash", fmt::format("{:016x}", report.tokenizer_hash)},
          {"kernels", report.kernels},
          {"threads", report.threads},
          {"models", std::move(models)},
          {"missed", report.missed},
          {"notes", plan.notes}};
}

}  // namespace gemma
