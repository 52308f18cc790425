#include "loader/gguf_checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/gguf_names.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

constexpr char kArchitecture[] = "gemma4";
constexpr char kDownloadAgain[] = "the download is incomplete or mixed up: fetch the model again";

// "NAME-00002-of-00003.gguf" in its parts.
struct ShardName {
  std::string stem;
  uint64_t number = 0, count = 0;

  std::string path(uint64_t which) const { return fmt::format("{}-{:05}-of-{:05}.gguf", stem, which, count); }
};

std::optional<ShardName> parse_shard_name(std::string_view path) {
  constexpr std::string_view kForm = "-00001-of-00001.gguf";
  if (path.size() <= kForm.size()) return std::nullopt;
  const std::string_view ending = path.substr(path.size() - kForm.size());
  ShardName name{std::string(path.substr(0, path.size() - kForm.size())), 0, 0};
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = kForm[i] >= '0' && kForm[i] <= '9';
    if (!digit ? ending[i] != kForm[i] : ending[i] < '0' || ending[i] > '9') return std::nullopt;
    if (digit) {
      uint64_t& number = i < 7 ? name.number : name.count;
      number = number * 10 + static_cast<uint64_t>(ending[i] - '0');
    }
  }
  return name;
}

std::optional<int64_t> integer(const GgufFile& file, std::string_view key) {
  const GgufValue* value = file.find(key);
  if (value == nullptr || value->is_array) return std::nullopt;
  const std::vector<int64_t> found = file.integers(*value);
  return found.empty() ? std::nullopt : std::optional(found[0]);
}

Result<void> check_architecture(const GgufFile& file) {
  const GgufValue* value = file.find("general.architecture");
  std::string found = "nothing";
  if (value != nullptr && value->type == GgufType::kString && !value->is_array) {
    const std::string_view text = file.strings(*value)[0];
    if (text == kArchitecture) return {};
    found = in_quotes(text, 40);
  }
  return fail(ErrorCode::kUnsupported, file.path() + ": general.architecture",
              fmt::format("expected \"{}\", found {}", kArchitecture, found),
              "this program runs Gemma 4 text models");
}

struct Stored {
  size_t file;
  const GgufTensor* tensor;
};

void set_type(TensorInfo& info, GgufTensorType type) {
  switch (type) {
    case GgufTensorType::kF32:
      info.dtype = Dtype::kF32;
      return;
    case GgufTensorType::kF16:
      info.dtype = Dtype::kF16;
      return;
    case GgufTensorType::kBf16:
      info.dtype = Dtype::kBf16;
      return;
    case GgufTensorType::kQ4_0:
      info.encoding = Encoding::kQ4_0;
      break;
    case GgufTensorType::kQ8_0:
      info.encoding = Encoding::kQ8_0;
      break;
    case GgufTensorType::kQ6_K:
      info.encoding = Encoding::kQ6_K;
      break;
  }
  info.dtype = Dtype::kU8;
}

// "blk.7.ffn_gate_exps.weight" and `ending` give "blk.7."; nothing for other names.
std::optional<std::string> layer_prefix(std::string_view name, std::string_view ending) {
  if (!name.starts_with("blk.") || !name.ends_with(ending)) return std::nullopt;
  name.remove_suffix(ending.size());
  if (!name.ends_with('.')) return std::nullopt;
  return std::string(name);
}

}  // namespace

struct GgufCheckpoint::Impl {
  // Rows of a tensor: of each part in turn `run` rows, over and over.
  struct Place {
    std::vector<Stored> parts;
    size_t run = 0;
  };

  std::vector<GgufFile> files;
  std::vector<TensorInfo> tensors;  // sorted by name
  std::vector<Place> places;        // of tensors[i]
  std::optional<Stored> rope_freqs;

  // `files` must not change any more: places point into it.
  Result<void> list_tensors();
  Result<void> join_experts(std::map<std::string, Stored>& gates, std::map<std::string, Stored>& ups,
                            std::vector<std::pair<TensorInfo, Place>>& listed) const;
  const Place* place_of(const GgufCheckpoint& checkpoint, const TensorInfo& tensor) const;
};

