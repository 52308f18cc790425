#include "loader/npy.h"

#include <bit>
#include <cerrno>
#include <charconv>
#include <limits>
#include <new>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "loader/file.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little,
              "values are read and written as they lie in memory");

constexpr std::string_view kMagic = "\x93NUMPY";

Failure write_failure(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail(full ? ErrorCode::kResource : ErrorCode::kIo, path,
              "cannot write: " + std::generic_category().message(error),
              full ? "make room on the disk" : "check the path and its permissions");
}

// Version 1.0: magic, version, two bytes of length, a Python dictionary padded so that data begin at a
// multiple of 64.
std::string npy_header(const std::vector<size_t>& shape) {
  std::string extents;
  for (size_t extent : shape) extents += fmt::format("{}, ", extent);
  if (shape.size() > 1) extents.resize(extents.size() - 2);
  if (shape.size() == 1) extents.pop_back();
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", extents);
  constexpr size_t kFront = 10;
  dictionary.resize((kFront + dictionary.size() + 1 + 63) / 64 * 64 - kFront - 1, ' ');
  dictionary += '\n';
  std::string header(kMagic);
  header += {'\x01', '\x00', static_cast<char>(dictionary.size() & 0xff),
             static_cast<char>(dictionary.size() >> 8)};
  return header + dictionary;
}

// The dictionary of a header, as far as NumPy itself writes it: three keys, each once, any order.
class Dictionary {
 public:
  explicit Dictionary(std::string_view text) : rest_(text) {}

  std::string descr;
  bool fortran = false;
  std::vector<size_t> shape;

  bool parse() {
    bool seen[3] = {};
    if (!take('{')) return false;
    while (!take('}')) {
      std::string key;
      if (!string(key) || !take(':')) return false;
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0 || std::exchange(seen[which], true)) return false;
      if (!(which == 0 ? string(descr) : which == 1 ? boolean(fortran) : tuple(shape))) return false;
      if (!take(',')) {
        if (!take('}')) return false;
        break;
      }
    }
    skip();
    return rest_.empty() && seen[0] && seen[1] && seen[2];
  }

 private:
  void skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool string(std::string& value) {
    skip();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return false;
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == rest_.npos) return false;
    value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool boolean(bool& value) {
    skip();
    value = rest_.starts_with("True");
    if (!value && !rest_.starts_with("False")) return false;
    rest_.remove_prefix(value ? 4 : 5);
    return true;
  }
  bool tuple(std::vector<size_t>& values) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip();
      size_t value = 0;
      auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error != std::errc()) return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      values.push_back(value);
      if (!take(',')) return take(')');
    }
    return true;
  }

  std::string_view rest_;
};

template <typename T>
constexpr std::string_view kDescr = std::is_same_v<T, float>    ? "<f4"
                                    : std::is_same_v<T, double> ? "<f8"
                                                                : "<i8";

// Reads the front of the file: where the dictionary lies. Versions 1 has two bytes of length, 2 and 3 four.
Result<std::string> read_dictionary(const File& file, uint64_t& data_start) {
  std::string front(12, '\0');
  if (file.bytes() < front.size()) {
    return fail(ErrorCode::kInvalidFile, file.path(),
                fmt::format("{} bytes are too few for an .npy file", file.bytes()));
  }
  if (auto read = file.read_at(0, std::as_writable_bytes(std::span(front))); !read) return fail(read.error());
  if (!front.starts_with(kMagic)) {
    return fail(ErrorCode::kInvalidFile, file.path(),
                "expected an .npy file, found " + in_quotes(front.substr(0, 6)));
  }
  auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(front[i])); };
  const uint64_t version = byte(6);
  if (version < 1 || version > 3) {
    return fail(ErrorCode::kUnsupported, file.path(),
                fmt::format("version {} of .npy, expected 1 to 3", version));
  }
  const uint64_t start = version == 1 ? 10 : 12;
  uint64_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  constexpr uint64_t kMaxHeader = 1 << 16;
  if (length > kMaxHeader || length > file.bytes() - start) {
    return fail(ErrorCode::kInvalidFile, file.path(),
                fmt::format("header of {} bytes in a file of {}", length, file.bytes()));
  }
  std::string text(length, '\0');
  if (auto read = file.read_at(start, std::as_writable_bytes(std::span(text))); !read)
    return fail(read.error());
  data_start = start + length;
  return text;
}

}  // namespace

