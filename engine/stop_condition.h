// Decides, while a text streams, what of it may be shown and whether it has ended: by a stop id or by a stop
// string.
//
//   Result<StopCondition> stop = StopCondition::create(options.eos_token_id, options.stop_strings);
//   for (...) {
//     if (stop->is_stop_id(token)) break;
//     print(stop->push(piece));              // the piece of text that the token added
//     if (stop->reason()) break;
//   }
//   print(stop->finish());                   // what was held back and turned out to be harmless
//
// Text that may be the beginning of a stop string, and a character whose bytes are not all there, is held
// back until it is decided. The text ends before the stop string that is complete first; of those that are
// complete at the same byte, before the longest. So the outcome does not depend on how the text is cut into
// pieces. What is shown in one go always consists of whole characters, if the text does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/stop_strings.h"
#include "loader/result.h"

namespace gemma {

class StopCondition {
 public:
  // Errors: those of StopStrings::build.
  static Result<StopCondition> create(std::vector<int32_t> ids, const std::vector<std::string>& strings);

  bool is_stop_id(int32_t id) const;

  // Takes the next piece and returns what may be shown now; valid until the next call. After a stop string
  // has been found, nothing.
  std::string_view push(std::string_view piece);

  // The stop string that ended the text; unset as long as none has.
  const std::optional<std::string>& reason() const { return reason_; }

  // The text ends for another reason (a stop id, the length): what is still held back. Nothing after a stop
  // string.
  std::string_view finish();

  // Whether `piece` would complete a stop string. Changes nothing: for BeamHost::ends.
  bool would_stop(std::string_view piece) const;

  // Begins another text.
  void reset();

 private:
  StopCondition(std::vector<int32_t> ids, StopStrings strings);

  std::vector<int32_t> ids_;  // ascending
  // Shared, because a beam is forked by copying its StopCondition and the automaton may be large; never
  // changed.
  std::shared_ptr<const StopStrings> strings_;
  StopStrings::State state_;
  std::string held_;   // not shown yet
  std::string shown_;  // what the last call returned
  std::optional<std::string> reason_;
};

}  // namespace gemma
