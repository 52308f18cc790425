#include "engine/evaluation/vocabulary_reductions.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reductions.h"

namespace gemma {
namespace {

// 50 us of work each: enough that waking a thread does not matter, 16 of them in Gemma's vocabulary.
constexpr size_t kBlock = 16'384;

std::span<const float> block_of(std::span<const float> row, size_t block) {
  return row.subspan(block * kBlock, std::min(kBlock, row.size() - block * kBlock));
}

// sum(block) for every block, in order.
template <typename Sum>
std::vector<double> over_blocks(const ThreadTeam& team, size_t size, const Sum& sum) {
  std::vector<double> sums((size + kBlock - 1) / kBlock);
  team.parallel_for(sums.size(), 1, [&](size_t begin, size_t end, size_t) {
    for (size_t block = begin; block < end; ++block) sums[block] = sum(block);
  });
  return sums;
}

}  // namespace

double log_sum_exp(const ThreadTeam& team, std::span<const float> logits) {
  if (logits.size() <= kBlock) return kernels::log_sum_exp(logits);
  const std::vector<double> sums = over_blocks(
      team, logits.size(), [&](size_t block) { return kernels::log_sum_exp(block_of(logits, block)); });
  const double peak = *std::max_element(sums.begin(), sums.end());
  if (std::isinf(peak)) return peak;
  double total = 0;
  for (const double sum : sums) total += std::exp(sum - peak);  // a NaN anywhere stays one
  return peak + std::log(total);
}

double kl_divergence(const ThreadTeam& team, std::span<const float> p, double log_z_p,
                     std::span<const float> q, double log_z_q) {
  if (p.size() <= kBlock) return kernels::kl_divergence(p, log_z_p, q, log_z_q);
  const double shift = log_z_q - log_z_p;
  const std::vector<double> sums = over_blocks(team, p.size(), [&](size_t block) {
    return kernels::kl_divergence(block_of(p, block), log_z_p, block_of(q, block), log_z_q) - shift;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total + shift;
}

}  // namespace gemma
