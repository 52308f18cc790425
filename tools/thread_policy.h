// How long OpenMP's waiting threads spin before they sleep. The runtime's own default (GCC's libgomp: some
// milliseconds) makes a program crawl as soon as another one wants the cores: 100 tokens of the shipped model
// took 42 s on a machine with a load of 10, 1.6 s with threads that sleep at once (one run each). A few tens
// of microseconds of spinning cover the pauses inside a token and cost a busy machine nothing.
#pragma once

namespace gemma {

// libgomp reads its settings before main() runs, so this sets GOMP_SPINCOUNT and starts the program again,
// once. What the user has set (OMP_WAIT_POLICY, GOMP_SPINCOUNT) is left alone, and where /proc is missing
// nothing happens.
void spin_briefly(char** argv);

}  // namespace gemma
