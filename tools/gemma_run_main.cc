// gemma-run: writes text with a Gemma 4 model. Options: tools/run_options.cc. `gemma-run pull`:
// tools/run_pull.h.
#include <csignal>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "tools/guarded_program.h"
#include "tools/run_answer.h"
#include "tools/run_chat.h"
#include "tools/run_options.h"
#include "tools/run_prompt.h"
#include "tools/run_pull.h"
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

// That a session can be written at the end is worth knowing before the work is done.
Result<void> check_session_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code unreadable;
  if (folder.empty() || std::filesystem::is_directory(folder, unreadable)) return {};
  return fail(ErrorCode::kNotFound, path, fmt::format("there is no folder {}", folder.string()),
              "make it, or name another session file");
}

// What the user asked for, else what the model's file says.
Result<SamplingOptions> sampling_options(const Model& model, const SamplingRequest& request,
                                         const RunFlags& flags) {
  GenerationConfig defaults = model.generation_config();
  defaults.eos_ids = model.eos_ids();
  SamplingOptions sampling = resolve(request, defaults);
  Result<void> valid = validate(sampling, model.config().vocab_size);
  if (!valid) return fail(by_option_name(std::move(valid.error()), flags, model.folder()));
  return sampling;
}

// In the order of what it costs to find out: the command line, the prompts, the model, the session.
Result<void> run(const RunFlags& flags) {
  Result<void> sound = check_flags(flags);
  if (!sound) return sound;
  Result<ModelOptions> options = model_options(flags);
  if (!options) return fail(std::move(options.error()));
  Result<SamplingRequest> request = sampling_request(flags);
  if (!request) return fail(std::move(request.error()));
  if (flags.session) {
    Result<void> writable = check_session_folder(*flags.session);
    if (!writable) return writable;
  }
  std::string name = flags.model.value_or("");
  if (!flags.model) {
    Result<std::filesystem::path> shipped = shipped_model();
    if (!shipped) return fail(std::move(shipped.error()));
    name = shipped->string();
  }
  std::vector<Prompt> prompts;
  if (!flags.chat) {
    Result<std::vector<Prompt>> read = read_prompts(flags);
    if (!read) return fail(std::move(read.error()));
    prompts = std::move(*read);
  }

  options->progress = load_progress();
  Result<std::unique_ptr<Model>> model = Model::load(name, *options);
  if (!model) return fail(std::move(model.error()));
  Result<PromptFormat> format = prompt_format(**model, flags);
  if (!format) return fail(std::move(format.error()));
  if (!format->note.empty()) warn(kProgram, format->note);
  Result<SamplingOptions> sampling = sampling_options(**model, *request, flags);
  if (!sampling) return fail(std::move(sampling.error()));
  Result<Session> session = Session::create(**model, session_options(flags));
  if (!session) return fail(std::move(session.error()));
  std::error_code unreadable;
  if (flags.session && std::filesystem::exists(*flags.session, unreadable)) {
    Result<void> loaded = session->load(*flags.session);
    if (!loaded) return loaded;
  }
  // Only from here on is there anything to stop gently.
  catch_interrupt();
  Result<void> done = flags.chat ? run_chat(**model, *session, flags, *format, *sampling)
                                 : run_answers(**model, *session, flags, *format, *sampling, prompts);
  if (!done) return done;
  if (flags.session) return session->save(*flags.session);
  return {};
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) {
  using namespace gemma;
  return guarded_program(kProgram, argv, [&] {
    if (argc > 1 && std::string_view(argv[1]) == "pull") return run_pull(argc - 1, argv + 1);
    RunFlags flags;
    Options options = run_options(flags);
    if (std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
    if (std::optional<ExitCode> done = handle_kernel_list(kProgram, flags.kernels)) return *done;
    const Result<void> outcome = run(flags);
    if (!outcome && interrupted()) {
      // Stopped before there was an answer: to the shell, a program that Ctrl-C ended.
      std::signal(SIGINT, SIG_DFL);
      std::raise(SIGINT);
    }
    return outcome ? ExitCode::kOk : report(kProgram, outcome.error());
  });
}
