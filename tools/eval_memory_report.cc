// Memory by part as text and as JSON.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "engine/buffer.h"
#include "tools/eval_memory.h"

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

const char* in_words(MemoryPart part) {
  switch (part) {
    case MemoryPart::kWeights:
      return "weights";
    case MemoryPart::kKvSliding:
      return "KV, sliding layers";
    case MemoryPart::kKvFull:
      return "KV, full layers";
    case MemoryPart::kActivations:
      return "activations";
    case MemoryPart::kScratch:
      return "scratch";
    case MemoryPart::kLogits:
      return "logits";
    case MemoryPart::kTokenizer:
      return "tokenizer";
    case MemoryPart::kObjects:
      return "other objects";
    case MemoryPart::kAllocator:
      return "allocator's slack";
    case MemoryPart::kFileRest:
      return "rest of mapped files";
    case MemoryPart::kCode:
      return "program, libraries";
    case MemoryPart::kStacks:
      return "stacks";
  }
  return "?";
}

// `shared`: one matrix serves as embedding and head.
std::string class_name(const MemoryLine& line, bool shared) {
  if (line.tensor_class == TensorClass::kFloat) return "norms, router";
  if (line.tensor_class == TensorClass::kHead && shared) return "embed and head";
  return std::string(to_string(line.tensor_class));
}

void add(MemoryLine& sum, const MemoryLine& line) {
  sum.reserved_bytes += line.reserved_bytes;
  sum.resident_bytes += line.resident_bytes;
  sum.cached_bytes += line.cached_bytes;
  sum.mapped = sum.mapped || line.mapped;
}

std::string row(const std::string& name, const MemoryLine& line) {
  const std::string cached =
      line.mapped ? fmt::format("  (mapped; {} in the page cache)", format_bytes(line.cached_bytes)) : "";
  return fmt::format("  {:<26}{:>12}{:>12}{}\n", name, format_bytes(line.resident_bytes),
                     format_bytes(line.reserved_bytes), cached);
}

}  // namespace

std::string memory_table(const std::vector<MemoryLine>& lines, bool layers) {
  std::map<MemoryPart, MemoryLine> parts;
  std::map<std::pair<std::string, bool>, MemoryLine> classes;
  std::map<std::pair<size_t, MemoryPart>, MemoryLine> by_layer;
  const bool shared = std::none_of(lines.begin(), lines.end(), [](const MemoryLine& line) {
    return line.part == MemoryPart::kWeights && line.tensor_class == TensorClass::kEmbed;
  });
  for (const MemoryLine& line : lines) {
    add(parts[line.part], line);
    if (line.part == MemoryPart::kWeights) add(classes[{class_name(line, shared), line.mapped}], line);
    if (line.layer) add(by_layer[{*line.layer, line.part}], line);
  }
  std::string text = fmt::format("  {:<26}{:>12}{:>12}\n", "", "resident", "reserved");
  for (const auto& [part, sum] : parts) {
    text += row(in_words(part), sum);
    if (part != MemoryPart::kWeights) continue;
    for (const auto& [key, of_class] : classes) text += row("  " + key.first, of_class);
  }
  if (!layers) return text;
  for (const auto& [key, sum] : by_layer) {
    text += row(fmt::format("layer {:>2}, {}", key.first, in_words(key.second)), sum);
  }
  return text;
}

std::string memory_summary(const MemoryReport& report) {
  const auto part = [&](MemoryPart which) { return format_bytes(report.resident(which)); };
  const uint64_t kv = report.resident(MemoryPart::kKvSliding) + report.resident(MemoryPart::kKvFull);
  const uint64_t work = report.resident(MemoryPart::kActivations) + report.resident(MemoryPart::kScratch) +
                        report.resident(MemoryPart::kLogits);
  const uint64_t rest = report.resident(MemoryPart::kObjects) + report.resident(MemoryPart::kAllocator) +
                        report.resident(MemoryPart::kFileRest) + report.resident(MemoryPart::kStacks);
  return fmt::format(
      "weights {}, KV {}, activations and scratch {}, tokenizer {}, program {}, heap and rest {}, "
      "unaccounted {:.1f} MB",
      part(MemoryPart::kWeights), format_bytes(kv), format_bytes(work), part(MemoryPart::kTokenizer),
      part(MemoryPart::kCode), format_bytes(rest), static_cast<double>(report.unaccounted_bytes) / 1e6);
}

Json memory_lines_json(const std::vector<MemoryLine>& lines) {
  Json all = Json::array();
  for (const MemoryLine& line : lines) {
    Json one = {{"part", to_string(line.part)}};
    if (line.part == MemoryPart::kWeights) {
      one["class"] =
          line.tensor_class == TensorClass::kFloat ? "float" : std::string(to_string(line.tensor_class));
      one["mapped"] = line.mapped;
    }
    if (line.layer) one["layer"] = *line.layer;
    one["resident_bytes"] = line.resident_bytes;
    one["reserved_bytes"] = line.reserved_bytes;
    if (line.mapped) one["cached_bytes"] = line.cached_bytes;
    all.push_back(std::move(one));
  }
  return all;
}

Json memory_json(const MemoryReport& report) {
  const ProcessMemory& process = report.process;
  Json parts = Json::object();
  for (size_t i = 0; i < kMemoryParts; ++i) {
    const MemoryPart part = static_cast<MemoryPart>(i);
    parts[std::string(to_string(part))] = {{"resident_bytes", report.resident(part)},
                                           {"reserved_bytes", report.reserved(part)}};
  }
  return {{"process",
           {{"resident_bytes", process.resident_bytes},
            {"anonymous_bytes", process.anonymous_bytes},
            {"file_bytes", process.file_bytes},
            {"shared_bytes", process.shared_bytes},
            {"proportional_bytes", process.proportional_bytes},
            {"virtual_bytes", process.virtual_bytes},
            {"page_table_bytes", process.page_table_bytes},
            {"swapped_bytes", process.swapped_bytes}}},
          {"parts", std::move(parts)},
          {"kv_used_bytes", report.kv_used_bytes},
          {"ple_file_bytes", report.ple_file_bytes},
          {"heap_is_open", report.heap_is_open},
          {"accounted_bytes", report.accounted_bytes},
          {"unaccounted_bytes", report.unaccounted_bytes},
          {"unaccounted_limit_bytes", unaccounted_limit(report)},
          {"lines", memory_lines_json(report.lines)}};
}

}  // namespace gemma
