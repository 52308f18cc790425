// Runs a program as a user's shell would: arguments, environment and input in; text, messages and exit code
// out.
//
//   const Outcome run = run_program({GEMMA_RUN, "-p", "hi"});
//   CHECK(run.exit_code == 0);
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" char** environ;

namespace gemma::tests {

// A folder of its own that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "gemma-run-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct Surroundings {
  std::string input = {};                     // what stands on standard input
  std::vector<std::string> environment = {};  // NAME=VALUE, on top of ours
  std::string output_path = {};               // where standard output goes instead of Outcome::text
};

struct Outcome {
  std::string text, messages;  // standard output and standard error
  int exit_code = -1;          // 128 + the number of the signal that ended it, as a shell says
};

inline std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

inline Outcome run_program(const std::vector<std::string>& arguments, const Surroundings& around = {}) {
  const TemporaryFolder folder;
  const std::string out = around.output_path.empty() ? folder.file("out") : around.output_path;
  write_file(folder.file("in"), around.input);
  std::vector<std::string> environment = around.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, folder.file("in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, 2, folder.file("messages").c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const int failed = posix_spawn(&child, arguments.front().c_str(), &files, nullptr,
                                 pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  REQUIRE(failed == 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  Outcome outcome;
  if (around.output_path.empty()) outcome.text = read_file(out);
  outcome.messages = read_file(folder.file("messages"));
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// gemma-run on one thread: a test machine is busy, and the text does not depend on it.
inline Outcome gemma_run(std::vector<std::string> arguments, const Surroundings& around = {}) {
  arguments.insert(arguments.begin(), {GEMMA_RUN, "--threads", "1"});
  return run_program(arguments, around);
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace gemma::tests
