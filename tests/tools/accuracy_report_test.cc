// Figures, their comparison and the limits out of results that are written down here.
#include "tools/accuracy_report.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

// Questions with the right choice 0, in two files of 2 and 4.
Questions choice_questions() {
  Questions questions;
  for (size_t i = 0; i < 6; ++i) {
    DatasetItem item;
    item.id = std::to_string(i + 1);
    item.choices = {"a", "b"};
    questions.items.push_back(item);
  }
  questions.files = {{"first.jsonl", 0, 2, {}}, {"second.jsonl", 2, 4, {}}};
  return questions;
}

VariantResult choosing(const std::vector<size_t>& picks) {
  VariantResult variant;
  variant.model = "model";
  variant.scheme = "int4";
  for (size_t pick : picks) {
    ItemResult item;
    item.choices = {{-1, 1, 1, {}}, {-2, 1, 1, {}}};
    item.picks = {pick, 0, 1, {}};
    variant.items.push_back(item);
  }
  return variant;
}

TEST_CASE("an accuracy is a share with Wilson's interval") {
  const std::vector<Figure> all = figures(choice_questions(), choosing({0, 1, 0, 0, 1, 0}));
  REQUIRE(all.size() == 3);
  CHECK(all[0].name == "acc");
  CHECK(all[0].value == doctest::Approx(4.0 / 6));
  CHECK(all[0].low == doctest::Approx(0.299994).epsilon(1e-5));
  CHECK(all[0].high == doctest::Approx(0.903225).epsilon(1e-5));
  CHECK(all[1].value == 1);  // acc_norm picked 0 everywhere
  CHECK(all[2].value == 0);  // acc_bytes picked 1 everywhere
}

TEST_CASE("F1 is a mean with its standard error") {
  Questions questions;
  VariantResult variant;
  for (double f1 : {0.0, 0.5, 1.0, 0.5}) {
    questions.items.push_back({});
    ItemResult item;
    item.squad = {f1 == 1 ? 1.0 : 0.0, f1};
    variant.items.push_back(item);
  }
  const std::vector<Figure> all = figures(questions, variant);
  CHECK(all[0].name == "exact_match");
  CHECK(all[0].value == 0.25);
  CHECK(all[1].name == "f1");
  CHECK(all[1].value == 0.5);
  // deviation sqrt(0.5 / 3), over sqrt(4)
  CHECK(all[1].high - all[1].value == doctest::Approx(1.959964 * std::sqrt(0.5 / 3 / 4)).epsilon(1e-6));
}

TEST_CASE("two variants are compared question by question") {
  const Questions questions = choice_questions();
  const std::vector<Figure> first = figures(questions, choosing({0, 0, 0, 0, 0, 1}));
  const std::vector<Figure> second = figures(questions, choosing({0, 1, 1, 1, 1, 0}));
  const FigureComparison acc = compare_figures(first, second).front();
  CHECK(acc.outcomes.both == 1);
  CHECK(acc.outcomes.first_only == 4);
  CHECK(acc.outcomes.second_only == 1);
  CHECK(acc.outcomes.neither == 0);
  CHECK(acc.difference == doctest::Approx(-0.5));
  CHECK(acc.p == doctest::Approx(2 * (1 + 5) / 32.0));  // P(X <= 1) of 5 coins, twice
}

TEST_CASE("a variant against itself differs in nothing") {
  const Questions questions = choice_questions();
  const std::vector<Figure> one = figures(questions, choosing({0, 1, 0, 0, 1, 0}));
  for (const FigureComparison& same : compare_figures(one, one)) {
    CHECK(same.difference == 0);
    CHECK(same.low == doctest::Approx(-1.959964 / 8).epsilon(1e-6));  // six questions leave much open
    CHECK(same.high == -same.low);
    CHECK(same.p == 1);
  }
}

TEST_CASE("files count alike in the mean over files") {
  const Questions questions = choice_questions();
  AccuracyReport report;
  report.variants.push_back(choosing({0, 0, 0, 1, 1, 1}));  // 2 of 2, 1 of 4
  const nlohmann::ordered_json json = accuracy_json({}, questions, report);
  const auto& variant = json["variants"][0];
  CHECK(variant["scores"]["acc"]["value"] == 0.5);
  CHECK(variant["mean_over_files"]["acc"] == 0.625);
  CHECK(variant["files"][1]["scores"]["acc"]["value"] == 0.25);
  CHECK(accuracy_text({}, questions, report).find(" 62.50 %  mean over files") != std::string::npos);
}

TEST_CASE("a limit is met by what reaches it") {
  AccuracyFlags flags;
  flags.min_accuracy = 0.5;
  std::vector<Limit> limits = check_limits(flags, figures(choice_questions(), choosing({0, 0, 0, 1, 1, 1})));
  REQUIRE(limits.size() == 1);
  CHECK(limits[0].option == "--min-accuracy");
  CHECK(limits[0].met());
  flags.min_accuracy = 0.51;
  limits = check_limits(flags, figures(choice_questions(), choosing({0, 0, 0, 1, 1, 1})));
  CHECK(!limits[0].met());
}

TEST_CASE("a variant's text splits at the first #") {
  CHECK(parse_variant("a/b#int4").model == "a/b");
  CHECK(parse_variant("a/b#int4").scheme == "int4");
  CHECK(parse_variant("#f32").model.empty());
  CHECK(parse_variant("#f32").scheme == "f32");
  CHECK(parse_variant("a/b").scheme.empty());
}

}  // namespace
}  // namespace gemma
