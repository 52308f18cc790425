// What OpenMP's runtime and the allocator are told before main() runs.
//
// How long OpenMP's waiting threads spin before they sleep. The runtime's own default (GCC's libgomp: some
// milliseconds) makes a program crawl as soon as another one wants the cores: 100 tokens of the shipped model
// took 42 s on a machine with a load of 10, 1.6 s with threads that sleep at once (one run each). A few tens
// of microseconds of spinning cover the pauses inside a token and cost a busy machine nothing.
//
// When mimalloc gives free pages back: at once, and not at the first call that happens to come 25 ms later.
// Reading a tokenizer of 262144 words leaves 27 MB, which would stay or not as it happens; a forecast of
// memory could not be right about them.
#pragma once

namespace gemma {

// Both read their settings from the environment when the program starts, so this sets what is missing there
// (GOMP_SPINCOUNT; MIMALLOC_DECOMMIT_DELAY and its newer name MIMALLOC_PURGE_DELAY) and starts the program
// again, once. The second start takes them out of its environment first of all: programs that it runs in turn
// ("gemma-bench alternate") get the environment that the user gave. What the user has set (also
// OMP_WAIT_POLICY) is left alone, and nothing happens where /proc is missing or where the program was started
// by naming the dynamic loader ("ld.so gemma-run"), which a second start could not repeat.
void set_up_runtime(char** argv);

}  // namespace gemma
