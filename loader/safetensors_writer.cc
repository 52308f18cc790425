#include "loader/safetensors_writer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/file.h"

namespace gemma {
namespace {

constexpr uint64_t kAlignment = 4096;
// Progress is saved after so many bytes: what an interruption costs, against a flush of the disk each time.
constexpr uint64_t kSaveEvery = uint64_t{256} << 20;

Failure system_failure(const std::string& path, const char* what) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail(full ? ErrorCode::kResource : ErrorCode::kIo, path,
              fmt::format("{}: {}", what, std::strerror(error)),
              full ? "free some space and run the same command again: it goes on where it stopped" : "");
}

Result<void> write_all(int descriptor, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure(path, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

// The 8 bytes of length and the JSON, blanks behind it.
std::string make_header(const std::vector<TensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json json;
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const TensorToWrite& tensor : tensors) {
    const uint64_t end = begin + tensor.bytes();
    json[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = json.dump();
  const uint64_t whole = (8 + text.size() + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(whole - 8, ' ');
  uint64_t length = text.size();
  std::string header(8, '\0');
  std::memcpy(header.data(), &length, sizeof(length));
  return header + text;
}

}  // namespace

uint64_t TensorToWrite::bytes() const {
  uint64_t bytes = dtype_bytes(dtype);
  for (size_t extent : shape) bytes *= extent;
  return bytes;
}

uint64_t SafetensorsWriter::file_bytes(const std::vector<TensorToWrite>& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  uint64_t bytes = make_header(tensors, metadata).size();
  for (const TensorToWrite& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      tensors_(std::move(other.tensors_)),
      next_(other.next_),
      data_start_(other.data_start_),
      in_tensor_(other.in_tensor_),
      unsaved_(other.unsaved_),
      saving_(std::move(other.saving_)) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (saving_.valid()) saving_.wait();
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<SafetensorsWriter> SafetensorsWriter::open(const std::string& path, std::vector<TensorToWrite> tensors,
                                                  const std::map<std::string, std::string>& metadata) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return system_failure(path, "cannot open for writing");
  SafetensorsWriter writer(path, descriptor, std::move(tensors));
  const std::string header = make_header(writer.tensors_, metadata);
  writer.data_start_ = header.size();
  Result<bool> resumed = writer.resume(header);
  if (!resumed) return fail(std::move(resumed.error()));
  if (!*resumed) {
    Result<void> started = writer.start(header);
    if (!started) return fail(std::move(started.error()));
  }
  writer.skip_empty();
  return writer;
}

Result<void> SafetensorsWriter::start(const std::string& header) {
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0) {
    return system_failure(path_, "cannot begin");
  }
  return write_all(descriptor_, std::as_bytes(std::span(header)), path_);
}

// Goes on behind the last tensor that progress vouches for. False if the file is empty.
Result<bool> SafetensorsWriter::resume(const std::string& header) {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return system_failure(path_, "cannot look at");
  if (status.st_size == 0) return false;
  std::string found(header.size(), '\0');
  const ssize_t n = ::pread(descriptor_, found.data(), found.size(), 0);
  if (n != static_cast<ssize_t>(header.size()) || found != header) {
    const bool beginning =
        n >= 0 && header.starts_with(std::string_view(found).substr(0, static_cast<size_t>(n)));
    if (beginning) return false;
    return fail(ErrorCode::kMismatch, path_, "expected the beginning of the same file, found another",
                "it is left from packing something else: remove it");
  }
  uint64_t saved = 0;
  if (Result<std::string> text = read_text(progress_path(), 64)) {
    std::from_chars(text->data(), text->data() + text->size(), saved);
  }
  uint64_t offset = header.size();
  while (next_ < std::min<uint64_t>(saved, tensors_.size()) &&
         offset + tensors_[next_].bytes() <= static_cast<uint64_t>(status.st_size)) {
    offset += tensors_[next_++].bytes();
  }
  if (::ftruncate(descriptor_, static_cast<off_t>(offset)) != 0 ||
      ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) {
    return system_failure(path_, "cannot resume");
  }
  return true;
}

Result<void> SafetensorsWriter::rewind(size_t index) {
  if (index > next_ || (index == next_ && in_tensor_ == 0)) return {};
  if (Result<void> last = saved(); !last) return last;
  uint64_t offset = data_start_;
  for (size_t i = 0; i < index; ++i) offset += tensors_[i].bytes();
  if (::ftruncate(descriptor_, static_cast<off_t>(offset)) != 0 ||
      ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) {
    return system_failure(path_, "cannot rewind");
  }
  next_ = index;
  in_tensor_ = 0;
  return {};
}

void SafetensorsWriter::skip_empty() {
  while (next_ < tensors_.size() && in_tensor_ == tensors_[next_].bytes()) {
    ++next_;
    in_tensor_ = 0;
  }
}

// Vouches for the tensors written so far as soon as they are on disk. Put off if the last time is not over
// yet.
Result<void> SafetensorsWriter::save_progress() {
  if (saving_.valid() && saving_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return {};
  if (Result<void> last = saved(); !last) return last;
  unsaved_ = 0;
  saving_ = std::async(std::launch::async,
                       [data = descriptor_, path = path_, to = progress_path(),
                        text = std::to_string(next_)]() -> Result<void> {
                         if (::fdatasync(data) != 0) return system_failure(path, "cannot flush to disk");
                         const int descriptor =
                             ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
                         if (descriptor < 0) return system_failure(to, "cannot open for writing");
                         Result<void> written = write_all(descriptor, std::as_bytes(std::span(text)), to);
                         ::close(descriptor);
                         return written;
                       });
  return {};
}

// Waits until progress is saved.
Result<void> SafetensorsWriter::saved() {
  return saving_.valid() ? saving_.get() : Result<void>();
}

Result<void> SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (next_ >= tensors_.size() || bytes.size() > tensors_[next_].bytes() - in_tensor_) {
    return fail(ErrorCode::kInternal, path_, "more bytes than the plan has");
  }
  Result<void> written = write_all(descriptor_, bytes, path_);
  if (!written) return written;
  in_tensor_ += bytes.size();
  unsaved_ += bytes.size();
  const size_t before = next_;
  skip_empty();
  if (next_ != before && unsaved_ >= kSaveEvery) return save_progress();
  return {};
}

Result<void> SafetensorsWriter::finish() {
  if (next_ != tensors_.size()) {
    return fail(ErrorCode::kInternal, path_,
                fmt::format("tensor {} of {} is not written", next_, tensors_.size()));
  }
  if (Result<void> last = saved(); !last) return last;
  if (::fsync(descriptor_) != 0) return system_failure(path_, "cannot flush to disk");
  ::close(std::exchange(descriptor_, -1));
  ::unlink(progress_path().c_str());
  return {};
}

}  // namespace gemma