Result<void> GgufCheckpoint::Impl::list_tensors() {
  std::vector<std::pair<TensorInfo, Place>> listed;
  std::map<std::string, Stored> gates, ups;  // by "blk.N."
  for (size_t i = 0; i < files.size(); ++i) {
    for (const GgufTensor& stored : files[i].tensors()) {
      if (stored.name == kGgufRopeFreqs) {
        rope_freqs = Stored{i, &stored};
        continue;
      }
      if (auto layer = layer_prefix(stored.name, kGgufGateExperts)) {
        gates[*layer] = {i, &stored};
        continue;
      }
      if (auto layer = layer_prefix(stored.name, kGgufUpExperts)) {
        ups[*layer] = {i, &stored};
        continue;
      }
      TensorInfo info;
      info.name = canonical_of_gguf(stored.name);
      if (info.name.empty()) info.name = stored.name;  // the check against the model's plan tells of it
      info.stored_name = stored.name;
      info.file = files[i].path();
      info.shape = stored.shape;
      set_type(info, stored.type);
      Place place{{{i, &stored}}, info.rows()};
      listed.emplace_back(std::move(info), std::move(place));
    }
  }
  if (auto joined = join_experts(gates, ups, listed); !joined) return joined;
  std::sort(listed.begin(), listed.end(),
            [](const auto& a, const auto& b) { return a.first.name < b.first.name; });
  for (size_t i = 1; i < listed.size(); ++i) {
    const TensorInfo &a = listed[i - 1].first, &b = listed[i].first;
    if (a.name != b.name) continue;
    return fail(
        ErrorCode::kMismatch, files[0].path(),
        fmt::format("{} and {} are the same tensor", in_quotes(a.stored_name), in_quotes(b.stored_name)),
        kDownloadAgain);
  }
  for (auto& [info, place] : listed) {
    tensors.push_back(std::move(info));
    places.push_back(std::move(place));
  }
  return {};
}

Result<void> GgufCheckpoint::Impl::join_experts(std::map<std::string, Stored>& gates,
                                                std::map<std::string, Stored>& ups,
                                                std::vector<std::pair<TensorInfo, Place>>& listed) const {
  for (const auto& [layer, gate] : gates) {
    const auto other = ups.find(layer);
    const std::string where = files[gate.file].path() + ": " + in_quotes(gate.tensor->name);
    if (other == ups.end()) {
      return fail(ErrorCode::kMismatch, where, fmt::format("has no {}{} beside it", layer, kGgufUpExperts),
                  kDownloadAgain);
    }
    const Stored up = other->second;
    ups.erase(other);
    if (up.tensor->shape != gate.tensor->shape || gate.tensor->shape.size() != 3) {
      return fail(ErrorCode::kMismatch, where,
                  fmt::format("expected the shape of {}{} and three dimensions, found [{}] and [{}]", layer,
                              kGgufUpExperts, fmt::join(gate.tensor->shape, ", "),
                              fmt::join(up.tensor->shape, ", ")));
    }
    if (up.tensor->type != gate.tensor->type) {
      return fail(ErrorCode::kUnsupported, where,
                  fmt::format("is {} and {}{} is {}, expected one type for both",
                              gguf_tensor_type_name(gate.tensor->type), layer, kGgufUpExperts,
                              gguf_tensor_type_name(up.tensor->type)));
    }
    TensorInfo info;
    info.name = canonical_of_gguf(layer + "ffn_gate_up_exps.weight");
    if (info.name.empty()) info.name = gate.tensor->name;
    info.stored_name = gate.tensor->name;
    info.file = files[gate.file].path();
    info.shape = gate.tensor->shape;
    const size_t run = info.shape[1];
    info.shape[1] *= 2;  // each half fits 62 bits: it has bytes in a file
    set_type(info, gate.tensor->type);
    listed.emplace_back(std::move(info), Place{{gate, up}, run});
  }
  if (ups.empty()) return {};
  return fail(
      ErrorCode::kMismatch, files[0].path(),
      fmt::format("{} has no {} beside it", in_quotes(ups.begin()->second.tensor->name), kGgufGateExperts),
      kDownloadAgain);
}

