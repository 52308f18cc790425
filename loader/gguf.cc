#include "loader/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie in the file");

constexpr char kDownloadAgain[] = "the download is incomplete: fetch the file again";
constexpr char kNotGguf[] = "is this a GGUF file?";
constexpr char kOtherTypes[] = "take the Q4_0, Q8_0, F16, BF16 or F32 file of the same model";
constexpr uint64_t kMaxName = 64;    // bytes of a tensor's name, the format's limit
constexpr uint64_t kMaxKey = 65535;  // bytes of a key, likewise
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr size_t kFirstRead = size_t{64} << 10;

// Names of the types that exist and that we do not compute with, by number.
std::string type_text(uint32_t type) {
  static constexpr std::array<std::string_view, 42> kNames = {
      "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
      "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
      "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
      "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
      "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
      "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};
  return type < kNames.size() ? std::string(kNames[type]) : fmt::format("of number {}", type);
}

bool known_tensor_type(uint32_t type) {
  switch (static_cast<GgufTensorType>(type)) {
    case GgufTensorType::kF32:
    case GgufTensorType::kF16:
    case GgufTensorType::kQ4_0:
    case GgufTensorType::kQ8_0:
    case GgufTensorType::kQ6_K:
    case GgufTensorType::kBf16:
      return true;
  }
  return false;
}

// The header as it is wanted: read from the file in growing steps, so that a file's length and not a number
// in it decides how much memory is taken. A step that cannot be done is noted once; from then on nothing is
// read.
class Cursor {
 public:
  Cursor(const File& file, std::string& text) : file_(file), text_(text) {}

  bool failed() const { return failed_; }
  const Error& error() const { return error_; }
  size_t at() const { return at_; }

  bool refuse(ErrorCode code, std::string what, std::string hint = {}) {
    if (!failed_) error_ = Error{code, where(), std::move(what), std::move(hint)};
    failed_ = true;
    return false;
  }

  // What is being read, for messages: a key's or a tensor's name.
  void set_subject(std::string_view subject) { subject_ = subject; }

  template <typename T>
  bool number(T& value, std::string_view what) {
    if (!want(sizeof(T), what)) return false;
    std::memcpy(&value, text_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }

  bool skip(uint64_t bytes, std::string_view what) {
    if (!want(bytes, what)) return false;
    at_ += static_cast<size_t>(bytes);
    return true;
  }

  // A string of 1 to `longest` bytes without zero byte: a key or a name.
  bool name(std::string& name, uint64_t longest, std::string_view what) {
    uint64_t length = 0;
    if (!number(length, what)) return false;
    if (length == 0) return refuse(ErrorCode::kInvalidFile, fmt::format("{} is empty", what), kNotGguf);
    if (length > longest) {
      return refuse(ErrorCode::kInvalidFile,
                    fmt::format("{} of {} bytes, expected at most {}", what, length, longest), kNotGguf);
    }
    if (!want(length, what)) return false;
    name.assign(text_, at_, static_cast<size_t>(length));
    at_ += static_cast<size_t>(length);
    if (name.find('\0') != std::string::npos) {
      return refuse(ErrorCode::kInvalidFile, fmt::format("{} {} holds a zero byte", what, in_quotes(name)));
    }
    return true;
  }

 private:
  std::string where() const {
    return subject_.empty() ? file_.path() : file_.path() + ": " + in_quotes(subject_);
  }

  // Makes bytes [at, at + bytes) present.
  bool want(uint64_t bytes, std::string_view what) {
    if (failed_) return false;
    const uint64_t room = file_.bytes() - at_;
    if (bytes > room) {
      return refuse(ErrorCode::kInvalidFile,
                    fmt::format("{} needs {} bytes, but only {} are left in the file", what, bytes, room),
                    kDownloadAgain);
    }
    const uint64_t needed = at_ + bytes;
    if (needed <= text_.size()) return true;
    if (needed > kMaxGgufHeader) {
      return refuse(ErrorCode::kInvalidFile,
                    fmt::format("the header reaches beyond {} bytes", kMaxGgufHeader), kNotGguf);
    }
    const size_t have = text_.size();
    const uint64_t grown = std::max<uint64_t>({needed, 2 * uint64_t{have}, kFirstRead});
    text_.resize(static_cast<size_t>(std::min({grown, file_.bytes(), kMaxGgufHeader})));
    auto read = file_.read_at(have, std::as_writable_bytes(std::span(text_)).subspan(have));
    if (read) return true;
    error_ = read.error();
    failed_ = true;
    return false;
  }

  const File& file_;
  std::string& text_;
  std::string subject_;
  size_t at_ = 0;
  bool failed_ = false;
  Error error_;
};

bool read_type(Cursor& in, GgufType& type) {
  uint32_t number = 0;
  if (!in.number(number, "a value's type")) return false;
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    return in.refuse(ErrorCode::kInvalidFile, fmt::format("unknown value type {}", number), kNotGguf);
  }
  type = static_cast<GgufType>(number);
  return true;
}

bool skip_string(Cursor& in) {
  uint64_t length = 0;
  return in.number(length, "a string's length") && in.skip(length, "a string");
}

// Items of one type, or (depth) arrays of them.
bool skip_items(Cursor& in, GgufType type, uint64_t count, int depth) {
  if (const uint64_t bytes = gguf_type_bytes(type); bytes > 0) {
    if (count > std::numeric_limits<uint64_t>::max() / bytes) {
      return in.refuse(ErrorCode::kInvalidFile,
                       fmt::format("an array of {} items is larger than any file", count));
    }
    if (type != GgufType::kBool) return in.skip(count * bytes, "a value");
  }
  if (type == GgufType::kArray && depth == kMaxArrayDepth) {
    return in.refuse(ErrorCode::kInvalidFile,
                     fmt::format("arrays deeper than {} in each other", kMaxArrayDepth));
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (type == GgufType::kString) {
      if (!skip_string(in)) return false;
    } else if (type == GgufType::kBool) {
      uint8_t value = 0;
      if (!in.number(value, "a boolean")) return false;
      if (value > 1) {
        return in.refuse(ErrorCode::kInvalidFile,
                         fmt::format("expected a boolean of 0 or 1, found {}", value));
      }
    } else {
      GgufType inner{};
      uint64_t inner_count = 0;
      if (!read_type(in, inner) || !in.number(inner_count, "an array's length")) return false;
      if (!skip_items(in, inner, inner_count, depth + 1)) return false;
    }
  }
  return true;
}

bool read_value(Cursor& in, GgufValue& value) {
  if (!read_type(in, value.type)) return false;
  if (value.type == GgufType::kArray) {
    value.is_array = true;
    if (!read_type(in, value.type) || !in.number(value.count, "an array's length")) return false;
  }
  value.begin = in.at();
  if (!skip_items(in, value.type, value.count, value.is_array ? 1 : 0)) return false;
  value.end = in.at();
  return true;
}

bool read_tensor(Cursor& in, GgufTensor& tensor) {
  uint32_t dimensions = 0;
  uint32_t type = 0;
  if (!in.name(tensor.name, kMaxName, "a tensor's name")) return false;
  in.set_subject(tensor.name);
  if (!in.number(dimensions, "the number of dimensions")) return false;
  if (dimensions < 1 || dimensions > 4) {
    return in.refuse(ErrorCode::kInvalidFile,
                     fmt::format("expected 1 to 4 dimensions, found {}", dimensions));
  }
  std::array<uint64_t, 4> extents{};
  for (uint32_t i = 0; i < dimensions; ++i) {
    if (!in.number(extents[i], "a dimension")) return false;
    if (extents[i] == 0) return in.refuse(ErrorCode::kInvalidFile, fmt::format("dimension {} is 0", i));
  }
  if (!in.number(type, "a tensor's type") || !in.number(tensor.begin, "a tensor's offset")) return false;
  if (!known_tensor_type(type)) {
    return in.refuse(
        ErrorCode::kUnsupported,
        fmt::format("type {}, expected one of F32, F16, BF16, Q4_0, Q8_0, Q6_K", type_text(type)),
        kOtherTypes);
  }
  tensor.type = static_cast<GgufTensorType>(type);
  const uint64_t block = gguf_block_columns(tensor.type);
  if (extents[0] % block != 0) {
    return in.refuse(ErrorCode::kInvalidFile,
                     fmt::format("rows of {} columns, expected a multiple of the {} in a block of {}",
                                 extents[0], block, gguf_tensor_type_name(tensor.type)));
  }
  // Bytes, and so elements too, below 2^63: the product is built up from blocks, so that it cannot wrap.
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  const uint64_t row_blocks = extents[0] / block;
  bool fits = row_blocks < kLimit / gguf_block_bytes(tensor.type) && extents[0] < kLimit;
  uint64_t bytes = fits ? row_blocks * gguf_block_bytes(tensor.type) : 0;
  uint64_t elements = extents[0];
  for (uint32_t i = 1; i < dimensions && fits; ++i) {
    fits = extents[i] < kLimit / bytes && extents[i] < kLimit / elements;
    bytes *= fits ? extents[i] : 1;
    elements *= fits ? extents[i] : 1;
  }
  if (!fits) {
    return in.refuse(ErrorCode::kInvalidFile,
                     fmt::format("extents [{}] are larger than any file",
                                 fmt::join(extents.begin(), extents.begin() + dimensions, ", ")));
  }
  tensor.bytes = bytes;
  tensor.shape.assign(dimensions, 0);
  std::copy_n(extents.begin(), dimensions, tensor.shape.rbegin());
  return true;
}

// Offsets become positions in the file; the tensors must tile its data, each on a multiple of the alignment.
Result<void> place_tensors(std::vector<GgufTensor>& tensors, uint64_t header_end, uint64_t alignment,
                           uint64_t file_bytes, const std::string& file) {
  const auto aligned = [&](uint64_t position) { return (position + alignment - 1) / alignment * alignment; };
  const uint64_t data = aligned(header_end);
  if (tensors.empty()) {
    if (file_bytes <= data) return {};
    return fail(ErrorCode::kInvalidFile, file,
                fmt::format("{} bytes behind a header without tensors", file_bytes - data),
                "something was appended to the file");
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const GgufTensor& a, const GgufTensor& b) { return a.begin < b.begin; });
  const uint64_t room = file_bytes > data ? file_bytes - data : 0;
  uint64_t expected = 0;  // from the start of the data; never above room + alignment
  uint64_t end = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    GgufTensor& tensor = tensors[i];
    const std::string where = file + ": " + in_quotes(tensor.name);
    if (tensor.begin % alignment != 0) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("offset {} is no multiple of the alignment {}", tensor.begin, alignment));
    }
    if (tensor.begin < expected) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("offset {} lies inside {}, expected {}", tensor.begin,
                              in_quotes(tensors[i - 1].name), expected));
    }
    if (tensor.begin > expected) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("offset {}, expected {}: a gap of {} bytes", tensor.begin, expected,
                              tensor.begin - expected));
    }
    if (tensor.begin > room || tensor.bytes > room - tensor.begin) {
      return fail(ErrorCode::kInvalidFile, where,
                  fmt::format("{} bytes at offset {} do not fit the {} bytes of data in the file",
                              tensor.bytes, tensor.begin, room),
                  kDownloadAgain);
    }
    end = tensor.begin + tensor.bytes;
    expected = aligned(end);
    tensor.begin += data;
  }
  if (room == end || room == expected) return {};
  return fail(ErrorCode::kInvalidFile, file,
              fmt::format("the last tensor ends at {}, but the file holds {} bytes of data", end, room),
              room < expected ? kDownloadAgain : "something was appended to the file");
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::string& path) {
  Result<MemoryMap> map = MemoryMap::open(path);
  if (!map) return fail(map.error());
  GgufFile file(std::move(*map));
  try {
    Cursor in(file.map_.file(), file.header_);
    std::array<char, 4> magic{};
    uint32_t version = 0;
    uint64_t tensor_count = 0, key_count = 0;
    if (!in.number(magic, "the magic number")) return fail(in.error());
    if (std::string_view(magic.data(), magic.size()) != "GGUF") {
      return fail(ErrorCode::kInvalidFile, path,
                  "begins with " + in_quotes({magic.data(), magic.size()}) + ", expected \"GGUF\"", kNotGguf);
    }
    if (!in.number(version, "the version")) return fail(in.error());
    if (version != 2 && version != 3) {
      const bool swapped = version != 0 && (version & 0xFFFF) == 0;
      return fail(ErrorCode::kUnsupported, path,
                  swapped ? "is big-endian, expected a little-endian file"
                          : fmt::format("version {}, expected 2 or 3", version),
                  "convert the model again");
    }
    file.version_ = version;
    if (!in.number(tensor_count, "the number of tensors")) return fail(in.error());
    if (!in.number(key_count, "the number of keys")) return fail(in.error());
    if (tensor_count > kMaxGgufTensors || key_count > kMaxGgufKeys) {
      return fail(ErrorCode::kInvalidFile, path,
                  fmt::format("{} tensors and {} keys, expected at most {} and {}", tensor_count, key_count,
                              kMaxGgufTensors, kMaxGgufKeys),
                  kNotGguf);
    }
    for (uint64_t i = 0; i < key_count; ++i) {
      std::string key;
      GgufValue value;
      in.set_subject({});
      if (!in.name(key, kMaxKey, "a key")) return fail(in.error());
      in.set_subject(key);
      if (!read_value(in, value)) return fail(in.error());
      if (!file.values_.emplace(std::move(key), value).second) {
        in.refuse(ErrorCode::kInvalidFile, "the key occurs twice");
        return fail(in.error());
      }
    }
    for (uint64_t i = 0; i < tensor_count; ++i) {
      GgufTensor tensor;
      in.set_subject({});
      if (!read_tensor(in, tensor)) return fail(in.error());
      file.tensors_.push_back(std::move(tensor));
    }
    const size_t header_end = in.at();

    std::vector<std::string_view> names;
    names.reserve(file.tensors_.size());
    for (const GgufTensor& tensor : file.tensors_) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
      return fail(ErrorCode::kInvalidFile, path, "tensor " + in_quotes(*twice) + " occurs twice");
    }

    uint64_t alignment = kGgufAlignment;
    if (const GgufValue* value = file.find("general.alignment")) {
      if (value->type != GgufType::kU32 || value->is_array) {
        return fail(ErrorCode::kInvalidFile, path, "general.alignment: expected a uint32");
      }
      const int64_t found = file.integers(*value)[0];
      if (found < 1 || found > static_cast<int64_t>(kMaxAlignment) ||
          !std::has_single_bit(static_cast<uint64_t>(found))) {
        return fail(ErrorCode::kInvalidFile, path,
                    fmt::format("general.alignment: expected a power of two up to {}, found {}",
                                kMaxAlignment, found));
      }
      alignment = static_cast<uint64_t>(found);
    }
    auto placed = place_tensors(file.tensors_, header_end, alignment, file.map_.file().bytes(), path);
    if (!placed) return fail(placed.error());
    file.header_.resize(header_end);
    file.header_.shrink_to_fit();
    return file;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, path, "not enough memory for its header");
  }
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

