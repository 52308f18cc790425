#include "loader/disk_error.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace gemma {

Failure disk_failure(std::string where, std::string_view what, int number) {
  std::string message = fmt::format("{}: {}", what, std::generic_category().message(number));
  switch (number) {
    case ENOSPC:
      return fail(ErrorCode::kResource, std::move(where), std::move(message), "make room on the disk");
    case EDQUOT:
      return fail(ErrorCode::kResource, std::move(where), std::move(message), "make room in your quota");
    case EFBIG:
      return fail(ErrorCode::kResource, std::move(where), std::move(message),
                  "raise `ulimit -f`, or use a file system for large files");
    case EMFILE:
    case ENFILE:
      return fail(ErrorCode::kResource, std::move(where), std::move(message), "raise `ulimit -n`");
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(ErrorCode::kIo, std::move(where), std::move(message),
                  "check its permissions, or set HF_HOME to a folder of yours");
    default:
      return fail(ErrorCode::kIo, std::move(where), std::move(message));
  }
}

}  // namespace gemma
