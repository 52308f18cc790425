#include "tools/run_output.h"

#include "tools/terminal.h"

namespace gemma {

bool RunOutput::write(std::string_view text) {
  if (!open_) return false;
  const Result<bool> written = write_text(kStdout, text);
  open_ = written && *written;
  if (!written) outcome_ = fail(written.error());
  return open_;
}

bool RunOutput::write(const Piece& piece) {
  if (!piece.thought) return write(piece.text);
  (void)write_text(kStderr, piece.text);  // nothing depends on it
  return open_;
}

}  // namespace gemma
