// How much of a matrix a worker takes at a time.
#include <algorithm>

#include <doctest/doctest.h>

#include "engine/forward_plan.h"
#include "engine/linear.h"

namespace gemma {
namespace {

TEST_CASE("a worker takes whole panels, of few tokens by halves, of many a small part") {
  for (const size_t rows : {1u, 16u, 100u, 256u, 1536u, 12288u, 262144u}) {
    for (const size_t threads : {1u, 2u, 16u, 128u}) {
      for (const size_t tokens : {1u, 2u, 8u, 9u, 256u}) {
        CAPTURE(rows);
        CAPTURE(threads);
        CAPTURE(tokens);
        const Grain grain = linear_grain(rows, 1536, tokens, threads);
        CHECK(grain.items > 0);
        CHECK(grain.items % kernels::kPanelRows == 0);
        CHECK(grain.halves == (tokens <= kFewTokens));
        // Four panels, or at most a thirty-second of a thread's part, rounded up to four panels.
        const size_t panels = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows;
        CHECK(grain.items / kernels::kPanelRows <= panels / (threads * 32) + 4);
      }
    }
  }
}

TEST_CASE("what a worker takes of gate and up fits into its piece, whatever the tokens, widths and threads") {
  for (const size_t chunk : {16u, 256u, 2048u, 4096u}) {
    for (const size_t width : {32u, 96u, 2112u, 6144u, 12288u, 21504u}) {
      for (const size_t threads : {1u, 2u, 7u, 64u}) {
        for (size_t tokens = 1; tokens <= chunk; tokens += tokens < 40 ? 1 : 37) {
          const Grain grain = gate_grain(width, 1536, tokens, threads);
          CAPTURE(width);
          CAPTURE(threads);
          CAPTURE(tokens);
          REQUIRE(grain.items > 0);
          REQUIRE(grain.items % kernels::kPanelRows == 0);
          REQUIRE(gate_piece(tokens) <= gate_piece(chunk));
          if (!grain.halves) REQUIRE(tokens * grain.items <= gate_piece(tokens));
        }
      }
    }
  }
}

TEST_CASE("numbers of gate and up pass through pieces where whole groups of levels are all that is read") {
  using kernels::ActivationKind;
  const Grain grain(64);
  CHECK(passes_gate({.kind = ActivationKind::kInt8Group, .group = 32}, 256, grain));
  CHECK(passes_gate({.kind = ActivationKind::kInt8Static}, 256, grain));
  CHECK_FALSE(passes_gate({.kind = ActivationKind::kInt8Group, .group = 32}, kFewTokens, grain));
  CHECK_FALSE(passes_gate({.kind = ActivationKind::kInt8Group, .group = 128}, 256, grain));
  CHECK_FALSE(passes_gate({.kind = ActivationKind::kInt8Token}, 256, grain));
  CHECK_FALSE(passes_gate({}, 256, grain));
}

}  // namespace
}  // namespace gemma
