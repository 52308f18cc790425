#include "engine/evaluation/window_scorer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/chat_detect.h"
#include "engine/chat_encode.h"
#include "engine/evaluation/vocabulary_reductions.h"

namespace gemma {

SessionOptions window_session_options(const EvaluationPlan& plan, std::optional<kernels::KvType> kv_type) {
  SessionOptions options;
  options.context = plan.longest_input;
  options.rollback = 0;
  options.kv_type = kv_type;
  return options;
}

Result<std::vector<int32_t>> chat_continuation_prefix(const Model& model, const std::string& instruction) {
  const bool small = model.config().small();
  ChatTemplate known = small ? ChatTemplate::kGemma4Small : ChatTemplate::kGemma4Large;
  if (!model.folder().empty()) {
    Result<TemplateFile> file = read_template(model.folder());
    if (!file) return fail(std::move(file.error()));
    known = file->text.empty() ? ChatTemplate::kNone : detect_template(file->text);
  }
  if (known == ChatTemplate::kNone || model.tokenizer() == nullptr) {
    return fail(ErrorCode::kUsage, "--definition chat-prefix", "this model has no chat template",
                "it is for -it models; take strict for a base model");
  }
  const ChatChoice choice = choose_chat(known, small);
  ChatOptions options;
  options.style = choice.style;
  options.small_model = choice.small_model;
  const Message message{.role = Role::kUser, .content = instruction};
  return encode_chat(*model.tokenizer(), {&message, 1}, options);
}

Result<void> check_plan(const EvaluationPlan& plan, const Model& model) {
  const auto vocab = static_cast<int64_t>(model.config().vocab_size);
  for (const std::vector<int32_t>* ids : {&plan.tokens, &plan.prefix}) {
    for (const int32_t id : *ids) {
      if (id < 0 || id >= vocab) {
        return fail(ErrorCode::kMismatch, model.name(),
                    fmt::format("the text has token id {}, the model {} ids", id, vocab),
                    "tokenizer.json and config.json must come from the same export");
      }
    }
  }
  return {};
}

Result<void> score_window(Session& session, const EvaluationPlan& plan, const EvaluationWindow& window,
                          std::vector<double>& nll) {
  std::vector<int32_t> input;
  plan.input(window, input);
  nll.clear();
  const ThreadTeam& team = session.model().team();
  const LogitsSink sink = [&](size_t, std::span<const float> logits) {
    const auto target = static_cast<size_t>(plan.tokens[window.target_begin + nll.size()]);
    nll.push_back(log_sum_exp(team, logits) - static_cast<double>(logits[target]));
  };
  session.reset();
  Result<void> ran = session.evaluate(input, input.size() - window.targets(), sink);
  if (!ran) return ran;
  const auto bad = std::find_if(nll.begin(), nll.end(), [](double value) { return std::isnan(value); });
  if (bad != nll.end()) {
    return fail(ErrorCode::kInternal,
                fmt::format("token {}", window.target_begin + static_cast<size_t>(bad - nll.begin())),
                "the model computed a logit that is no number", "are the weights intact?");
  }
  return {};
}

}  // namespace gemma
