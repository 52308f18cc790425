#include "loader/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <new>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "loader/in_quotes.h"
#include "loader/packed_metadata.h"
#include "loader/quantized_tensors.h"
#include "loader/safetensors.h"
#include "loader/shard_index.h"

namespace gemma {
namespace {

constexpr char kDownloadAgain[] = "the download is incomplete or mixed up: fetch the model again";

// True if `part` stands in `name` as whole dot-separated components; `position` is where it begins.
bool find_components(std::string_view name, std::string_view part, size_t& position) {
  for (size_t at = name.find(part); at != name.npos; at = name.find(part, at + 1)) {
    if (at == 0 || name[at - 1] == '.') {
      position = at;
      return true;
    }
  }
  return false;
}

// Collects names for one message: all are counted, the first few shown.
class NameList {
 public:
  void add(std::string_view name) {
    if (count_++ < kShown) text_ += (text_.empty() ? "" : ", ") + in_quotes(name);
  }
  size_t count() const { return count_; }
  std::string text() const {
    return count_ > kShown ? fmt::format("{} and {} more", text_, count_ - kShown) : text_;
  }

 private:
  static constexpr size_t kShown = 5;
  size_t count_ = 0;
  std::string text_;
};

// The files and the index must tell the same story: every file there, every tensor where the index says.
Result<void> check_index(const ShardIndex& index, std::span<const SafetensorsFile> files,
                         const std::string& where) {
  NameList surplus, misplaced;
  size_t found = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    for (const SafetensorsTensor& tensor : files[i].tensors()) {
      auto entry = index.file_of.find(tensor.name);
      if (entry == index.file_of.end()) {
        surplus.add(tensor.name);
      } else if (entry->second != index.files[i]) {
        misplaced.add(tensor.name);
      } else {
        ++found;
      }
    }
  }
  if (surplus.count() == 0 && misplaced.count() == 0 && found == index.file_of.size()) return {};

  std::set<std::string_view> stored;
  for (const SafetensorsFile& file : files) {
    for (const SafetensorsTensor& tensor : file.tensors()) stored.insert(tensor.name);
  }
  NameList missing;
  for (const auto& [name, file] : index.file_of) {
    if (!stored.contains(name)) missing.add(name);
  }
  std::string what = "the index and its files disagree";
  if (missing.count() > 0) what += "; missing: " + missing.text();
  if (surplus.count() > 0) what += "; not in the index: " + surplus.text();
  if (misplaced.count() > 0) what += "; in another file than the index says: " + misplaced.text();
  return fail(ErrorCode::kMismatch, where, std::move(what), kDownloadAgain);
}

}  // namespace

std::string canonical_name(std::string_view stored) {
  static constexpr std::array<std::string_view, 9> kOtherParts = {
      "vision_tower.", "vision_model.", "vision_embedder.",       "audio_tower.",   "audio_model.",
      "embed_vision.", "embed_audio.",  "multi_modal_projector.", "audio_embedder."};
  static constexpr std::array<std::string_view, 5> kPrefixes = {
      "language_model.model.", "model.language_model.", "language_model.", "model.text_model.", "model."};
  size_t position = 0;
  for (std::string_view part : kOtherParts) {
    if (find_components(stored, part, position)) return {};
  }
  for (std::string_view prefix : kPrefixes) {
    if (find_components(stored, prefix, position))
      return std::string(stored.substr(position + prefix.size()));
  }
  return std::string(stored);
}

struct Checkpoint::Impl {
  std::vector<SafetensorsFile> files;
  std::vector<TensorInfo> tensors;             // sorted by name
  std::vector<std::vector<StoredPart>> parts;  // of tensors[i]
  std::string declared_scheme;
  size_t other_tensors = 0;
  uint64_t other_bytes = 0;

  // `files` must not change any more: parts point into it.
  Result<void> list_tensors(const std::string& where, const LogicalColumns& columns);
  const std::vector<StoredPart>* parts_of(const Checkpoint& checkpoint, const TensorInfo& tensor) const;
};

