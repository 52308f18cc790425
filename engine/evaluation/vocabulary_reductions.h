// Softmax sums over a row of logits on all threads: one row of 262144 takes 0.8 ms on one core (SSE2). Blocks
// of fixed size are summed, then combined in order: the same result for any number of threads, and for
// vocabularies of one block that of kernels/reductions.h.
#pragma once

#include <span>

#include "engine/thread_team.h"

namespace gemma {

// As kernels::log_sum_exp.
double log_sum_exp(const ThreadTeam& team, std::span<const float> logits);

// As kernels::kl_divergence.
double kl_divergence(const ThreadTeam& team, std::span<const float> p, double log_z_p,
                     std::span<const float> q, double log_z_q);

}  // namespace gemma
