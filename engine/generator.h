// From a prompt to text: prefill, pick, stream, stop. One call makes all the sequences that were asked for,
// by greedy search, sampling or beams.
//
//   Generator generator(session);
//   Result<std::vector<Generated>> texts = generator.run(prompt_ids, options, [](const Piece& piece) {
//     std::cout << piece.text;
//     return true;
//   });
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/chat_output.h"
#include "engine/logits_report.h"
#include "engine/sampling_options.h"
#include "engine/session.h"

namespace gemma {

enum class FinishReason { kEos, kStopString, kLength, kContext, kInterrupted };
std::string_view to_string(FinishReason reason);  // "eos", "stop", "length", "context", "interrupted"

// A bit of text as it becomes final. Thoughts come apart from the answer where the output is read as chat.
struct Piece {
  std::string_view text;
  bool thought = false;
};
// Gets each piece; false ends the generation (kInterrupted).
using OnPiece = std::function<bool(const Piece& piece)>;

struct GenerateOptions {
  SamplingOptions sampling;
  bool chat = false;                  // split thoughts and tool calls from the answer; else all of it is text
  bool in_thought = false;            // the prompt ends inside an open thought channel
  std::function<bool()> interrupted;  // asked between chunks and tokens; may be empty
};

struct Generated {
  std::string text;  // the answer, cut before a stop string
  std::string thought;
  std::vector<ToolCall> tool_calls;
  std::vector<int32_t> ids;             // every generated id, the end's included
  std::vector<LogprobReport> logprobs;  // per id, if SamplingOptions::top_logprobs > 0
  FinishReason finish = FinishReason::kLength;
  double score = 0;   // of a beam search
  uint64_t seed = 0;  // that made it, for sampling
};

struct GenerateTimings {
  size_t prompt_tokens = 0;  // computed, those found in the cache not counted
  size_t cached_tokens = 0;
  size_t new_tokens = 0;       // of all sequences
  double prefill_seconds = 0;  // to the logits of the last prompt token
  double first_token_seconds = 0;
  double decode_seconds = 0;  // from the first token on
};

class Generator {
 public:
  explicit Generator(Session& session) : session_(session) {}

  // `prompt`: all ids of the sequence; what the session already holds of it is not computed again (at least
  // its last token is). The session ends up holding prompt and answer of the first returned sequence.
  // on_piece streams the first sequence only, and a beam search's when it is done. kUsage if nothing fits the
  // context.
  Result<std::vector<Generated>> run(std::span<const int32_t> prompt, const GenerateOptions& options,
                                     const OnPiece& on_piece);

  const GenerateTimings& timings() const { return timings_; }

 private:
  Result<std::span<const float>> prefill(std::span<const int32_t> prompt, const GenerateOptions& options);
  Result<Generated> sample(std::span<const int32_t> prompt, std::span<const float> logits,
                           std::span<const float> peaks, const GenerateOptions& options, uint64_t stream,
                           const OnPiece& on_piece);
  Result<std::vector<Generated>> beams(std::span<const int32_t> prompt, std::span<const float> logits,
                                       const GenerateOptions& options, const OnPiece& on_piece);

  Session& session_;
  GenerateTimings timings_;
};

}  // namespace gemma