NpyWriter::NpyWriter(std::string path, std::unique_ptr<std::FILE, Close> file, size_t total)
    : path_(std::move(path)), file_(std::move(file)), total_(total) {}

Result<NpyWriter> NpyWriter::create(const std::string& path, std::vector<size_t> shape) {
  size_t total = 1;
  for (size_t extent : shape) {
    if (extent != 0 && total > std::numeric_limits<size_t>::max() / sizeof(float) / extent) {
      return fail(ErrorCode::kInternal, path, "the shape is larger than any file");
    }
    total *= extent;
  }
  // A left-over of a killed run is removed, never written through: it might be a link to somewhere else.
  const std::string temporary = path + ".tmp";
  ::unlink(temporary.c_str());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return write_failure(path, errno);
  std::unique_ptr<std::FILE, Close> file(::fdopen(descriptor, "wb"));
  if (!file) {
    const int error = errno;
    ::close(descriptor);
    ::unlink(temporary.c_str());
    return write_failure(path, error);
  }
  NpyWriter writer(path, std::move(file), total);
  const std::string header = npy_header(shape);
  if (std::fwrite(header.data(), 1, header.size(), writer.file_.get()) != header.size()) {
    return write_failure(path, errno);
  }
  return writer;
}

NpyWriter::~NpyWriter() {
  if (file_) ::unlink(temporary().c_str());
}

Result<void> NpyWriter::append(std::span<const float> values) {
  if (!file_ || values.size() > total_ - written_) {
    return fail(ErrorCode::kInternal, path_, fmt::format("more than the {} values of its shape", total_));
  }
  if (values.empty()) return {};  // an empty span may have no address, which fwrite must not be given
  if (std::fwrite(values.data(), sizeof(float), values.size(), file_.get()) != values.size()) {
    return write_failure(path_, errno);
  }
  written_ += values.size();
  return {};
}

Result<void> NpyWriter::finish() {
  if (!file_ || written_ != total_) {
    return fail(ErrorCode::kInternal, path_, fmt::format("{} values written, expected {}", written_, total_));
  }
  // Closing is where a full disk may show at last.
  if (std::fclose(file_.release()) != 0 || std::rename(temporary().c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary().c_str());
    return write_failure(path_, error);
  }
  return {};
}

template <typename T>
Result<NpyArray<T>> read_npy(const std::string& path) {
  Result<File> file = File::open(path);
  if (!file) return fail(file.error());
  uint64_t data_start = 0;
  Result<std::string> text = read_dictionary(*file, data_start);
  if (!text) return fail(text.error());
  Dictionary header(*text);
  if (!header.parse()) {
    return fail(ErrorCode::kInvalidFile, path,
                "header is no dictionary of descr, fortran_order and shape: " + in_quotes(*text));
  }
  if (header.descr != kDescr<T>) {
    return fail(ErrorCode::kUnsupported, path,
                fmt::format("expected values of type {}, found {}", kDescr<T>, in_quotes(header.descr, 40)));
  }
  if (header.fortran) return fail(ErrorCode::kUnsupported, path, "expected C order, found Fortran order");
  const uint64_t data_bytes = file->bytes() - data_start;
  uint64_t total = 1;
  bool fits = true;
  for (size_t extent : header.shape) {
    fits = fits && (extent == 0 || total <= std::numeric_limits<uint64_t>::max() / sizeof(T) / extent);
    total = fits ? total * extent : 0;
  }
  if (!fits || total * sizeof(T) != data_bytes) {
    return fail(ErrorCode::kInvalidFile, path,
                fits
                    ? fmt::format("the shape needs {} bytes of data, found {}", total * sizeof(T), data_bytes)
                    : "the shape is larger than any file");
  }
  NpyArray<T> array;
  try {
    array.values.resize(total);
  } catch (const std::exception&) {
    return fail(ErrorCode::kResource, path, fmt::format("not enough memory for {} bytes", data_bytes));
  }
  array.shape = std::move(header.shape);
  if (auto read = file->read_at(data_start, std::as_writable_bytes(std::span(array.values))); !read) {
    return fail(read.error());
  }
  return array;
}

template Result<NpyArray<float>> read_npy(const std::string& path);
template Result<NpyArray<double>> read_npy(const std::string& path);
template Result<NpyArray<int64_t>> read_npy(const std::string& path);

}  // namespace gemma