namespace {

template <typename T, typename Out>
void append(const char* at, uint64_t count, std::vector<Out>& out) {
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, at + i * sizeof(T), sizeof(T));
    if constexpr (std::is_same_v<T, uint64_t> && std::is_same_v<Out, int64_t>) {
      value = std::min<uint64_t>(value, std::numeric_limits<int64_t>::max());
    }
    out.push_back(static_cast<Out>(value));
  }
}

template <typename Out>
void append_whole(GgufType type, const char* at, uint64_t count, std::vector<Out>& out) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kBool:
      return append<uint8_t>(at, count, out);
    case GgufType::kI8:
      return append<int8_t>(at, count, out);
    case GgufType::kU16:
      return append<uint16_t>(at, count, out);
    case GgufType::kI16:
      return append<int16_t>(at, count, out);
    case GgufType::kU32:
      return append<uint32_t>(at, count, out);
    case GgufType::kI32:
      return append<int32_t>(at, count, out);
    case GgufType::kU64:
      return append<uint64_t>(at, count, out);
    case GgufType::kI64:
      return append<int64_t>(at, count, out);
    default:
      return;
  }
}

}  // namespace

std::vector<int64_t> GgufFile::integers(const GgufValue& value) const {
  std::vector<int64_t> out;
  append_whole(value.type, header_.data() + value.begin, value.count, out);
  return out;
}

