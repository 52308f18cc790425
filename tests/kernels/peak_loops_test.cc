// The loops that bound the kernels: there are some for every instruction set with kernels of its own, and
// each runs where it is supported. How fast is no test's business.
#include "kernels/peak_loops.h"

#include <doctest/doctest.h>

namespace gemma::kernels {
namespace {

constexpr PeakOperands kAll[] = {PeakOperands::kInt2, PeakOperands::kInt4, PeakOperands::kInt8,
                                 PeakOperands::kInt8ByInt4, PeakOperands::kFloat32};

TEST_CASE("every instruction set of this CPU but the plain ones has a bound for all operands") {
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    for (PeakOperands operands : kAll) {
      const PeakLoop* loop = find_peak_loop(isa, operands);
      if (isa == Isa::kPortable) {
        CHECK(loop == nullptr);
        continue;
      }
      if (isa == Isa::kNeon && operands != PeakOperands::kFloat32) continue;  // integers in plain C++
      REQUIRE(loop != nullptr);
      CHECK(loop->isa == isa);
      CHECK(loop->operands == operands);
      CHECK(loop->macs > 0);
      loop->run(3);
    }
  }
}

TEST_CASE("weights of fewer bits are bound by sums in 16 bits, those of more are not") {
  CHECK(peak_operands(2, 127) == PeakOperands::kInt2);
  CHECK(peak_operands(4, 127) == PeakOperands::kInt4);
  CHECK(peak_operands(6, 127) == PeakOperands::kInt8);
  CHECK(peak_operands(8, 127) == PeakOperands::kInt8);
}

TEST_CASE("activations of 4 bits leave weights of 8 room for sums in 16 bits") {
  CHECK(peak_operands(8, 7) == PeakOperands::kInt8ByInt4);
  CHECK(peak_operands(4, 7) == PeakOperands::kInt4);
}

}  // namespace
}  // namespace gemma::kernels
