// Errors are values. Every function that can meet bad input returns Result<T>: the value, or an Error that
// says where it happened, what was expected and found, and what to do. Nothing in loader/ or engine/ throws
// across its own border, aborts or exits on input.
//
//   Result<Config> config = read_config(path);
//   if (!config) return fail(config.error());
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace gemma {

// What went wrong, as far as a program must tell cases apart. Each maps to one exit code of the tools
// (tools/exit_code.h).
enum class ErrorCode {
  kUsage,        // the caller asked for something that cannot be: a bad option, a prompt beyond the context
  kNotFound,     // a file, folder or model that is not there
  kInvalidFile,  // a file that breaks its own format
  kMismatch,     // files that contradict each other: missing, surplus or mis-shaped tensors
  kUnsupported,  // well-formed, but nothing we compute
  kResource,     // memory, disk or time that is not there
  kIo,           // the operating system, the network or a server said no
  kInternal,     // our own bug
};

// The stable lower-case name of a code: "usage", "not-found", ...
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string where;  // file, tensor, option: "model.safetensors: layers.0.mlp.up_proj.weight"; may be empty
  std::string what;   // expected and found; lower-case, no full stop
  std::string hint;   // what to do about it; may be empty

  // "where: what (hint)", the line that a program prints.
  std::string message() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

// return fail(ErrorCode::kNotFound, path, "no such file", "check the path");
inline Failure fail(ErrorCode code, std::string where, std::string what, std::string hint = {}) {
  return Failure(Error{code, std::move(where), std::move(what), std::move(hint)});
}
inline Failure fail(Error error) {
  return Failure(std::move(error));
}

}  // namespace gemma
