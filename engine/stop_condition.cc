#include "engine/stop_condition.h"

#include <algorithm>
#include <utility>

#include "engine/stop_utf8.h"

namespace gemma {

StopCondition::StopCondition(std::vector<int32_t> ids, StopStrings strings)
    : ids_(std::move(ids)), strings_(std::make_shared<const StopStrings>(std::move(strings))) {
  std::sort(ids_.begin(), ids_.end());
}

Result<StopCondition> StopCondition::create(std::vector<int32_t> ids,
                                            const std::vector<std::string>& strings) {
  Result<StopStrings> automaton = StopStrings::build(strings);
  if (!automaton) return fail(automaton.error());
  return StopCondition(std::move(ids), std::move(*automaton));
}

bool StopCondition::is_stop_id(int32_t id) const {
  return std::binary_search(ids_.begin(), ids_.end(), id);
}

std::string_view StopCondition::push(std::string_view piece) {
  shown_.clear();
  if (reason_) return shown_;
  for (char c : piece) {
    held_.push_back(c);
    state_ = strings_->advance(state_, c);
    // A match lies in what is held whole: its beginning was pending ever since it came.
    if (const size_t length = strings_->match(state_)) {
      reason_ = held_.substr(held_.size() - length);
      shown_.assign(held_, 0, held_.size() - length);
      held_.clear();
      return shown_;
    }
  }
  const size_t hold = std::max(strings_->pending(state_), unfinished_utf8(held_));
  shown_.assign(held_, 0, held_.size() - hold);
  held_.erase(0, held_.size() - hold);
  return shown_;
}

std::string_view StopCondition::finish() {
  shown_ = std::exchange(held_, {});
  state_ = {};
  return shown_;
}

bool StopCondition::would_stop(std::string_view piece) const {
  StopStrings::State state = state_;
  for (char c : piece) {
    state = strings_->advance(state, c);
    if (strings_->match(state) > 0) return true;
  }
  return false;
}

void StopCondition::reset() {
  state_ = {};
  held_.clear();
  shown_.clear();
  reason_.reset();
}

}  // namespace gemma
