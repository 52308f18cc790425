#include "tools/accuracy_report.h"

#include <algorithm>

#include <fmt/format.h>

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

// "1 question", "2 questions"
std::string counted(size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string variant_name(const VariantResult& variant) {
  return variant.model + "#" + variant.scheme;
}

std::string figure_lines(const std::vector<Figure>& all) {
  std::string out;
  for (const Figure& figure : all) {
    out += fmt::format("  {:<20}{:6.2f} %   95 %: {:.2f} .. {:.2f}\n", figure.label, 100 * figure.value,
                       100 * figure.low, 100 * figure.high);
  }
  return out;
}

// The mean over files: every subject of MMLU counts alike, whatever its size.
double mean_over_files(const Questions& questions, const VariantResult& variant, size_t figure) {
  double sum = 0;
  for (const Questions::File& file : questions.files) {
    sum += figures(questions, variant, file.first, file.count)[figure].value;
  }
  return sum / static_cast<double>(questions.files.size());
}

std::string file_lines(const Questions& questions, const VariantResult& variant) {
  std::string out;
  for (const Questions::File& file : questions.files) {
    const Figure first = figures(questions, variant, file.first, file.count).front();
    out += fmt::format("  {:6.2f} %  of {}  {}\n", 100 * first.value, counted(file.count, "question"),
                       file.path);
  }
  return out + fmt::format("  {:6.2f} %  mean over files\n", 100 * mean_over_files(questions, variant, 0));
}

std::string comparison_lines(const std::vector<FigureComparison>& all) {
  std::string out;
  for (const FigureComparison& one : all) {
    out += fmt::format("  {:<20}{:+6.2f} points, 95 %: {:+.2f} .. {:+.2f}", one.label, 100 * one.difference,
                       100 * one.low, 100 * one.high);
    if (one.share) {
      out += fmt::format("; only the first right {}, only the second {}, McNemar p = {:.3g}",
                         one.outcomes.first_only, one.outcomes.second_only, one.p);
    }
    out += '\n';
  }
  return out;
}

Json figures_json(const std::vector<Figure>& all) {
  Json out = Json::object();
  for (const Figure& figure : all) {
    out[figure.name] = {{"value", figure.value},
                        {"low", figure.low},
                        {"high", figure.high},
                        {"interval", figure.share ? "wilson-95" : "normal-95"}};
  }
  return out;
}

Json variant_json(const Questions& questions, const VariantResult& variant) {
  size_t cut = 0, at_length = 0, prompt_tokens = 0, new_tokens = 0;
  for (const ItemResult& item : variant.items) {
    cut += item.cut_characters > 0;
    at_length += item.finish == FinishReason::kLength;
    prompt_tokens += item.prompt_tokens;
    new_tokens += item.new_tokens;
  }
  Json out = {{"model", variant.model},
              {"scheme", variant.scheme},
              {"scheme_reason", variant.scheme_reason},
              {"isa", variant.isa},
              {"kv_type", variant.kv_type},
              {"threads", variant.threads},
              {"context", variant.context},
              {"chat_template", variant.chat},
              {"template", variant.prompt_template},
              {"prompts_hash", hex(variant.prompts_hash)},
              {"prompt_tokens", prompt_tokens}};
  if (questions.multiple_choice()) {
    out["scored_by"] = variant.letters ? "letters" : "texts";
  } else {
    out["new_tokens"] = new_tokens;
    out["answers_cut_at_max_new_tokens"] = at_length;
  }
  out["prompts_cut"] = cut;
  out["load_seconds"] = variant.load_seconds;
  out["seconds"] = variant.seconds;
  out["scores"] = figures_json(figures(questions, variant));
  if (questions.files.size() > 1) {
    Json files = Json::array();
    for (const Questions::File& file : questions.files) {
      files.push_back({{"path", file.path},
                       {"questions", file.count},
                       {"scores", figures_json(figures(questions, variant, file.first, file.count))}});
    }
    out["files"] = std::move(files);
    Json means = Json::object();
    const std::vector<Figure> all = figures(questions, variant);
    for (size_t f = 0; f < all.size(); ++f) means[all[f].name] = mean_over_files(questions, variant, f);
    out["mean_over_files"] = std::move(means);
  }
  out["notes"] = variant.notes;
  return out;
}

Json rouge_json(const RougeScore& score) {
  return {{"precision", score.precision}, {"recall", score.recall}, {"f1", score.f1}};
}

}  // namespace

