// What a program that streams text owes its terminal: text to stdout, everything else to stderr, a calm end
// when the reader goes away, when Ctrl-C is pressed, or when a mapped model file shrinks under it.
#pragma once

#include <cstddef>
#include <string_view>

#include "loader/result.h"
#include "tools/exit_code.h"

namespace gemma {

inline constexpr int kStdin = 0;
inline constexpr int kStdout = 1;
inline constexpr int kStderr = 2;

bool is_terminal(int descriptor);

// Columns of the terminal behind the descriptor; 80 if there is none.
size_t terminal_columns(int descriptor);

// Writes all of the text, whatever the descriptor accepts at a time. False: the reader is gone (a closed
// pipe), which ends a program but is no error; kIo or kResource (disk full) otherwise.
Result<bool> write_text(int descriptor, std::string_view text);

// "gemma-run: warning: message" on stderr.
void warn(std::string_view program, std::string_view message);

// "gemma-run: where: what (hint)" on stderr; returns the error's exit code.
ExitCode report(std::string_view program, const Error& error);

// The text on stdout; returns kOk, also when the reader is gone, or reports why it could not be written.
ExitCode print(std::string_view program, std::string_view text);

// From here on a closed pipe is write_text's false instead of death by SIGPIPE, so that what is half done (a
// session to save) can be finished.
void ignore_broken_pipe();

// Ctrl-C in two steps: the first one sets a flag that ends the answer, a second before clear_interrupt() ends
// the program as if it were not caught. Process-wide, as signals are.
void catch_interrupt();
bool interrupted();
void clear_interrupt();
// Waits until standard input has something to read (a whole line, of a terminal) or has ended. False: Ctrl-C
// came first, at whatever moment and on whichever thread.
bool wait_for_input();

// A mapped file that another program truncates turns the next read into SIGBUS. From here on that ends the
// program with kInput and a line that says so, instead of a crash. `program` is at most 64 bytes of it.
void report_truncated_mapping(std::string_view program);

}  // namespace gemma
