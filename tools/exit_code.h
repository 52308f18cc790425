// The exit codes of every program: a script can tell what kind of thing went wrong without reading the text.
#pragma once

#include "loader/result.h"

namespace gemma {

enum class ExitCode : int {
  kOk = 0,
  kThreshold = 1,  // it ran, and a figure missed the limit the caller gave
  kUsage = 2,      // the command line asks for something that cannot be
  kInput = 3,      // a file or model is missing, broken, contradictory, unreadable or unsupported
  kResource = 4,   // not enough memory, disk or time
  kInternal = 5,   // our own bug
};

// The exit code of an error. A switch without default: a new ErrorCode does not compile until it has one.
constexpr ExitCode exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return ExitCode::kUsage;
    case ErrorCode::kNotFound:
    case ErrorCode::kInvalidFile:
    case ErrorCode::kMismatch:
    case ErrorCode::kUnsupported:
    case ErrorCode::kIo:
      return ExitCode::kInput;
    case ErrorCode::kResource:
      return ExitCode::kResource;
    case ErrorCode::kInternal:
      return ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

}  // namespace gemma
