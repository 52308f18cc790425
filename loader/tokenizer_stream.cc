// StreamDecoder: from ids to text, one id at a time (loader/tokenizer.h).
#include <optional>
#include <utility>

#include "loader/tokenizer.h"
#include "loader/tokenizer_core.h"

namespace gemma {

namespace {

constexpr std::string_view kSpaceMark = "▁";

void append_replacements(size_t count, std::string& text) {
  for (size_t i = 0; i < count; ++i) text += kReplacement;
}

void append_with_spaces(std::string_view piece, std::string& text) {
  for (size_t mark = piece.find(kSpaceMark); mark != std::string_view::npos; mark = piece.find(kSpaceMark)) {
    text += piece.substr(0, mark);
    text += ' ';
    piece.remove_prefix(mark + kSpaceMark.size());
  }
  text += piece;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : StreamDecoder(*tokenizer.core_, skip_special) {}

StreamDecoder::StreamDecoder(const TokenizerCore& core, bool skip_special)
    : core_(&core), skip_special_(skip_special) {}

std::string StreamDecoder::push(int32_t id) {
  std::string text;
  push(id, text);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  end_run(text);
  return text;
}

// Once a run is hopeless, every byte of it, past and to come, is one U+FFFD: nothing need be held any longer.
void StreamDecoder::push(int32_t id, std::string& text) {
  const std::string_view piece = core_->vocabulary.piece(id);
  if (piece.empty() || (skip_special_ && core_->special[static_cast<size_t>(id)])) return;
  const std::optional<uint8_t> byte = piece_byte(piece);
  if (!byte) {
    end_run(text);
    append_with_spaces(piece, text);
    return;
  }
  run_ += static_cast<char>(*byte);
  if (!validity_.push(*byte)) {
    append_replacements(run_.size(), text);
    run_.clear();
  }
}

void StreamDecoder::end_run(std::string& text) {
  if (validity_.complete()) {
    text += run_;
  } else {
    append_replacements(run_.size(), text);
  }
  run_.clear();
  validity_ = {};
}

}  // namespace gemma