// By name rather than by address: a TensorInfo may be a copy, and what it says of itself is not trusted.
const GgufCheckpoint::Impl::Place* GgufCheckpoint::Impl::place_of(const GgufCheckpoint& checkpoint,
                                                                  const TensorInfo& tensor) const {
  const TensorInfo* own = checkpoint.find(tensor.name);
  return own == nullptr ? nullptr : &places[static_cast<size_t>(own - tensors.data())];
}

GgufCheckpoint::GgufCheckpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufCheckpoint::~GgufCheckpoint() = default;

Result<std::unique_ptr<GgufCheckpoint>> GgufCheckpoint::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  Result<GgufFile> first = GgufFile::open(path);
  if (!first) return fail(first.error());
  impl->files.push_back(std::move(*first));
  const int64_t count = integer(impl->files[0], "split.count").value_or(1);
  if (count > 1) {
    const std::optional<ShardName> name = parse_shard_name(path);
    const std::string hint =
        "shards are named NAME-00001-of-0000N.gguf; give the first, the others lie beside it";
    if (!name || name->count != static_cast<uint64_t>(count)) {
      return fail(ErrorCode::kUsage, path,
                  fmt::format("is one of {} shards, but is not named like one", count), hint);
    }
    if (name->number != 1) return fail(ErrorCode::kUsage, path, "is not the first shard", hint);
    for (uint64_t i = 2; i <= name->count; ++i) {
      Result<GgufFile> shard = GgufFile::open(name->path(i));
      if (!shard) return fail(shard.error());
      if (integer(*shard, "split.count") != count ||
          integer(*shard, "split.no") != static_cast<int64_t>(i - 1)) {
        return fail(ErrorCode::kMismatch, shard->path(), fmt::format("is not shard {} of {}", i, count),
                    kDownloadAgain);
      }
      impl->files.push_back(std::move(*shard));
    }
    size_t found = 0;
    for (const GgufFile& file : impl->files) found += file.tensors().size();
    const auto expected = integer(impl->files[0], "split.tensors.count");
    if (expected && *expected != static_cast<int64_t>(found)) {
      return fail(ErrorCode::kMismatch, path,
                  fmt::format("split.tensors.count: expected the {} tensors of all shards, found {}", found,
                              *expected),
                  kDownloadAgain);
    }
  }
  if (auto known = check_architecture(impl->files[0]); !known) return fail(known.error());
  try {
    if (auto listed = impl->list_tensors(); !listed) return fail(listed.error());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, path, "not enough memory for the list of its tensors");
  }
  return std::unique_ptr<GgufCheckpoint>(new GgufCheckpoint(std::move(impl)));
}

std::span<const TensorInfo> GgufCheckpoint::tensors() const {
  return impl_->tensors;
}
const GgufFile& GgufCheckpoint::file() const {
  return impl_->files[0];
}

Result<std::vector<float>> GgufCheckpoint::rope_freqs() const {
  if (!impl_->rope_freqs) return std::vector<float>();
  const GgufTensor& tensor = *impl_->rope_freqs->tensor;
  const GgufFile& file = impl_->files[impl_->rope_freqs->file];
  constexpr uint64_t kMostBytes = 1 << 20;
  if (tensor.type != GgufTensorType::kF32 || tensor.shape.size() != 1 || tensor.bytes > kMostBytes) {
    return fail(ErrorCode::kInvalidFile, file.path() + ": " + tensor.name,
                fmt::format("expected a row of F32, found {} [{}]", gguf_tensor_type_name(tensor.type),
                            fmt::join(tensor.shape, ", ")));
  }
  std::vector<float> values(tensor.shape[0]);
  if (auto read = file.read(tensor, 0, std::as_writable_bytes(std::span(values))); !read)
    return fail(read.error());
  return values;
}

