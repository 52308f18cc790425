#include "kernels/kernel_registry.h"

#include <algorithm>

namespace gemma::kernels {
namespace {

struct Operation {
  std::string_view name;
  void (*copy)(const KernelTable& from, KernelTable& to);
  bool (*same)(const KernelTable& a, const KernelTable& b);
  bool exact;  // every variant gives the definition's bits
};

template <auto Entry>
constexpr Operation operation(std::string_view name, bool exact = true) {
  return {name, [](const KernelTable& from, KernelTable& to) { to.*Entry = from.*Entry; },
          [](const KernelTable& a, const KernelTable& b) { return a.*Entry == b.*Entry; }, exact};
}

constexpr bool kRounds = false;

// Every entry of KernelTable, in its order.
constexpr Operation kOperations[] = {
    operation<&KernelTable::matmul_float>("matmul_float", kRounds),
    operation<&KernelTable::dot>("dot", kRounds),
    operation<&KernelTable::rms_norm>("rms_norm", kRounds),
    operation<&KernelTable::gelu_mul>("gelu_mul", kRounds),
    operation<&KernelTable::add>("add"),
    operation<&KernelTable::scale>("scale"),
    operation<&KernelTable::softcap>("softcap", kRounds),
    operation<&KernelTable::rope>("rope", kRounds),
    operation<&KernelTable::attention_span>("attention_span", kRounds),
    operation<&KernelTable::attention_merge>("attention_merge", kRounds),
    operation<&KernelTable::attention_finish>("attention_finish", kRounds),
    operation<&KernelTable::float_to_bf16>("float_to_bf16"),
    operation<&KernelTable::float_to_f16>("float_to_f16"),
    operation<&KernelTable::bf16_to_float>("bf16_to_float"),
    operation<&KernelTable::f16_to_float>("f16_to_float"),
    operation<&KernelTable::recover_grid>("recover_grid"),
    operation<&KernelTable::q4_0_textbook>("q4_0_textbook"),
    operation<&KernelTable::absmax>("absmax"),
    operation<&KernelTable::symmetric_levels>("symmetric_levels"),
    operation<&KernelTable::quantize_activations>("quantize_activations"),
    operation<&KernelTable::matmul_int4_group32>("int4_group32"),
    operation<&KernelTable::matmul_int4_channel>("int4_channel"),
    operation<&KernelTable::matmul_int8_channel>("int8_channel"),
    operation<&KernelTable::matmul_int8_group>("int8_group"),
    operation<&KernelTable::quantize_static>("quantize_static"),
    operation<&KernelTable::matmul_int2_static>("int2_static"),
    operation<&KernelTable::matmul_int4_static>("int4_static"),
    operation<&KernelTable::matmul_int8_static>("int8_static"),
};
static_assert(sizeof(KernelTable) == (1 + std::size(kOperations)) * sizeof(void*),
              "an entry of KernelTable has no name: add its line to kOperations");

// What can be multiplied by whole numbers, under the names above. Formats that share an entry have a line
// each.
constexpr MatmulOperation kMatmuls[] = {
    {"int4_group32", "", WeightFormat::kInt4Group32, 4, 0, ActivationKind::kInt8Group, 127,
     &KernelTable::matmul_int4_group32},
    {"int4_channel", "", WeightFormat::kInt4Channel, 4, 0, ActivationKind::kInt8Token, 127,
     &KernelTable::matmul_int4_channel},
    {"int8_channel", "", WeightFormat::kInt8Channel, 8, 0, ActivationKind::kInt8Token, 127,
     &KernelTable::matmul_int8_channel},
    {"int8_channel", "a4", WeightFormat::kInt8Channel, 8, 0, ActivationKind::kInt4Token, 7,
     &KernelTable::matmul_int8_channel},
    {"int8_group", "w8g32", WeightFormat::kInt8Group, 8, 32, ActivationKind::kInt8Group, 127,
     &KernelTable::matmul_int8_group},
    {"int8_group", "w6g16", WeightFormat::kInt8Group, 6, 16, ActivationKind::kInt8Group, 127,
     &KernelTable::matmul_int8_group},
    {"int2_static", "", WeightFormat::kInt2Channel, 2, 0, ActivationKind::kInt8Static, 127,
     &KernelTable::matmul_int2_static},
    {"int4_static", "", WeightFormat::kInt4Channel, 4, 0, ActivationKind::kInt8Static, 127,
     &KernelTable::matmul_int4_static},
    {"int8_static", "", WeightFormat::kInt8Channel, 8, 0, ActivationKind::kInt8Static, 127,
     &KernelTable::matmul_int8_static},
};

bool is_supported(Isa isa) {
  const auto isas = supported_isas();
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

// Whether the table of an instruction set has a kernel that no other table before it in the enumeration has.
bool is_own(const Operation& operation, Isa isa) {
  const auto isas = all_isas();
  return std::none_of(isas.begin(), std::find(isas.begin(), isas.end(), isa),
                      [&](Isa earlier) { return operation.same(kernel_table(earlier), kernel_table(isa)); });
}

}  // namespace

std::span<const MatmulOperation> matmul_operations() {
  return kMatmuls;
}

std::vector<std::string_view> operation_names() {
  std::vector<std::string_view> names;
  for (const Operation& operation : kOperations) names.push_back(operation.name);
  return names;
}

std::vector<KernelVariant> kernel_variants() {
  std::vector<KernelVariant> variants;
  for (const Operation& operation : kOperations) {
    for (Isa isa : all_isas()) {
      if (is_own(operation, isa)) variants.push_back({operation.name, isa, is_supported(isa)});
    }
  }
  return variants;
}

std::vector<KernelVariant> chosen_variants(const KernelTable& table) {
  std::vector<KernelVariant> chosen;
  for (const Operation& operation : kOperations) {
    for (Isa isa : all_isas()) {
      if (!operation.same(kernel_table(isa), table)) continue;
      chosen.push_back({operation.name, isa, is_supported(isa)});
      break;
    }
  }
  return chosen;
}

bool force_kernel(std::string_view name, KernelTable& table) {
  for (const KernelVariant& variant : kernel_variants()) {
    if (!variant.supported || variant.name() != name) continue;
    for (const Operation& operation : kOperations) {
      if (operation.name == variant.operation) operation.copy(kernel_table(variant.isa), table);
    }
    return true;
  }
  return false;
}

void force_kernels(std::string_view names, KernelTable& table) {
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    force_kernel(names.substr(0, comma), table);
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
}

std::vector<KernelVariant> float_variants(const KernelTable& table) {
  std::vector<KernelVariant> chosen = chosen_variants(table);
  std::erase_if(chosen, [](const KernelVariant& variant) {
    return std::ranges::find(kOperations, variant.operation, &Operation::name)->exact;
  });
  return chosen;
}

}  // namespace gemma::kernels
