// Every kernel by its name, OPERATION/INSTRUCTION-SET ("int4_group32/avx2"), and how one of them is forced:
// a table is copied and one entry replaced. The names follow from KernelTable and integer_kernels.inc.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"

namespace gemma::kernels {

// An integer matmul: what the tests and benchmarks of all of them need to know.
struct MatmulOperation {
  std::string_view name;     // the operation's: "int4_group32"
  std::string_view variant;  // "w6g16" where several formats share an operation; else empty
  WeightFormat format;
  int bits;
  size_t group;  // of kInt8Group; else 0
  ActivationKind activations;
  int activation_levels;  // highest level of the activations
  void (*KernelTable::*entry)(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                              float* out, size_t out_stride);
};
std::span<const MatmulOperation> matmul_operations();

// The names of all operations, one per entry of KernelTable: "matmul_float", "rms_norm", "int4_group32", ...
std::vector<std::string_view> operation_names();

struct KernelVariant {
  std::string_view operation;
  Isa isa;         // whose own kernel it is
  bool supported;  // by this CPU
  std::string name() const { return std::string(operation) + "/" + std::string(to_string(isa)); }
  bool operator==(const KernelVariant&) const = default;
};

// Every variant of this build, operation by operation, the definition first. Where an instruction set takes
// another's kernel it has no variant of its own.
std::vector<KernelVariant> kernel_variants();

// The variants that a table calls, one per operation.
std::vector<KernelVariant> chosen_variants(const KernelTable& table);

// Those of chosen_variants() that round: of the same operation, two may differ in the last bits.
std::vector<KernelVariant> float_variants(const KernelTable& table);

// Replaces an entry of the table by the variant of that name. False: there is none, or this CPU lacks its
// instruction set; the table is as it was.
bool force_kernel(std::string_view name, KernelTable& table);

// The same for a list, names separated by commas; unknown names are passed over.
void force_kernels(std::string_view names, KernelTable& table);

}  // namespace gemma::kernels
