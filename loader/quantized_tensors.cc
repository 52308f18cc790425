#include "loader/quantized_tensors.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr char kAnotherExport[] = "take an export of the model as its makers published it";

std::string place(const TensorInfo& tensor) {
  return tensor.file + ": " + in_quotes(tensor.stored_name);
}

// "X" of "X" + suffix.
std::optional<std::string> stem(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix) || name.size() == suffix.size()) return std::nullopt;
  return std::string(name.substr(0, name.size() - suffix.size()));
}

class Folder {
 public:
  Folder(std::vector<ListedTensor>& tensors, const ReadStored& read, const LogicalColumns& columns)
      : tensors_(tensors), read_(read), columns_(columns) {}

  Result<void> fold() {
    for (ListedTensor& tensor : tensors_) rename(tensor.info);
    for (size_t i = 0; i < tensors_.size(); ++i) by_name_[tensors_[i].info.name] = i;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      Result<void> folded = fold_one(i);
      if (!folded) return folded;
    }
    drop();
    return join_experts();
  }

 private:
  // The one name of what formats spell in their own ways.
  static void rename(TensorInfo& tensor) {
    static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
        {".embedding_quantized", ".weight"},
        {".embedding_scale", ".weight_scale"},
        {".input_scale", ".input_activation_scale"},
        {".output_scale", ".output_activation_scale"},
    };
    for (const auto& [spelled, name] : kSpellings) {
      if (const auto x = stem(tensor.name, spelled)) tensor.name = *x + std::string(name);
    }
  }

  ListedTensor* find(const std::string& name) {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &tensors_[it->second];
  }

  Result<void> fold_one(size_t index) {
    TensorInfo& tensor = tensors_[index].info;
    if (tensor.encoding != Encoding::kPlain) return {};  // a packed file has said what it is
    for (const char* suffix : {".weight_zero_point", ".weight_g_idx"}) {
      if (stem(tensor.name, suffix)) {
        return fail(ErrorCode::kUnsupported, place(tensor),
                    "zero points and reordered columns are not computed: Gemma 4 checkpoints are symmetric",
                    kAnotherExport);
      }
    }
    if (const auto x = stem(tensor.name, ".weight_packed")) return fold_packed(index, *x);
    if (tensor.dtype == Dtype::kU8) return fold_bytes(tensor);
    const bool levels = tensor.dtype == Dtype::kI8 && tensor.shape.size() >= 2;
    if (levels && by_name_.contains(tensor.name + "_scale")) tensor.encoding = Encoding::kGemma8;
    return {};
  }

  // X.weight (rows, bytes) uint8: two or four columns a byte, by what makes the model's columns.
  Result<void> fold_bytes(TensorInfo& tensor) {
    const size_t columns = columns_ ? columns_(tensor.name) : 0;
    if (columns == 0 || tensor.shape.size() != 2) return {};
    if (!by_name_.contains(tensor.name + "_scale")) {
      return fail(ErrorCode::kMismatch, place(tensor),
                  "its scales are missing: expected " + tensor.name + "_scale", kAnotherExport);
    }
    const size_t bytes = tensor.shape[1];
    const size_t of_two = encoded_row_bytes(Encoding::kGemma2, tensor.dtype, columns);
    const size_t of_four = encoded_row_bytes(Encoding::kGemma4, tensor.dtype, columns);
    if (bytes != of_two && bytes != of_four) {
      return fail(
          ErrorCode::kMismatch, place(tensor),
          fmt::format("expected rows of {} bytes (2 bits a weight) or {} bytes (4 bits) for {} columns, "
                      "found {} bytes",
                      of_two, of_four, columns, bytes),
          "config.json and the safetensors files must come from the same export");
    }
    if (of_two == of_four) {
      return fail(ErrorCode::kUnsupported, place(tensor),
                  fmt::format("{} columns are too few to tell 2 bits a weight from 4", columns));
    }
    tensor.encoding = bytes == of_two ? Encoding::kGemma2 : Encoding::kGemma4;
    tensor.shape[1] = columns;
    return {};
  }

  // X.weight_packed (rows, words) int32, X.weight_shape = (rows, columns), X.weight_scale.
  Result<void> fold_packed(size_t index, const std::string& x) {
    TensorInfo& packed = tensors_[index].info;
    const ListedTensor* shape = find(x + ".weight_shape");
    if (shape == nullptr || find(x + ".weight_scale") == nullptr) {
      return fail(ErrorCode::kMismatch, place(packed),
                  fmt::format("expected {0}.weight_shape and {0}.weight_scale beside it, found {1}", x,
                              shape == nullptr ? "no shape" : "no scale"),
                  kAnotherExport);
    }
    if (find(x + ".weight") != nullptr) {
      return fail(ErrorCode::kMismatch, place(packed),
                  "the matrix is stored a second time as " + x + ".weight", kAnotherExport);
    }
    const TensorInfo& info = shape->info;
    if (info.dtype != Dtype::kI64 || info.shape != std::vector<size_t>{2}) {
      return fail(ErrorCode::kMismatch, place(info), "expected two int64 numbers, rows and columns");
    }
    Result<std::vector<std::byte>> bytes = read_(shape->parts.front());
    if (!bytes) return fail(std::move(bytes.error()));
    int64_t extents[2];
    std::memcpy(extents, bytes->data(), sizeof(extents));
    const bool matrix = packed.dtype == Dtype::kI32 && packed.shape.size() == 2;
    const size_t words = matrix ? packed.shape[1] : 0;
    const auto holds = [&](size_t per_word) {
      return matrix && extents[0] > 0 && extents[1] > 0 &&
             static_cast<uint64_t>(extents[0]) == packed.shape[0] &&
             static_cast<uint64_t>(extents[1]) <= words * per_word &&
             static_cast<uint64_t>(extents[1]) + per_word > words * per_word;
    };
    if (holds(8)) {
      packed.encoding = Encoding::kPacked4;
    } else if (holds(4)) {
      packed.encoding = Encoding::kPacked8;
    } else if (holds(16) && words * 4 == encoded_row_bytes(Encoding::kGemma2, packed.dtype,
                                                           static_cast<size_t>(extents[1]))) {
      packed.encoding =
          Encoding::kGemma2;  // the same bits in the same order, as long as the last word is full
    } else {
      return fail(
          ErrorCode::kMismatch, place(packed),
          fmt::format("expected int32 words of 2, 4 or 8 bits a weight for [{}, {}], found {} [{}]",
                      extents[0], extents[1], dtype_name(packed.dtype), fmt::join(packed.shape, ", ")),
          kAnotherExport);
    }
    packed.shape = {static_cast<size_t>(extents[0]), static_cast<size_t>(extents[1])};
    packed.name = x + ".weight";
    dropped_.insert(x + ".weight_shape");
    return {};
  }

  void drop() {
    std::erase_if(tensors_, [&](const ListedTensor& tensor) { return dropped_.contains(tensor.info.name); });
  }

  // layers.N.experts.E.PART.REST of all E -> one tensor of three dimensions, experts outermost.
  Result<void> join_experts() {
    struct Name {
      std::string prefix, part, rest;  // "layers.3.experts.", "gate_proj", ".weight" or ".weight_scale"
      size_t expert = 0;
    };
    const auto parse = [](std::string_view name) -> std::optional<Name> {
      constexpr std::string_view kExperts = ".experts.";
      const size_t at = name.find(kExperts);
      if (at == name.npos) return std::nullopt;
      Name parsed;
      parsed.prefix = name.substr(0, at + kExperts.size());
      name.remove_prefix(parsed.prefix.size());
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), parsed.expert);
      if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
      name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
      const size_t dot = name.find('.');
      if (dot == name.npos) return std::nullopt;
      parsed.part = name.substr(0, dot);
      parsed.rest = name.substr(dot);
      return parsed;
    };
    // Key: name of the joined tensor; inside it by expert, then gate before up.
    std::map<std::string, std::map<std::pair<size_t, int>, size_t>> joined;
    std::vector<bool> taken(tensors_.size());
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const std::optional<Name> name = parse(tensors_[i].info.name);
      if (!name || (name->rest != ".weight" && name->rest != ".weight_scale")) continue;
      const bool gate = name->part == "gate_proj", up = name->part == "up_proj";
      if (!gate && !up && name->part != "down_proj") continue;
      const std::string to = name->prefix + (gate || up ? "gate_up_proj" : "down_proj") +
                             std::string(name->rest == ".weight" ? "" : "_scale");
      joined[to][{name->expert, up ? 1 : 0}] = i;
      taken[i] = true;
    }
    std::vector<ListedTensor> result;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (!taken[i]) result.push_back(std::move(tensors_[i]));
    }
    for (const auto& [name, members] : joined) {
      const int halves = name.find("gate_up_proj") != name.npos ? 2 : 1;
      ListedTensor whole;
      size_t expected = 0;
      for (const auto& [key, index] : members) {
        ListedTensor& member = tensors_[index];
        const TensorInfo& first = whole.parts.empty() ? member.info : whole.info;
        const std::pair<size_t, int> wanted{expected / static_cast<size_t>(halves),
                                            static_cast<int>(expected % static_cast<size_t>(halves))};
        if (key != wanted || member.info.shape.size() != 2 || member.info.dtype != first.dtype ||
            member.info.encoding != first.encoding ||
            (!whole.parts.empty() && member.info.shape != first.shape)) {
          return fail(
              ErrorCode::kMismatch, place(member.info),
              fmt::format(
                  "expected every expert once, all of one type and shape; it is out of line at expert "
                  "{}",
                  wanted.first),
              kAnotherExport);
        }
        if (whole.parts.empty()) whole.info = member.info;
        whole.parts.push_back(member.parts.front());
        ++expected;
      }
      if (expected % static_cast<size_t>(halves) != 0) {
        return fail(ErrorCode::kMismatch, place(whole.info), "the last expert has no up_proj",
                    kAnotherExport);
      }
      const size_t rows = whole.info.shape[0], columns = whole.info.shape[1];
      whole.info.name = name;
      whole.info.shape = {expected / static_cast<size_t>(halves), rows * static_cast<size_t>(halves),
                          columns};
      result.push_back(std::move(whole));
    }
    tensors_ = std::move(result);
    return {};
  }

  std::vector<ListedTensor>& tensors_;
  const ReadStored& read_;
  const LogicalColumns& columns_;
  std::map<std::string, size_t> by_name_;
  std::set<std::string> dropped_;
};

}  // namespace

Result<void> fold_quantized(std::vector<ListedTensor>& tensors, const ReadStored& read,
                            const LogicalColumns& columns) {
  return Folder(tensors, read, columns).fold();
}

}  // namespace gemma