std::vector<double> GgufFile::numbers(const GgufValue& value) const {
  std::vector<double> out;
  const char* at = header_.data() + value.begin;
  if (value.type == GgufType::kF32) {
    append<float>(at, value.count, out);
  } else if (value.type == GgufType::kF64) {
    append<double>(at, value.count, out);
  } else {
    append_whole(value.type, at, value.count, out);
  }
  return out;
}

std::vector<std::string_view> GgufFile::strings(const GgufValue& value) const {
  std::vector<std::string_view> out;
  if (value.type != GgufType::kString) return out;
  out.reserve(static_cast<size_t>(value.count));  // every one took 8 bytes of the header at least
  size_t at = value.begin;
  for (uint64_t i = 0; i < value.count; ++i) {
    uint64_t length = 0;
    std::memcpy(&length, header_.data() + at, sizeof(length));
    out.push_back(std::string_view(header_).substr(at + sizeof(length), static_cast<size_t>(length)));
    at += sizeof(length) + static_cast<size_t>(length);
  }
  return out;
}

Result<void> GgufFile::read(const GgufTensor& tensor, uint64_t offset, std::span<std::byte> out) const {
  return map_.file().read_at(tensor.begin + offset, out);
}

std::span<const std::byte> GgufFile::mapped(const GgufTensor& tensor) const {
  return map_.bytes().subspan(tensor.begin, tensor.bytes);
}

}  // namespace gemma
