#include "tools/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

namespace gemma {

namespace {

// Signal handlers have no argument of ours: what they share with the program is these variables.
volatile std::sig_atomic_t interrupt_flag = 0;
// A byte for every Ctrl-C that was not cleared. A read that begins just after the signal, or on a thread that
// did not get it, would wait for ever; a poll that also looks here does not.
int interrupt_pipe[2] = {-1, -1};

constexpr std::string_view kTruncated =
    ": a model file became shorter while it was in use (do not write to it while it runs; download it "
    "again)\n";
std::array<char, 64 + kTruncated.size()> truncated_message;
size_t truncated_message_size = 0;

void on_interrupt(int number) {
  if (interrupt_flag == 0) {
    interrupt_flag = 1;
    const int error = errno;
    [[maybe_unused]] const ssize_t written = ::write(interrupt_pipe[1], "", 1);
    errno = error;
    return;
  }
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void on_bus_error(int) {
  // Nothing can be done about a failing write here.
  [[maybe_unused]] const ssize_t written = ::write(kStderr, truncated_message.data(), truncated_message_size);
  ::_exit(static_cast<int>(ExitCode::kInput));
}

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

bool is_terminal(int descriptor) {
  return ::isatty(descriptor) == 1;
}

size_t terminal_columns(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

Result<bool> write_text(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return false;
    } else if (errno != EINTR) {
      const int error = errno;
      const ErrorCode code = error == ENOSPC || error == EDQUOT ? ErrorCode::kResource : ErrorCode::kIo;
      return fail(code, "output", fmt::format("cannot write: {}", std::strerror(error)));
    }
  }
  return true;
}

void warn(std::string_view program, std::string_view message) {
  (void)write_text(kStderr, fmt::format("{}: warning: {}\n", program, message));
}

ExitCode report(std::string_view program, const Error& error) {
  (void)write_text(kStderr, fmt::format("{}: {}\n", program, error.message()));
  return exit_code(error.code);
}

ExitCode print(std::string_view program, std::string_view text) {
  const Result<bool> written = write_text(kStdout, text);
  return written ? ExitCode::kOk : report(program, written.error());
}

void ignore_broken_pipe() {
  set_handler(SIGPIPE, SIG_IGN);
}

void catch_interrupt() {
  // Without a pipe (no descriptors left) Ctrl-C still stops an answer.
  if (interrupt_pipe[0] < 0 && ::pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0) interrupt_pipe[0] = -1;
  set_handler(SIGINT, on_interrupt);
}
bool interrupted() {
  return interrupt_flag != 0;
}
void clear_interrupt() {
  interrupt_flag = 0;
  for (char byte; ::read(interrupt_pipe[0], &byte, 1) == 1;) {
  }
}

bool wait_for_input() {
  pollfd watched[2] = {{kStdin, POLLIN, 0}, {interrupt_pipe[0], POLLIN, 0}};
  while (!interrupted()) {
    if (::poll(watched, 2, -1) > 0 && watched[1].revents == 0) return true;
  }
  return false;
}

void report_truncated_mapping(std::string_view program) {
  // Put together now: the handler may only write.
  program = program.substr(0, 64);
  char* end = std::copy(program.begin(), program.end(), truncated_message.begin());
  end = std::copy(kTruncated.begin(), kTruncated.end(), end);
  truncated_message_size = static_cast<size_t>(end - truncated_message.data());
  set_handler(SIGBUS, on_bus_error);
}

}  // namespace gemma
