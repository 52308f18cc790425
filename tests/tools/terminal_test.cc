// What programs print where, and how they end: each case that ends a process runs in a child of its own.
#include "tools/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "tools/options.h"

using gemma::ErrorCode;
using gemma::ExitCode;

namespace {

struct Ended {
  int status = 0;
  std::string out;  // first 4 KiB of its stdout and of its stderr
  std::string err;
};

std::string drain(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t count; (count = ::read(descriptor, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  ::close(descriptor);
  return text;
}

// Runs `body` in a child whose stdout and stderr are pipes; its result is the exit status. What it prints
// fits the pipes, so that reading them one after the other cannot block.
template <typename Body>
Ended run_child(Body body) {
  int out[2], err[2];
  REQUIRE(::pipe(out) == 0);
  REQUIRE(::pipe(err) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(out[1], gemma::kStdout);
    ::dup2(err[1], gemma::kStderr);
    for (const int descriptor : {out[0], out[1], err[0], err[1]}) ::close(descriptor);
    ::_exit(static_cast<int>(body()));
  }
  ::close(out[1]);
  ::close(err[1]);
  Ended ended;
  ended.out = drain(out[0]);
  ended.err = drain(err[0]);
  REQUIRE(::waitpid(child, &ended.status, 0) == child);
  return ended;
}

bool exited_with(const Ended& ended, ExitCode code) {
  return WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == static_cast<int>(code);
}

ExitCode handle(std::vector<const char*> arguments) {
  uint64_t value = 1;
  gemma::Options options("gemma-test", "Tests.");
  options.add({.name = "value", .target = &value, .help = "a number"});
  arguments.insert(arguments.begin(), "gemma-test");
  return options.handle(static_cast<int>(arguments.size()), arguments.data()).value_or(ExitCode::kThreshold);
}

}  // namespace

TEST_CASE("every error code has its exit code") {
  CHECK(gemma::exit_code(ErrorCode::kUsage) == ExitCode::kUsage);
  CHECK(gemma::exit_code(ErrorCode::kResource) == ExitCode::kResource);
  CHECK(gemma::exit_code(ErrorCode::kInternal) == ExitCode::kInternal);
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kInvalidFile, ErrorCode::kMismatch,
                               ErrorCode::kUnsupported, ErrorCode::kIo}) {
    CHECK(gemma::exit_code(code) == ExitCode::kInput);
  }
}

TEST_CASE("help and version go to stdout with 0, errors to stderr with 2, and neither mixes") {
  const Ended help = run_child([] { return handle({"--help"}); });
  CHECK(exited_with(help, ExitCode::kOk));
  CHECK(help.out.find("--value N") != std::string::npos);
  CHECK(help.err.empty());

  const Ended version = run_child([] { return handle({"--version"}); });
  CHECK(exited_with(version, ExitCode::kOk));
  CHECK(version.out == "gemma-test " GEMMA_VERSION "\n");

  const Ended error = run_child([] { return handle({"--value", "x"}); });
  CHECK(exited_with(error, ExitCode::kUsage));
  CHECK(error.out.empty());
  CHECK(error.err == "gemma-test: --value: expected a whole number from 0 on, found 'x'\n");

  CHECK(exited_with(run_child([] { return handle({"--value", "2"}); }), ExitCode::kThreshold));
}

TEST_CASE("a warning names the program") {
  const Ended ended = run_child([] {
    gemma::warn("gemma-test", "the template is unknown");
    return ExitCode::kOk;
  });
  CHECK(ended.err == "gemma-test: warning: the template is unknown\n");
}

TEST_CASE("a pipe is no terminal and counts as 80 columns") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  CHECK(!gemma::is_terminal(ends[0]));
  CHECK(gemma::terminal_columns(ends[1]) == 80);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a reader that goes away is told by write_text, not by a signal") {
  const Ended ended = run_child([] {
    gemma::ignore_broken_pipe();
    int ends[2];
    if (::pipe(ends) != 0) return ExitCode::kInternal;
    ::close(ends[0]);
    const gemma::Result<bool> written = gemma::write_text(ends[1], "text");
    return written && !*written ? ExitCode::kOk : ExitCode::kInternal;
  });
  CHECK(exited_with(ended, ExitCode::kOk));
}

TEST_CASE("writing to a full device is a resource error, to a closed descriptor an input one") {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  REQUIRE(full >= 0);
  const gemma::Result<bool> no_space = gemma::write_text(full, "text");
  ::close(full);
  REQUIRE(!no_space);
  CHECK(no_space.error().code == ErrorCode::kResource);
  CHECK(no_space.error().message() == "output: cannot write: No space left on device");
  const gemma::Result<bool> closed = gemma::write_text(-1, "text");
  REQUIRE(!closed);
  CHECK(closed.error().code == ErrorCode::kIo);
}

TEST_CASE("the first Ctrl-C is a flag, cleared for the next answer; a second one ends the program") {
  const Ended once = run_child([] {
    gemma::catch_interrupt();
    for (int answer = 0; answer < 2; ++answer) {
      if (gemma::interrupted()) return ExitCode::kInternal;
      std::raise(SIGINT);
      if (!gemma::interrupted()) return ExitCode::kInternal;
      gemma::clear_interrupt();
    }
    return ExitCode::kOk;
  });
  CHECK(exited_with(once, ExitCode::kOk));

  const Ended twice = run_child([] {
    gemma::catch_interrupt();
    std::raise(SIGINT);
    std::raise(SIGINT);
    return ExitCode::kOk;
  });
  CHECK(WIFSIGNALED(twice.status));
  CHECK(WTERMSIG(twice.status) == SIGINT);
}

TEST_CASE("a mapped file that shrinks ends the program with the input code and a line") {
  const Ended ended = run_child([] {
    gemma::report_truncated_mapping("gemma-test");
    const int file = ::memfd_create("model", MFD_CLOEXEC);
    if (file < 0 || ::ftruncate(file, 4096) != 0) return ExitCode::kInternal;
    const void* bytes = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED || ::ftruncate(file, 0) != 0) return ExitCode::kInternal;
    return *static_cast<const volatile char*>(bytes) == 0 ? ExitCode::kOk : ExitCode::kThreshold;
  });
  CHECK(exited_with(ended, ExitCode::kInput));
  CHECK(ended.err ==
        "gemma-test: a model file became shorter while it was in use (do not write to it while it runs; "
        "download "
        "it again)\n");
}
