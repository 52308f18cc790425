#include "tools/run_answer.h"

#include <algorithm>

#include "tools/run_output.h"
#include "tools/run_report.h"
#include "tools/terminal.h"

namespace gemma {

Result<void> run_answers(const Model& model, Session& session, const RunFlags& flags,
                         const PromptFormat& format, const SamplingOptions& sampling,
                         const std::vector<Prompt>& prompts) {
  Generator generator(session);
  RunOutput output;
  Json results = Json::array();
  for (const Prompt& prompt : prompts) {
    Result<EncodedPrompt> encoded = encode_prompt(model, flags, format, prompt);
    if (!encoded) return fail(std::move(encoded.error()));
    GenerateOptions options;
    options.sampling = sampling;
    options.chat = format.chat;
    options.in_thought = encoded->in_thought;
    options.interrupted = interrupted;
    if (&prompt != &prompts.front() && !flags.json) output.write("\n");
    const OnPiece print_piece = [&](const Piece& piece) { return output.write(piece); };
    Result<std::vector<Generated>> texts =
        generator.run(encoded->ids, options, flags.json ? OnPiece() : print_piece);
    if (!texts) return fail(std::move(texts.error()));
    if (flags.json) {
      results.push_back(result_json(model, sampling, encoded->ids, *texts, generator.timings()));
    } else {
      output.write("\n");
      for (size_t i = 1; i < texts->size(); ++i) output.write("\n" + (*texts)[i].text + "\n");
      const auto cut = [](const Generated& text) { return text.finish == FinishReason::kContext; };
      if (std::any_of(texts->begin(), texts->end(), cut)) warn("gemma-run", context_full(session));
    }
    if (flags.stats) {
      (void)write_text(kStderr, stats_text(model, session, sampling, generator.timings(), *texts));
    }
    if (interrupted() || !output.open()) break;
  }
  if (flags.json) {
    // Text of a model may be cut inside a character; JSON must not be.
    output.write(
        report_json(model, session, std::move(results)).dump(2, ' ', false, Json::error_handler_t::replace) +
        "\n");
  }
  return output.outcome();
}

}  // namespace gemma
