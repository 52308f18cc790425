#include "engine/evaluation/vocabulary_reductions.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/reductions.h"

namespace gemma {
namespace {

std::vector<float> random_logits(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random() % 4096) / 128.0f - 16.0f;
  return values;
}

TEST_CASE("sums over blocks are the kernels' sums, the same bits for any number of threads") {
  const ThreadTeam one(1), three(3);
  for (const size_t n : {size_t{1}, size_t{16384}, size_t{16385}, size_t{262144}}) {
    CAPTURE(n);
    const std::vector<float> p = random_logits(n, n), q = random_logits(n, n + 1);
    const double log_z_p = log_sum_exp(one, p), log_z_q = log_sum_exp(one, q);
    CHECK(log_z_p == doctest::Approx(kernels::log_sum_exp(p)).epsilon(1e-14));
    CHECK(log_sum_exp(three, p) == log_z_p);
    const double divergence = kl_divergence(one, p, log_z_p, q, log_z_q);
    CHECK(divergence == doctest::Approx(kernels::kl_divergence(p, log_z_p, q, log_z_q)).epsilon(1e-12));
    CHECK(kl_divergence(three, p, log_z_p, q, log_z_q) == divergence);
    CHECK(kl_divergence(one, p, log_z_p, p, log_z_p) == 0.0);
  }
}

TEST_CASE("what is no number anywhere in a row makes its sum none") {
  const ThreadTeam team(2);
  for (const size_t at : {size_t{0}, size_t{20000}, size_t{39999}}) {
    std::vector<float> row = random_logits(40000, 1);
    row[at] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(log_sum_exp(team, row)));
    row[at] = std::numeric_limits<float>::infinity();
    CHECK(log_sum_exp(team, row) == std::numeric_limits<double>::infinity());
    row[at] = -std::numeric_limits<float>::infinity();
    CHECK(std::isfinite(log_sum_exp(team, row)));
  }
  const std::vector<float> nothing(40000, -std::numeric_limits<float>::infinity());
  CHECK(log_sum_exp(team, nothing) == -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace gemma
