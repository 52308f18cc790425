#include "loader/gguf_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

constexpr uint32_t kVersion = 3;
constexpr char kMagic[] = "GGUF";

template <typename T>
void append(std::string& text, T value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append(std::string& text, std::string_view value) {
  append(text, uint64_t{value.size()});
  text.append(value);
}

uint64_t padding(uint64_t position) {
  return (kGgufAlignment - position % kGgufAlignment) % kGgufAlignment;
}

Failure system_failure(const std::string& path) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT;
  return fail(full ? ErrorCode::kResource : ErrorCode::kIo, path, std::strerror(error),
              full ? "free some space, or write to another disk" : "");
}

}  // namespace

void GgufWriter::key(std::string_view key, GgufType type) {
  append(keys_, key);
  append(keys_, static_cast<uint32_t>(type));
  ++key_count_;
}

void GgufWriter::array(std::string_view name, GgufType type, uint64_t count) {
  key(name, GgufType::kArray);
  append(keys_, static_cast<uint32_t>(type));
  append(keys_, count);
}

void GgufWriter::add_string(std::string_view name, std::string_view value) {
  key(name, GgufType::kString);
  append(keys_, value);
}
void GgufWriter::add_u32(std::string_view name, uint32_t value) {
  key(name, GgufType::kU32);
  append(keys_, value);
}
void GgufWriter::add_f32(std::string_view name, float value) {
  key(name, GgufType::kF32);
  append(keys_, value);
}
void GgufWriter::add_bool(std::string_view name, bool value) {
  key(name, GgufType::kBool);
  append(keys_, static_cast<uint8_t>(value));
}
void GgufWriter::add_strings(std::string_view name, std::span<const std::string_view> values) {
  array(name, GgufType::kString, values.size());
  for (const std::string_view value : values) append(keys_, value);
}
void GgufWriter::add_u32s(std::string_view name, std::span<const uint32_t> values) {
  array(name, GgufType::kU32, values.size());
  for (const uint32_t value : values) append(keys_, value);
}
void GgufWriter::add_i32s(std::string_view name, std::span<const int32_t> values) {
  array(name, GgufType::kI32, values.size());
  for (const int32_t value : values) append(keys_, value);
}
void GgufWriter::add_f32s(std::string_view name, std::span<const float> values) {
  array(name, GgufType::kF32, values.size());
  for (const float value : values) append(keys_, value);
}
void GgufWriter::add_bools(std::string_view name, const std::vector<bool>& values) {
  array(name, GgufType::kBool, values.size());
  for (const bool value : values) append(keys_, static_cast<uint8_t>(value));
}

void GgufWriter::add_tensor(std::string_view name, GgufTensorType type, const std::vector<size_t>& shape) {
  append(infos_, name);
  append(infos_, static_cast<uint32_t>(shape.size()));
  uint64_t elements = 1;
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) {
    append(infos_, uint64_t{*extent});
    elements *= *extent;
  }
  append(infos_, static_cast<uint32_t>(type));
  append(infos_, data_bytes_);
  const uint64_t bytes = elements / gguf_block_columns(type) * gguf_block_bytes(type);
  tensors_.push_back({bytes, padding(bytes)});
  data_bytes_ += bytes + padding(bytes);
}

uint64_t GgufWriter::header_bytes() const {
  constexpr uint64_t kFixed = 4 + sizeof(uint32_t) + 2 * sizeof(uint64_t);
  return kFixed + keys_.size() + infos_.size();
}

uint64_t GgufWriter::file_bytes() const {
  return header_bytes() + padding(header_bytes()) + data_bytes_;
}

Result<void> GgufWriter::begin() {
  file_.reset(std::fopen(path_.c_str(), "wb"));
  if (!file_) return system_failure(path_);
  std::string head(kMagic);
  append(head, kVersion);
  append(head, uint64_t{tensors_.size()});
  append(head, key_count_);
  for (const std::string* text : {&head, &keys_, &infos_}) {
    if (auto done = put(std::as_bytes(std::span(*text))); !done) return done;
  }
  return pad(padding(header_bytes()));
}

Result<void> GgufWriter::put(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return system_failure(path_);
  return {};
}

Result<void> GgufWriter::pad(uint64_t bytes) {
  static constexpr std::array<std::byte, kGgufAlignment> kZeros{};
  return put(std::span(kZeros).first(static_cast<size_t>(bytes)));
}

Result<void> GgufWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (current_ == tensors_.size()) {
      return fail(ErrorCode::kInternal, path_, fmt::format("{} bytes beyond the last tensor", bytes.size()));
    }
    const Tensor& tensor = tensors_[current_];
    const auto n = static_cast<size_t>(std::min<uint64_t>(bytes.size(), tensor.bytes - written_));
    if (auto done = put(bytes.first(n)); !done) return done;
    bytes = bytes.subspan(n);
    written_ += n;
    if (written_ < tensor.bytes) continue;
    if (auto done = pad(tensor.padding); !done) return done;
    ++current_;
    written_ = 0;
  }
  return {};
}

Result<void> GgufWriter::finish() {
  if (current_ != tensors_.size()) {
    return fail(ErrorCode::kInternal, path_,
                fmt::format("{} of {} tensors were written", current_, tensors_.size()));
  }
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) return system_failure(path_);
  if (std::fclose(file_.release()) != 0) return system_failure(path_);
  return {};
}

}  // namespace gemma
