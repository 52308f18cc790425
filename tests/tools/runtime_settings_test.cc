// The second start of the programs: what it leaves in the environment, and when there is none.
#include "tools/runtime_settings.h"

#include <doctest/doctest.h>
#include <link.h>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;

namespace {

// A command line in an environment that sets none of what the programs set for themselves.
std::vector<std::string> unset(std::vector<std::string> command) {
  std::vector<std::string> all = {"/usr/bin/env"};
  for (const char* name :
       {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "MIMALLOC_DECOMMIT_DELAY", "MIMALLOC_PURGE_DELAY"}) {
    all.insert(all.end(), {"-u", name});
  }
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

std::vector<std::string> alternate(const std::string& command) {
  return {GEMMA_BENCH, "alternate", "--a", command, "--b",      "echo 1",
          "--figure",  "([0-9])",   "-r",  "1",     "--warmup", "0"};
}

// The path of the dynamic loader that this program names; empty: none.
std::string loader_path() {
  std::string path;
  dl_iterate_phdr(
      [](dl_phdr_info* program, size_t, void* out) {
        for (int i = 0; i < program->dlpi_phnum; ++i) {
          if (program->dlpi_phdr[i].p_type != PT_INTERP) continue;
          *static_cast<std::string*>(out) =
              reinterpret_cast<const char*>(program->dlpi_addr + program->dlpi_phdr[i].p_vaddr);
        }
        return 1;
      },
      &path);
  return path;
}

}  // namespace

TEST_CASE("programs that gemma-bench compares get the environment that the user gave it") {
  const TemporaryFolder folder;
  REQUIRE(run_program(unset({"/bin/sh", "-c", "env | sort > " + folder.file("user")})).exit_code == 0);
  const Outcome run = run_program(unset(alternate("env | sort > " + folder.file("child") + "; echo 1")));
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(read_file(folder.file("user")) != "");
  CHECK(read_file(folder.file("child")) == read_file(folder.file("user")));
}

TEST_CASE("what the user has set of it reaches them as it is") {
  const TemporaryFolder folder;
  std::vector<std::string> command = unset({"GOMP_SPINCOUNT=7", "MIMALLOC_PURGE_DELAY=11"});
  for (const std::string& word : alternate("env > " + folder.file("child") + "; echo 1"))
    command.push_back(word);
  const Outcome run = run_program(command);
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  const std::string child = read_file(folder.file("child"));
  CHECK(contains(child, "GOMP_SPINCOUNT=7\n"));
  CHECK(contains(child, "MIMALLOC_PURGE_DELAY=11\n"));
  CHECK_FALSE(contains(child, "MIMALLOC_DECOMMIT_DELAY"));
}

TEST_CASE("a program that the dynamic loader was asked to start runs as any other") {
  const std::string loader = loader_path();
  if (loader.empty()) return;  // linked statically: there is none to ask
  const Outcome direct = run_program(unset({GEMMA_RUN, "--version"}));
  const Outcome loaded = run_program(unset({loader, GEMMA_RUN, "--version"}));
  REQUIRE(direct.exit_code == 0);
  CHECK_MESSAGE(loaded.exit_code == 0, loaded.messages);
  CHECK(loaded.text == direct.text);
}