Result<void> Checkpoint::Impl::list_tensors(const std::string& where, const LogicalColumns& columns) {
  std::vector<ListedTensor> listed;
  for (size_t i = 0; i < files.size(); ++i) {
    const Metadata& metadata = files[i].metadata();
    if (Result<void> known = check_packed_layout(metadata, files[i].path()); !known) return known;
    const auto packed_for = metadata.find(kPackedSchemeKey);
    if (packed_for != metadata.end()) declared_scheme = packed_for->second;
    for (const SafetensorsTensor& stored : files[i].tensors()) {
      std::string name = canonical_name(stored.name);
      if (name.empty()) {
        ++other_tensors;
        other_bytes += stored.end - stored.begin;
        continue;
      }
      if (!stored.dtype) {
        return fail(ErrorCode::kUnsupported, files[i].path() + ": " + in_quotes(stored.name),
                    fmt::format("dtype {} is nothing this program computes with", stored.dtype_text),
                    "use a bfloat16 or QAT export of the model");
      }
      ListedTensor tensor;
      tensor.info.name = std::move(name);
      tensor.info.stored_name = stored.name;
      tensor.info.file = files[i].path();
      tensor.info.shape = stored.shape;
      tensor.info.dtype = *stored.dtype;
      tensor.parts.push_back({i, &stored});
      if (Result<void> applied = apply_packed(metadata, tensor.info); !applied) return applied;
      listed.push_back(std::move(tensor));
    }
  }
  const auto read_stored = [this](const StoredPart& part) -> Result<std::vector<std::byte>> {
    std::vector<std::byte> bytes(part.tensor->end - part.tensor->begin);
    Result<void> read = files[part.file].read(*part.tensor, 0, bytes);
    if (!read) return fail(std::move(read.error()));
    return bytes;
  };
  if (Result<void> folded = fold_quantized(listed, read_stored, columns); !folded) return folded;
  std::sort(listed.begin(), listed.end(),
            [](const ListedTensor& a, const ListedTensor& b) { return a.info.name < b.info.name; });
  for (size_t i = 1; i < listed.size(); ++i) {
    const TensorInfo &a = listed[i - 1].info, &b = listed[i].info;
    if (a.name != b.name) continue;
    return fail(ErrorCode::kMismatch, where,
                fmt::format("{} ({}) and {} ({}) are the same tensor", in_quotes(a.stored_name),
                            std::filesystem::path(a.file).filename().string(), in_quotes(b.stored_name),
                            std::filesystem::path(b.file).filename().string()),
                kDownloadAgain);
  }
  tensors.reserve(listed.size());
  parts.reserve(listed.size());
  for (ListedTensor& tensor : listed) {
    tensors.push_back(std::move(tensor.info));
    parts.push_back(std::move(tensor.parts));
  }
  return {};
}

// By name rather than by address: a TensorInfo may be a copy, and what it says of itself is not trusted.
const std::vector<StoredPart>* Checkpoint::Impl::parts_of(const Checkpoint& checkpoint,
                                                          const TensorInfo& tensor) const {
  const TensorInfo* own = checkpoint.find(tensor.name);
  return own == nullptr ? nullptr : &parts[static_cast<size_t>(own - tensors.data())];
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::~Checkpoint() = default;

Result<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string& folder,
                                                     const LogicalColumns& columns) {
  namespace fs = std::filesystem;
  constexpr char kSingle[] = "model.safetensors";
  constexpr char kIndex[] = "model.safetensors.index.json";
  std::error_code error;
  auto impl = std::make_unique<Impl>();
  std::optional<ShardIndex> index;
  std::vector<std::string> paths;
  if (!fs::exists(folder, error)) {
    return fail(ErrorCode::kNotFound, folder, "no such file or folder", "check the path");
  }
  if (!fs::is_directory(folder, error)) {
    paths.push_back(folder);
  } else if (fs::path path = fs::path(folder) / kSingle; fs::exists(path, error)) {
    paths.push_back(path.string());
  } else if (path = fs::path(folder) / kIndex; fs::exists(path, error)) {
    Result<ShardIndex> read = read_shard_index(path.string());
    if (!read) return fail(read.error());
    index = std::move(*read);
    NameList missing;
    for (const std::string& file : index->files) {
      paths.push_back((fs::path(folder) / file).string());
      if (!fs::exists(paths.back(), error)) missing.add(file);
    }
    if (missing.count() > 0) {
      return fail(
          ErrorCode::kNotFound, folder,
          fmt::format("{} of {} shards are missing: {}", missing.count(), paths.size(), missing.text()),
          kDownloadAgain);
    }
  } else {
    return fail(ErrorCode::kNotFound, folder,
                fmt::format("expected {} or {}, found neither", kSingle, kIndex),
                "a model folder holds safetensors files; GGUF and PyTorch files are not read");
  }
  for (const std::string& path : paths) {
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file) return fail(file.error());
    impl->files.push_back(std::move(*file));
  }
  try {
    if (index) {
      const std::string where = (fs::path(folder) / kIndex).string();
      if (auto check = check_index(*index, impl->files, where); !check) return fail(check.error());
    }
    if (auto listed = impl->list_tensors(folder, columns); !listed) return fail(listed.error());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, folder, "not enough memory for the list of its tensors");
  }
  return std::unique_ptr<Checkpoint>(new Checkpoint(std::move(impl)));
}

