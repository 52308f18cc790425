// Verdicts on samples whose difference is known.
#include "tools/bench_compare.h"

#include <doctest/doctest.h>

#include <random>

using namespace gemma;

namespace {

// Runs around `seconds` per token, 3 % of noise.
BenchCell cell_of(double seconds, uint64_t seed, const std::string& scheme = "int4") {
  BenchCell cell;
  cell.key = {"model", scheme, 1, 16, 8, 0};
  std::mt19937_64 random(seed);
  for (int run = 0; run < 30; ++run) {
    const double noise = 1 + 0.03 * (static_cast<double>(random() % 1000) / 1000 - 0.5);
    cell.of(Metric::kTimePerOutputToken).push_back(seconds * noise);
    cell.of(Metric::kDecodeRate).push_back(1 / (seconds * noise));
    cell.of(Metric::kInterTokenLatency).push_back(seconds * noise);
  }
  return cell;
}

BenchDocument document_of(BenchCell cell) {
  BenchDocument document;
  document.cells.push_back(std::move(cell));
  return document;
}

}  // namespace

TEST_CASE("a tenth slower is slower in times and in rates, and beyond a limit of 5 % but not of 20 %") {
  const Result<std::vector<SpeedComparison>> found =
      compare_documents(document_of(cell_of(0.010, 1)), document_of(cell_of(0.011, 2)));
  REQUIRE(found);
  REQUIRE(found->size() == 2);  // the gaps between tokens are no independent values
  for (const SpeedComparison& one : *found) {
    CHECK(one.verdict == Verdict::kSlower);
    CHECK(one.slowdown.ratio == doctest::Approx(1.1).epsilon(0.02));
  }
  CHECK(count_beyond(*found, 0.05) == 2);
  CHECK(count_beyond(*found, 0.20) == 0);
}

TEST_CASE("a tenth faster is faster, and never beyond a limit") {
  const Result<std::vector<SpeedComparison>> found =
      compare_documents(document_of(cell_of(0.011, 1)), document_of(cell_of(0.010, 2)));
  REQUIRE(found);
  for (const SpeedComparison& one : *found) CHECK(one.verdict == Verdict::kFaster);
  CHECK(count_beyond(*found, 0) == 0);
}

TEST_CASE("the same distribution shows no difference in nearly all of many comparisons") {
  int shown = 0;
  constexpr int kPairs = 40;
  for (int i = 0; i < kPairs; ++i) {
    const auto seed = static_cast<uint64_t>(100 + 2 * i);
    shown += compare_cells(cell_of(0.01, seed), cell_of(0.01, seed + 1))[0].verdict != Verdict::kNoDifference;
  }
  CHECK(shown <= 6);  // 2 are expected at 95 %; more than 6 have a chance of 1 in 200
}

TEST_CASE("cells are matched by all that tells them apart; none in common is an error") {
  BenchDocument other = document_of(cell_of(0.01, 2));
  other.cells[0].key.depth = 5;
  const Result<std::vector<SpeedComparison>> none = compare_documents(document_of(cell_of(0.01, 1)), other);
  REQUIRE(!none);
  CHECK(none.error().code == ErrorCode::kMismatch);
}

TEST_CASE("variants of one document are compared shape by shape") {
  std::vector<BenchCell> cells = {cell_of(0.010, 1), cell_of(0.012, 2, "int8")};
  const std::vector<SpeedComparison> found = compare_variants(cells);
  REQUIRE(found.size() == 2);
  CHECK(found[0].a.scheme == "int4");
  CHECK(found[0].b.scheme == "int8");
  CHECK(found[0].verdict == Verdict::kSlower);
  cells[1].key.prompt_tokens = 99;
  CHECK(compare_variants(cells).empty());
  CHECK(compare_variants({}).empty());
}

TEST_CASE("a table of two variants names both and says which of them is slower") {
  const std::string table =
      comparison_table(compare_variants({cell_of(0.010, 1), cell_of(0.012, 2, "int8")}));
  CAPTURE(table);
  CHECK(table.find("a  ") < table.find("int4"));
  CHECK(table.find("int4") < table.find("b  "));
  CHECK(table.find("b  ") < table.find("int8"));
  CHECK(table.find("b is slower") != std::string::npos);
}

TEST_CASE("another machine, compiler or instruction set is told") {
  BenchDocument a = document_of(cell_of(0.01, 1)), b = a;
  CHECK(differing_circumstances(a, b).empty());
  b.machine.cpu = "another";
  b.cells[0].kernels = "portable";
  CHECK(differing_circumstances(a, b).size() == 2);
}
