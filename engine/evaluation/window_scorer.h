// Runs the windows of a plan through a model: what each target cost, in nats.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

#include "engine/evaluation/evaluation_plan.h"
#include "engine/session.h"

namespace gemma {

// A session just large enough for one window: context of the longest, no rollback.
SessionOptions window_session_options(const EvaluationPlan& plan, std::optional<kernels::KvType> kv_type);

// The ids of the chat prompt that asks a model to continue a passage: `instruction` as the user's only
// message, then the beginning of the answer. kUsage for a model without a chat template that is known.
Result<std::vector<int32_t>> chat_continuation_prefix(const Model& model, const std::string& instruction);
// What TICO says, the origin of the definition `chat-prefix`.
inline constexpr std::string_view kContinuationInstruction =
    "You are a text continuation engine. Complete the following passage exactly.";

// kMismatch if the plan has ids that the model does not.
Result<void> check_plan(const EvaluationPlan& plan, const Model& model);

// -log p of every target of a window, in order: nll has room for window.targets(). Positions that no target
// is predicted from take the short prefill path; logits are reduced as they come and never kept. The session
// is reset first. kInternal if the model computes NaN.
Result<void> score_window(Session& session, const EvaluationPlan& plan, const EvaluationWindow& window,
                          std::vector<double>& nll);

}  // namespace gemma