std::string accuracy_text(const AccuracyFlags& flags, const Questions& questions,
                          const AccuracyReport& report) {
  std::string out = fmt::format("{} of {} ({}), {}\n", counted(questions.items.size(), "question"),
                                counted(questions.files.size(), "file"), to_string(questions.format),
                                questions.multiple_choice() ? "multiple choice" : "free answers");
  for (const VariantResult& variant : report.variants) {
    const size_t examples = questions.files.front().examples.size();
    out += fmt::format("\n{}\n  {}, {}{}, prompts {}, context {}, {:.1f} s\n", variant_name(variant),
                       variant.chat ? "chat template" : "raw text", counted(examples, "example"),
                       !questions.multiple_choice() ? (flags.stemmer ? ", stemmer" : "")
                       : variant.letters            ? ", scored by letters"
                                                    : ", scored by texts",
                       hex(variant.prompts_hash), variant.context, variant.seconds);
    out += figure_lines(figures(questions, variant));
    if (questions.files.size() > 1) out += file_lines(questions, variant);
  }
  if (report.variants.size() == 2) {
    out += "\nsecond against first\n" +
           comparison_lines(compare_figures(figures(questions, report.variants[0]),
                                            figures(questions, report.variants[1])));
    if (report.variants[0].prompts_hash != report.variants[1].prompts_hash) {
      out += "  the two read different prompts: another template or tokenizer\n";
    }
  }
  return out;
}

nlohmann::ordered_json accuracy_json(const AccuracyFlags& flags, const Questions& questions,
                                     const AccuracyReport& report) {
  Json files = Json::array();
  for (const Questions::File& file : questions.files) {
    files.push_back({{"path", file.path}, {"questions", file.count}, {"examples", file.examples.size()}});
  }
  Json out = {{"schema", "gemma-eval accuracy/1"},
              {"kind", questions.multiple_choice() ? "choice" : "free"},
              {"format", to_string(questions.format)},
              {"questions", questions.items.size()},
              {"data", std::move(files)},
              {"shuffle", flags.shuffle},
              {"seed", flags.seed}};
  if (!questions.multiple_choice()) {
    out["max_new_tokens"] = flags.max_new_tokens;
    out["temperature"] = flags.temperature ? Json(*flags.temperature) : Json("greedy");
    out["stemmer"] = flags.stemmer;
  }
  out["variants"] = Json::array();
  for (const VariantResult& variant : report.variants) {
    out["variants"].push_back(variant_json(questions, variant));
  }
  if (report.variants.size() == 2) {
    Json comparisons = Json::object();
    for (const FigureComparison& one :
         compare_figures(figures(questions, report.variants[0]), figures(questions, report.variants[1]))) {
      Json entry = {{"difference", one.difference},
                    {"low", one.low},
                    {"high", one.high},
                    {"interval", one.share ? "agresti-min-95" : "normal-95"}};
      if (one.share) {
        entry["both_right"] = one.outcomes.both;
        entry["only_first_right"] = one.outcomes.first_only;
        entry["only_second_right"] = one.outcomes.second_only;
        entry["neither_right"] = one.outcomes.neither;
        entry["mcnemar_p"] = one.p;
      }
      comparisons[one.name] = std::move(entry);
    }
    out["second_against_first"] = std::move(comparisons);
  }
  Json limits = Json::array();
  for (const Limit& limit : report.limits) {
    limits.push_back(
        {{"option", limit.option}, {"limit", limit.limit}, {"value", limit.value}, {"met", limit.met()}});
  }
  out["limits"] = std::move(limits);
  return out;
}

nlohmann::ordered_json item_json(const Questions& questions, size_t variant, size_t index,
                                 const ItemResult& result) {
  const auto file = std::find_if(questions.files.begin(), questions.files.end(),
                                 [&](const Questions::File& f) { return index < f.first + f.count; });
  const DatasetItem& item = questions.items[index];
  Json out = {{"variant", variant}, {"file", file->path}, {"id", item.id}};
  if (item.line > 0) out["line"] = item.line;
  out["prompt_hash"] = hex(result.prompt_hash);
  out["prompt_tokens"] = result.prompt_tokens;
  if (result.cut_characters > 0) out["cut_characters"] = result.cut_characters;
  if (item.choices.empty()) {
    out["answer"] = result.answer;
    out["references"] = item.references;
    out["says_none"] = result.says_none;
    out["new_tokens"] = result.new_tokens;
    out["finish"] = to_string(result.finish);
    out["exact_match"] = result.squad.exact_match;
    out["f1"] = result.squad.f1;
    out["rouge1"] = rouge_json(result.rouge.rouge1);
    out["rouge2"] = rouge_json(result.rouge.rouge2);
    out["rougeL"] = rouge_json(result.rouge.rouge_l);
    out["rougeLsum"] = rouge_json(result.rouge.rouge_lsum);
    return out;
  }
  out["right"] = item.answer;
  out["acc"] = result.picks.acc;
  out["acc_norm"] = result.picks.acc_norm;
  out["acc_bytes"] = result.picks.acc_bytes;
  if (result.picks.acc_mutual_info) out["acc_mutual_info"] = *result.picks.acc_mutual_info;
  Json sums = Json::array(), alone = Json::array();
  for (const ChoiceLikelihood& choice : result.choices) {
    sums.push_back(choice.log_likelihood);
    if (choice.unconditional) alone.push_back(*choice.unconditional);
  }
  out["log_likelihoods"] = std::move(sums);
  if (!alone.empty()) out["log_likelihoods_without_question"] = std::move(alone);
  return out;
}

}  // namespace gemma
