// --session keeps the computed state; --chat keeps a conversation, through a pipe and at a terminal.
#include <doctest/doctest.h>
#include <pty.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::Outcome;
using gemma::tests::pointers;
using gemma::tests::read_file;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;
using nlohmann::json;

namespace {

const std::string kAsk = "Tell me a story about a bear.";

Outcome ask(const std::string& session, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.end(), {"-p", kAsk, "-n", "5", "--greedy", "--session", session});
  return gemma_run(arguments);
}

// gemma-run --chat at a pseudo terminal of its own, which it takes for a user's.
class TerminalChat {
 public:
  explicit TerminalChat(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {GEMMA_RUN, "--chat", "--threads", "1"});
    child_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::execv(GEMMA_RUN, pointers(arguments).data());
      ::_exit(127);
    }
  }
  TerminalChat(const TerminalChat&) = delete;
  TerminalChat& operator=(const TerminalChat&) = delete;
  ~TerminalChat() { ::close(terminal_); }

  void type(const std::string& keys) {
    REQUIRE(::write(terminal_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  // Reads the screen until `part` has appeared behind what was waited for before.
  void wait_for(const std::string& part) {
    char block[512];
    size_t at = 0;
    while ((at = screen_.find(part, seen_)) == std::string::npos) {
      const ssize_t n = ::read(terminal_, block, sizeof(block));
      REQUIRE_MESSAGE(n > 0, "the terminal closed; it showed: ", screen_);
      screen_.append(block, static_cast<size_t>(n));
    }
    seen_ = at + part.size();
  }
  int exit_code() {
    int status = 0;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace

TEST_CASE("a second run on a session file computes one token of the prompt and writes the same text") {
  const TemporaryFolder folder;
  const Outcome first = ask(folder.file("session"));
  const Outcome second = ask(folder.file("session"), {"--stats"});
  CHECK(first.exit_code == 0);
  CHECK(second.text == first.text);
  CHECK(contains(second.messages, "prefill      1 tokens"));
  CHECK(contains(second.messages, "21 more were cached"));
}

TEST_CASE("a session file of another model, scheme or context is refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("session");
  REQUIRE(ask(path).exit_code == 0);
  const Outcome model = ask(path, {"-m", "synthetic:tiny"});
  CHECK(model.exit_code == 3);
  CHECK(contains(model.messages, path + ": saved by another model or scheme than synthetic:tiny in "));
  const Outcome scheme = ask(path, {"--scheme", "int8"});
  CHECK(scheme.exit_code == 3);
  CHECK(contains(scheme.messages, "saved by another model or scheme than "));
  const Outcome context = ask(path, {"-c", "512"});
  CHECK(context.exit_code == 3);
  CHECK(context.messages == "gemma-run: " + path +
                                ": saved with another context: expected 512, found 1024 (delete it to start "
                                "anew)\n");
}

TEST_CASE("a damaged, a cut and a foreign session file are refused and left alone") {
  const TemporaryFolder folder;
  const std::string path = folder.file("session");
  REQUIRE(ask(path).exit_code == 0);
  const std::string whole = read_file(path);

  std::string damaged = whole;
  damaged[damaged.size() / 2] ^= 1;
  write_file(path, damaged);
  Outcome run = ask(path);
  CHECK(run.exit_code == 3);
  CHECK(run.messages == "gemma-run: " + path +
                            ": the checksum does not match: the file is damaged (delete it to start anew)\n");
  CHECK(read_file(path) == damaged);

  write_file(path, whole.substr(0, 1000));
  run = ask(path);
  CHECK(run.exit_code == 3);
  CHECK(contains(run.messages, "1000 bytes do not fit the 26 tokens the header tells of"));

  write_file(path, "hello");
  run = ask(path);
  CHECK(run.exit_code == 3);
  CHECK(run.messages == "gemma-run: " + path + ": not a session file of gemma-run\n");
}

TEST_CASE("a session file in a folder that is not there is told before anything is computed") {
  const Outcome run = ask("/nonexistent/session");
  CHECK(run.exit_code == 3);
  CHECK(run.text == "");
  CHECK(run.messages ==
        "gemma-run: /nonexistent/session: there is no folder /nonexistent (make it, or name another session "
        "file)\n");
}

TEST_CASE("the second turn of a conversation finds the first in the cache") {
  const Outcome run =
      gemma_run({"--chat", "--greedy", "-n", "8", "--stats"}, {.input = kAsk + "\nAnd then?\n"});
  CHECK(run.exit_code == 0);
  CHECK(std::count(run.text.begin(), run.text.end(), '\n') == 2);
  // 22 tokens of the first prompt and 7 of the answer; the eighth was chosen, not read.
  CHECK(contains(run.messages, "29 more were cached"));
}

TEST_CASE("a conversation goes on from its session file, until /reset") {
  const TemporaryFolder folder;
  const std::vector<std::string> chat = {"--chat",    "--greedy",          "-n",     "8",
                                         "--session", folder.file("talk"), "--stats"};
  CHECK(gemma_run(chat, {.input = kAsk + "\n"}).exit_code == 0);
  const Outcome second = gemma_run(chat, {.input = "And then?\n"});
  CHECK(contains(second.messages, "29 more were cached"));
  const json talk = json::parse(read_file(folder.file("talk.json")));
  REQUIRE(talk.size() == 4);
  CHECK(talk[0]["content"] == kAsk);
  CHECK(talk[2]["content"] == "And then?");
  CHECK(talk[3]["role"] == "assistant");

  CHECK(gemma_run(chat, {.input = "/reset\nHello\n/exit\nnever read\n"}).exit_code == 0);
  CHECK(json::parse(read_file(folder.file("talk.json"))).size() == 2);
}

TEST_CASE("a line that is not UTF-8 is kept as far as it is, and the talk goes on") {
  const TemporaryFolder folder;
  const std::vector<std::string> chat = {"--chat", "--greedy", "-n", "4", "--session", folder.file("talk")};
  const Outcome first = gemma_run(chat, {.input = "A caf\xE9 story.\n"});
  CHECK_MESSAGE(first.exit_code == 0, first.messages);
  CHECK(json::parse(read_file(folder.file("talk.json")))[0]["content"] == "A caf\uFFFD story.");
  CHECK(gemma_run(chat, {.input = "And then?\n"}).exit_code == 0);
  CHECK(json::parse(read_file(folder.file("talk.json"))).size() == 4);
}

TEST_CASE("a kept conversation that is no list of plain texts is refused") {
  const TemporaryFolder folder;
  write_file(folder.file("talk.json"),
             R"([{"role": "user", "content": [{"type": "text", "text": "in parts"}]}])");
  const Outcome run = gemma_run({"--chat", "--session", folder.file("talk")}, {.input = "hi\n"});
  CHECK(run.exit_code == 3);
  CHECK(contains(run.messages, "talk.json: expected turns of plain text, found one in parts"));
}

TEST_CASE("in a pipe, a turn beyond the context ends the conversation with an error") {
  const Outcome run = gemma_run({"--chat", "-c", "20"}, {.input = kAsk + "\n"});
  CHECK(run.exit_code == 2);
  CHECK(contains(run.messages, "prompt: 22 tokens, the context holds 20"));
}

TEST_CASE("at a terminal Ctrl-C stops an answer, keeps the talk, and Ctrl-D ends it") {
  const TemporaryFolder folder;
  TerminalChat chat({"--greedy", "--ignore-eos", "-n", "1000", "--session", folder.file("talk")});
  chat.wait_for("> ");
  chat.type(kAsk + "\n");
  chat.wait_for("Once upon a time");
  chat.type("\x03");
  chat.wait_for("> ");
  chat.type("dropped\x03");
  chat.wait_for("> ");
  chat.type("/exit\n");
  CHECK(chat.exit_code() == 0);
  const json talk = json::parse(read_file(folder.file("talk.json")));
  REQUIRE(talk.size() == 2);
  CHECK(talk[1]["content"].get<std::string>().starts_with("Once upon a time"));
}

TEST_CASE("at a terminal a turn beyond the context is told and dropped, and the talk goes on") {
  TerminalChat chat({"--greedy", "-n", "3", "-c", "20"});
  chat.wait_for("> ");
  chat.type(kAsk + "\n");
  chat.wait_for("prompt: 22 tokens, the context holds 20");
  chat.wait_for("> ");
  chat.type("hi\n");
  chat.wait_for("Once upon a");
  chat.wait_for("> ");
  chat.type("\x04");
  CHECK(chat.exit_code() == 0);
}