std::span<const TensorInfo> Checkpoint::tensors() const {
  return impl_->tensors;
}
std::string_view Checkpoint::declared_scheme() const {
  return impl_->declared_scheme;
}
size_t Checkpoint::other_tensors() const {
  return impl_->other_tensors;
}
uint64_t Checkpoint::other_bytes() const {
  return impl_->other_bytes;
}

Result<void> Checkpoint::read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                   std::span<std::byte> out) const {
  const std::vector<StoredPart>* parts = impl_->parts_of(*this, tensor);
  if (parts == nullptr) {
    return fail(ErrorCode::kInternal, in_quotes(tensor.name), "is no tensor of this checkpoint");
  }
  const TensorInfo& own = impl_->tensors[static_cast<size_t>(parts - impl_->parts.data())];
  const size_t row_bytes = own.row_bytes();
  if (row0 > row1 || row1 > own.rows() || out.size() != (row1 - row0) * row_bytes) {
    return fail(ErrorCode::kInternal, own.file + ": " + own.name,
                fmt::format("rows {} to {} of {} into {} bytes, expected {} bytes a row", row0, row1,
                            own.rows(), out.size(), row_bytes));
  }
  const size_t part_rows = own.rows() / parts->size();
  for (size_t row = row0; row < row1;) {
    const size_t part = row / std::max<size_t>(part_rows, 1);
    const size_t first = row - part * part_rows;
    const size_t n = std::min(row1 - row, part_rows - first);
    const StoredPart& from = (*parts)[part];
    auto read = impl_->files[from.file].read(*from.tensor, first * row_bytes,
                                             out.subspan((row - row0) * row_bytes, n * row_bytes));
    if (!read) {
      Error error = read.error();
      error.where += ": " + own.name;
      return fail(std::move(error));
    }
    row += n;
  }
  return {};
}

Result<void> Checkpoint::read_bytes(const TensorInfo& tensor, uint64_t offset,
                                    std::span<std::byte> out) const {
  const uint64_t bytes = mapped(tensor).size();
  if (offset > bytes || out.size() > bytes - offset) return TensorSource::read_bytes(tensor, offset, out);
  const StoredPart& part = impl_->parts_of(*this, tensor)->front();
  return impl_->files[part.file].read(*part.tensor, offset, out);
}

void Checkpoint::drop_rows(const TensorInfo& tensor, size_t row0, size_t row1) const {
  const std::vector<StoredPart>* parts = impl_->parts_of(*this, tensor);
  if (parts == nullptr) return;
  const TensorInfo& own = impl_->tensors[static_cast<size_t>(parts - impl_->parts.data())];
  const size_t part_rows = std::max<size_t>(own.rows() / parts->size(), 1);
  row1 = std::min(row1, own.rows());
  if (own.encoding == Encoding::kPanels) {  // no rows that lie by themselves
    const StoredPart& whole = parts->front();
    if (row0 == 0 && row1 == own.rows()) impl_->files[whole.file].drop(*whole.tensor, 0, own.bytes());
    return;
  }
  for (size_t row = row0; row < row1;) {
    const size_t first = row % part_rows;
    const size_t n = std::min(row1 - row, part_rows - first);
    const StoredPart& from = (*parts)[row / part_rows];
    impl_->files[from.file].drop(*from.tensor, first * own.row_bytes(), n * own.row_bytes());
    row += n;
  }
}

std::span<const std::byte> Checkpoint::mapped(const TensorInfo& tensor) const {
  const std::vector<StoredPart>* parts = impl_->parts_of(*this, tensor);
  if (parts == nullptr || parts->size() != 1) return {};
  return impl_->files[parts->front().file].mapped(*parts->front().tensor);
}

}  // namespace gemma
