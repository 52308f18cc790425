// Where the text of an answer goes: standard output, piece by piece, until the reader goes away or the disk
// is full. Thoughts go to standard error.
#pragma once

#include <string_view>

#include "engine/generator.h"
#include "loader/result.h"

namespace gemma {

class RunOutput {
 public:
  // False: nobody reads any more, or nothing can be written; further calls write nothing.
  bool write(std::string_view text);
  bool write(const Piece& piece);

  bool open() const { return open_; }
  // kIo or kResource if the text could not be written. A reader that went away is no error.
  const Result<void>& outcome() const { return outcome_; }

 private:
  bool open_ = true;
  Result<void> outcome_;
};

}  // namespace gemma
