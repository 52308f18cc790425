// gemma-run: writes text with a Gemma 4 model. Options: tools/run_options.cc.
#include <filesystem>

#include <fmt/format.h>

#include "engine/generator.h"
#include "tools/run_chat.h"
#include "tools/run_options.h"
#include "tools/run_prompt.h"
#include "tools/run_report.h"
#include "tools/shipped_model.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr const char* kProgram = "gemma-run";

// A line that counts up on a terminal while weights are packed; nothing in a pipe.
Progress load_progress() {
  if (!is_terminal(kStderr)) return {};
  return [last = -1](uint64_t done, uint64_t total) mutable {
    const int percent =
        total == 0 ? 100 : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (percent == last) return;
    last = percent;
    write_text(kStderr, percent < 100 ? fmt::format("\rloading {:3d} %", percent) : "\r              \r");
  };
}

// Answers every prompt in turn.
Result<void> answer_all(const Model& model, Session& session, const RunFlags& flags,
                        const PromptFormat& format, const SamplingOptions& sampling) {
  Result<std::vector<Prompt>> prompts = read_prompts(flags, format);
  if (!prompts) return fail(std::move(prompts.error()));
  Generator generator(session);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  bool first = true;
  for (const Prompt& prompt : *prompts) {
    Result<EncodedPrompt> encoded = encode_prompt(model, flags, format, prompt);
    if (!encoded) return fail(std::move(encoded.error()));
    GenerateOptions options;
    options.sampling = sampling;
    options.chat = format.chat;
    options.in_thought = encoded->in_thought;
    options.interrupted = interrupted;
    if (!first && !flags.json) write_text(kStdout, "\n");
    first = false;
    const OnPiece print_piece = [&](const Piece& piece) {
      const Result<bool> written = write_text(piece.thought ? kStderr : kStdout, piece.text);
      return written && *written;
    };
    Result<std::vector<Generated>> texts =
        generator.run(encoded->ids, options, flags.json ? OnPiece() : print_piece);
    if (!texts) return fail(std::move(texts.error()));
    if (flags.json) {
      results.push_back(result_json(encoded->ids, *texts, generator.timings()));
    } else {
      write_text(kStdout, "\n");
      for (size_t i = 1; i < texts->size(); ++i) write_text(kStdout, "\n" + (*texts)[i].text + "\n");
    }
    if (flags.stats) write_text(kStderr, stats_text(model, session, generator.timings(), *texts));
    if (interrupted()) break;
  }
  if (flags.json) {
    // Text of a model may be cut inside a character; JSON must not be.
    const std::string text = report_json(model, session, std::move(results))
                                 .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    write_text(kStdout, text + "\n");
  }
  return {};
}

Result<void> run(const RunFlags& flags) {
  std::string name = flags.model.value_or("");
  if (name.empty()) {
    Result<std::filesystem::path> shipped = shipped_model();
    if (!shipped) return fail(std::move(shipped.error()));
    name = shipped->string();
  }
  Result<ModelOptions> options = model_options(flags);
  if (!options) return fail(std::move(options.error()));
  Result<SamplingRequest> request = sampling_request(flags);
  if (!request) return fail(std::move(request.error()));
  options->progress = load_progress();
  Result<std::unique_ptr<Model>> model = Model::load(name, *options);
  if (!model) return fail(std::move(model.error()));
  Result<PromptFormat> format = prompt_format(**model, flags);
  if (!format) return fail(std::move(format.error()));
  if (!format->note.empty()) warn(kProgram, format->note);

  GenerationConfig defaults = (*model)->generation_config();
  defaults.eos_ids = (*model)->eos_ids();
  const SamplingOptions sampling = resolve(*request, defaults);
  Result<void> valid = validate(sampling, (*model)->config().vocab_size);
  if (!valid) return valid;
  Result<Session> session = Session::create(**model, session_options(flags));
  if (!session) return fail(std::move(session.error()));
  if (flags.session && std::filesystem::exists(*flags.session)) {
    Result<void> loaded = session->load(*flags.session);
    if (!loaded) return loaded;
  }
  Result<void> done = flags.chat ? run_chat(**model, *session, flags, *format, sampling)
                                 : answer_all(**model, *session, flags, *format, sampling);
  if (!done) return done;
  if (flags.session) return session->save(*flags.session);
  return {};
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) {
  using namespace gemma;
  report_truncated_mapping(kProgram);
  ignore_broken_pipe();
  RunFlags flags;
  Options options = run_options(flags);
  if (std::optional<ExitCode> done = options.handle(argc, argv)) return static_cast<int>(*done);
  catch_interrupt();
  Result<void> outcome = run(flags);
  if (!outcome) return static_cast<int>(report(kProgram, outcome.error()));
  return static_cast<int>(ExitCode::kOk);
}