Result<void> GgufCheckpoint::read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                       std::span<std::byte> out) const {
  const Impl::Place* place = impl_->place_of(*this, tensor);
  if (place == nullptr) {
    return fail(ErrorCode::kInternal, in_quotes(tensor.name), "is no tensor of this checkpoint");
  }
  const TensorInfo& own = impl_->tensors[static_cast<size_t>(place - impl_->places.data())];
  const size_t row_bytes = own.row_bytes();
  if (row0 > row1 || row1 > own.rows() || out.size() != (row1 - row0) * row_bytes) {
    return fail(ErrorCode::kInternal, own.file + ": " + own.name,
                fmt::format("rows {} to {} of {} into {} bytes, expected {} bytes a row", row0, row1,
                            own.rows(), out.size(), row_bytes));
  }
  for (size_t row = row0; row < row1;) {
    const size_t runs = row / place->run;
    const size_t inside = row % place->run;
    const size_t rows = std::min(row1 - row, place->run - inside);
    const Stored& part = place->parts[runs % place->parts.size()];
    const size_t first = runs / place->parts.size() * place->run + inside;
    auto read = impl_->files[part.file].read(*part.tensor, first * row_bytes,
                                             out.subspan((row - row0) * row_bytes, rows * row_bytes));
    if (!read) {
      Error error = read.error();
      error.where += ": " + own.name;
      return fail(std::move(error));
    }
    row += rows;
  }
  return {};
}

Result<void> GgufCheckpoint::read_row_start(const TensorInfo& tensor, size_t row,
                                            std::span<std::byte> out) const {
  const Impl::Place* place = impl_->place_of(*this, tensor);
  if (place == nullptr) return read_rows(tensor, row, row + 1, out);  // says so
  const TensorInfo& own = impl_->tensors[static_cast<size_t>(place - impl_->places.data())];
  if (row >= own.rows() || out.size() > own.row_bytes()) {
    return fail(ErrorCode::kInternal, own.file + ": " + own.name,
                fmt::format("{} bytes of row {}, expected at most {} bytes of one of {}", out.size(), row,
                            own.row_bytes(), own.rows()));
  }
  const size_t runs = row / place->run;
  const Stored& part = place->parts[runs % place->parts.size()];
  const size_t stored_row = runs / place->parts.size() * place->run + row % place->run;
  auto read = impl_->files[part.file].read(*part.tensor, stored_row * own.row_bytes(), out);
  if (read) return {};
  Error error = read.error();
  error.where += ": " + own.name;
  return fail(std::move(error));
}

std::span<const std::byte> GgufCheckpoint::mapped(const TensorInfo& tensor) const {
  const Impl::Place* place = impl_->place_of(*this, tensor);
  if (place == nullptr || place->parts.size() != 1) return {};
  return impl_->files[place->parts[0].file].mapped(*place->parts[0].tensor);
}

Result<void> GgufCheckpoint::read_bytes(const TensorInfo& tensor, uint64_t offset,
                                        std::span<std::byte> out) const {
  const uint64_t bytes = mapped(tensor).size();
  if (offset > bytes || out.size() > bytes - offset) return TensorSource::read_bytes(tensor, offset, out);
  const Stored& part = impl_->place_of(*this, tensor)->parts[0];
  return impl_->files[part.file].read(*part.tensor, offset, out);
}

bool is_gguf_path(std::string_view path) {
  return path.ends_with(".gguf");
}

Result<std::string> find_gguf(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    const std::string name = path.filename().string();
    if (path.extension() != ".gguf" || name.find("mmproj") != std::string::npos) continue;
    const std::optional<ShardName> shard = parse_shard_name(name);
    if (shard && shard->number != 1) continue;
    found.push_back(name);
  }
  if (error) return fail(ErrorCode::kIo, folder, error.message());
  std::sort(found.begin(), found.end());
  if (found.empty()) return std::string();
  if (found.size() == 1) return (fs::path(folder) / found[0]).string();
  for (std::string& name : found) name = in_quotes(name);
  return fail(ErrorCode::kUsage, folder, fmt::format("holds several models: {}", fmt::join(found, ", ")),
              "give the path of one of them");
}

}  // namespace gemma
