// Which choice each of the four accuracies picks.
#include "engine/evaluation/choice_score.h"

#include <doctest/doctest.h>

#include <vector>

namespace gemma {
namespace {

TEST_CASE("each accuracy divides by its own unit") {
  // per character: -4, -2, -1.5; per byte: -2, -1.8, -1.5
  const std::vector<ChoiceLikelihood> choices = {{-8, 2, 4, {}}, {-18, 9, 10, {}}, {-30, 20, 20, {}}};
  const ChoicePicks picks = pick_choices(choices);
  CHECK(picks.acc == 0);
  CHECK(picks.acc_norm == 2);
  CHECK(picks.acc_bytes == 2);
  CHECK(!picks.acc_mutual_info);
}

TEST_CASE("characters and bytes differ where letters are not ASCII") {
  // per character: -1.2 against -1; per byte: -0.6 against -1
  const std::vector<ChoiceLikelihood> choices = {{-12, 10, 20, {}}, {-10, 10, 10, {}}};
  CHECK(pick_choices(choices).acc_norm == 1);
  CHECK(pick_choices(choices).acc_bytes == 0);
}

TEST_CASE("mutual information takes away what a choice is worth without the question") {
  const std::vector<ChoiceLikelihood> choices = {{-5, 1, 1, -4.0}, {-9, 1, 1, -10.0}};
  CHECK(pick_choices(choices).acc == 0);
  CHECK(pick_choices(choices).acc_mutual_info == size_t{1});
}

TEST_CASE("of equal ones the first is picked, and a choice without text divides by nothing") {
  const std::vector<ChoiceLikelihood> equal = {{-3, 3, 3, {}}, {-3, 3, 3, {}}};
  CHECK(pick_choices(equal).acc == 0);
  CHECK(pick_choices(equal).acc_norm == 0);
  const std::vector<ChoiceLikelihood> empty = {{-3, 0, 0, {}}, {-4, 2, 2, {}}};
  CHECK(pick_choices(empty).acc_norm == 1);
}

}  // namespace
}  // namespace gemma
