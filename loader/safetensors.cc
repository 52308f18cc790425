#include "loader/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <exception>
#include <new>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "loader/in_quotes.h"
#include "loader/json.h"

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are handed out as they lie in the file");

constexpr char kDownloadAgain[] = "the download is incomplete: fetch the file again";
constexpr char kNotSafetensors[] = "is this a safetensors file?";

struct DtypeRow {
  std::string_view word;
  uint64_t bits;  // per element
  std::optional<Dtype> dtype;
};

constexpr std::array<DtypeRow, 22> kDtypes = {{
    {"BF16", 16, Dtype::kBf16},
    {"F32", 32, Dtype::kF32},
    {"F16", 16, Dtype::kF16},
    {"U8", 8, Dtype::kU8},
    {"I8", 8, Dtype::kI8},
    {"I32", 32, Dtype::kI32},
    {"I64", 64, Dtype::kI64},
    {"F64", 64, Dtype::kF64},
    {"BOOL", 8, Dtype::kBool},
    {"I16", 16, Dtype::kI16},
    {"U16", 16, Dtype::kU16},
    {"U32", 32, Dtype::kU32},
    {"U64", 64, Dtype::kU64},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},
    {"F8_E4M3", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
    {"F8_E4M3FNUZ", 8, std::nullopt},
    {"C64", 64, std::nullopt},
}};

const DtypeRow* find_dtype(std::string_view word) {
  auto row = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const DtypeRow& r) { return r.word == word; });
  return row == kDtypes.end() ? nullptr : &*row;
}

// A shape for a message; a hostile one may have millions of dimensions.
std::string shape_text(const std::vector<size_t>& shape) {
  constexpr size_t kShown = 8;
  const size_t n = std::min(shape.size(), kShown);
  return fmt::format("[{}{}]", fmt::join(shape.begin(), shape.begin() + static_cast<ptrdiff_t>(n), ", "),
                     shape.size() > kShown ? ", ..." : "");
}

std::string at(const std::string& file, std::string_view tensor) {
  const std::string text = in_quotes(tensor);
  return file + ": " + (text.size() == tensor.size() + 2 ? std::string(tensor) : text);
}

// Reads the header in one pass: the parser calls, this machine knows what may come next. Its depth is that of
// the schema, three, whatever the text does; it keeps nothing but the tensors themselves.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(SafetensorsHeader& header) : header_(header) {}

  const std::string& problem() const { return problem_; }
  const std::string& tensor() const { return tensor_; }  // being read when the problem was met; may be empty

  bool null() override { return surprise("null"); }
  bool boolean(bool value) override { return surprise(value ? "true" : "false"); }
  bool number_integer(int64_t value) override { return surprise(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return surprise(in_quotes(text, 40)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // JSON text has none

  bool number_unsigned(uint64_t value) override {
    switch (state_) {
      case State::kShapeItem:
        current().shape.push_back(value);
        return true;
      case State::kOffsetItem:
        if (offsets_ == 2) return refuse("data_offsets: expected two numbers, found more");
        (offsets_++ == 0 ? current().begin : current().end) = value;
        return true;
      default:
        return surprise(std::to_string(value));
    }
  }

  bool string(std::string& value) override {
    if (state_ == State::kMetadataValue) {
      header_.metadata[metadata_key_] = std::move(value);
      state_ = State::kMetadataKey;
      return true;
    }
    if (state_ != State::kDtype) return surprise(in_quotes(value));
    const DtypeRow* row = find_dtype(value);
    if (row == nullptr) {
      return refuse("unknown dtype " + in_quotes(value, 40) +
                    ", expected one of BF16, F32, F16, U8, I8, ...");
    }
    current().dtype_text = row->word;
    current().dtype = row->dtype;
    state_ = State::kField;
    return true;
  }

  bool start_object(size_t) override {
    switch (state_) {
      case State::kTop:
        state_ = State::kName;
        return true;
      case State::kTensor:
        state_ = State::kField;
        return true;
      case State::kMetadata:
        state_ = State::kMetadataKey;
        return true;
      default:
        return surprise("an object");
    }
  }

  bool key(std::string& name) override {
    switch (state_) {
      case State::kName:
        return start_tensor(name);
      case State::kField:
        return start_field(name);
      default:
        metadata_key_ = name;
        state_ = State::kMetadataValue;
        return !header_.metadata.contains(name) ||
               refuse("key " + in_quotes(name) + " occurs twice in __metadata__");
    }
  }

  bool end_object() override {
    if (state_ == State::kName) {
      state_ = State::kEnd;
    } else {
      if (state_ == State::kField && !whole_tensor()) return false;
      state_ = State::kName;
    }
    tensor_.clear();
    return true;
  }

  bool start_array(size_t) override {
    switch (state_) {
      case State::kShape:
        state_ = State::kShapeItem;
        return true;
      case State::kOffsets:
        state_ = State::kOffsetItem;
        return true;
      default:
        return surprise("an array");
    }
  }

  bool end_array() override {
    if (state_ == State::kOffsetItem && offsets_ != 2) {
      return refuse(fmt::format("data_offsets: expected two numbers, found {}", offsets_));
    }
    state_ = State::kField;
    return true;
  }

  bool parse_error(size_t position, const std::string& last_token,
                   const nlohmann::json::exception&) override {
    tensor_.clear();
    return refuse("header is " + json_syntax_error(position, last_token));
  }

 private:
  // What the next event must be.
  enum class State {
    kTop,            // {
    kName,           // a tensor's name, __metadata__ or }
    kTensor,         // { of a tensor
    kField,          // dtype, shape, data_offsets or }
    kDtype,          // string
    kShape,          // [
    kShapeItem,      // number or ]
    kOffsets,        // [
    kOffsetItem,     // number or ]
    kMetadata,       // { of __metadata__
    kMetadataKey,    // a key or }
    kMetadataValue,  // string
    kEnd,
  };
  enum Field : unsigned { kDtypeField = 1, kShapeField = 2, kOffsetsField = 4, kAllFields = 7 };

  SafetensorsTensor& current() { return header_.tensors.back(); }

  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool surprise(const std::string& found) {
    static constexpr std::array<std::string_view, 13> kExpected = {
        "header: expected an object",
        "header: expected a name",
        "expected an object",
        "expected a field",
        "dtype: expected a string",
        "shape: expected an array",
        "shape: expected a whole number >= 0",
        "data_offsets: expected an array",
        "data_offsets: expected a whole number >= 0",
        "__metadata__: expected an object",
        "__metadata__: expected a key",
        "__metadata__: expected a string",
        "header: expected its end"};
    return refuse(fmt::format("{}, found {}", kExpected[static_cast<size_t>(state_)], found));
  }

  bool start_tensor(std::string& name) {
    if (name == "__metadata__") {
      state_ = State::kMetadata;
      if (std::exchange(metadata_seen_, true)) return refuse("key \"__metadata__\" occurs twice");
      return true;
    }
    if (name.empty()) return refuse("a tensor has an empty name");
    if (name.find('\0') != std::string::npos)
      return refuse("the name " + in_quotes(name) + " holds a zero byte");
    state_ = State::kTensor;
    tensor_ = name;
    fields_ = 0;
    offsets_ = 0;
    header_.tensors.emplace_back().name = std::move(name);
    return true;
  }

  bool start_field(const std::string& name) {
    unsigned field = 0;
    if (name == "dtype") {
      field = kDtypeField;
      state_ = State::kDtype;
    } else if (name == "shape") {
      field = kShapeField;
      state_ = State::kShape;
    } else if (name == "data_offsets") {
      field = kOffsetsField;
      state_ = State::kOffsets;
    } else {
      return refuse("unknown field " + in_quotes(name) + ", expected dtype, shape and data_offsets");
    }
    if ((fields_ & field) != 0) return refuse("key " + in_quotes(name) + " occurs twice");
    fields_ |= field;
    return true;
  }

  bool whole_tensor() {
    if (fields_ == kAllFields) return true;
    if ((fields_ & kDtypeField) == 0) return refuse("dtype is missing");
    return refuse((fields_ & kShapeField) == 0 ? "shape is missing" : "data_offsets is missing");
  }

  SafetensorsHeader& header_;
  State state_ = State::kTop;
  unsigned fields_ = 0;
  int offsets_ = 0;
  bool metadata_seen_ = false;
  std::string tensor_;
  std::string metadata_key_;
  std::string problem_;
};

// The bytes that dtype and shape ask for. The product leaves zeros out, so that [0, 2^63] cannot hide an
// overflow that a reader of single rows would run into.
Result<uint64_t> needed_bytes(const SafetensorsTensor& tensor, const std::string& file) {
  const DtypeRow& dtype = *find_dtype(tensor.dtype_text);
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  uint64_t bits = dtype.bits;
  bool empty = false;
  for (size_t extent : tensor.shape) {
    if (extent == 0) {
      empty = true;
    } else if (extent >= kLimit / bits) {
      return fail(
          ErrorCode::kInvalidFile, at(file, tensor.name),
          fmt::format("shape {} of {} is larger than any file", shape_text(tensor.shape), dtype.word));
    } else {
      bits *= extent;
    }
  }
  if (empty) return 0;
  if (bits % 8 != 0) {
    return fail(ErrorCode::kInvalidFile, at(file, tensor.name),
                fmt::format("shape {} of {} is {} bits, expected whole bytes", shape_text(tensor.shape),
                            dtype.word, bits));
  }
  return bits / 8;
}

Result<void> check_extent(const SafetensorsTensor& tensor, const std::string& file) {
  Result<uint64_t> needed = needed_bytes(tensor, file);
  if (!needed) return fail(needed.error());
  if (tensor.begin > tensor.end) {
    return fail(ErrorCode::kInvalidFile, at(file, tensor.name),
                fmt::format("data_offsets [{}, {}] run backwards", tensor.begin, tensor.end));
  }
  if (tensor.end - tensor.begin != *needed) {
    return fail(
        ErrorCode::kInvalidFile, at(file, tensor.name),
        fmt::format("shape {} of {} needs {} bytes, data_offsets [{}, {}] span {}", shape_text(tensor.shape),
                    tensor.dtype_text, *needed, tensor.begin, tensor.end, tensor.end - tensor.begin));
  }
  return {};
}

// Rule 6 and 10 on tensors sorted by offset: they tile the data.
Result<void> check_tiling(std::span<const SafetensorsTensor> tensors, uint64_t data_bytes,
                          const std::string& file) {
  uint64_t position = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const SafetensorsTensor& tensor = tensors[i];
    if (tensor.begin > position) {
      return fail(ErrorCode::kInvalidFile, at(file, tensor.name),
                  fmt::format("data begins at {}, expected {}: a gap of {} bytes", tensor.begin, position,
                              tensor.begin - position));
    }
    if (tensor.begin < position) {
      return fail(ErrorCode::kInvalidFile, at(file, tensor.name),
                  fmt::format("data begins at {}, inside {}, which ends at {}", tensor.begin,
                              in_quotes(tensors[i - 1].name), position));
    }
    position = tensor.end;
    if (position > data_bytes) {
      return fail(ErrorCode::kInvalidFile, at(file, tensor.name),
                  fmt::format("data ends at {}, but the file holds {} bytes of data", position, data_bytes),
                  kDownloadAgain);
    }
  }
  if (position != data_bytes) {
    return fail(
        ErrorCode::kInvalidFile, file,
        fmt::format("the last tensor ends at {}, but the file holds {} bytes of data", position, data_bytes),
        "something was appended to the file");
  }
  return {};
}

// Sorted rather than hashed: names that collide on purpose must not make this quadratic.
Result<void> check_names(std::span<const SafetensorsTensor> tensors, const std::string& file) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SafetensorsTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return fail(ErrorCode::kInvalidFile, file, "tensor " + in_quotes(*twice) + " occurs twice");
}

Result<std::string_view> trimmed(std::string_view header, const std::string& file) {
  if (header.empty() || header.front() != '{') {
    return fail(ErrorCode::kInvalidFile, file,
                header.empty() ? "header is empty, expected a JSON object"
                               : "header begins with " + in_quotes(header.substr(0, 1)) + ", expected \"{\"",
                kNotSafetensors);
  }
  if (const size_t zero = header.find('\0'); zero != header.npos) {
    // nlohmann's parser takes it for the end of the text, and whatever follows would go unread.
    return fail(ErrorCode::kInvalidFile, file, fmt::format("header holds a zero byte at {}", zero),
                kNotSafetensors);
  }
  const size_t last = header.find_last_not_of(' ');
  header = header.substr(0, last + 1);
  if (header.back() == '}') return header;
  const size_t brace = header.rfind('}');
  const bool blanks = brace != header.npos && header.find_first_not_of(" \t\r\n", brace + 1) == header.npos;
  if (!blanks) return header;  // not padding but broken JSON: the parser says where
  return fail(
      ErrorCode::kInvalidFile, file,
      "header is padded with " + in_quotes(header.substr(header.size() - 1)) + ", expected spaces only");
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view header, uint64_t data_bytes,
                                                   const std::string& file) {
  Result<std::string_view> text = trimmed(header, file);
  if (!text) return fail(text.error());
  try {
    SafetensorsHeader parsed;
    HeaderReader reader(parsed);
    if (!nlohmann::json::sax_parse(text->begin(), text->end(), &reader)) {
      return fail(ErrorCode::kInvalidFile, reader.tensor().empty() ? file : at(file, reader.tensor()),
                  reader.problem(), kNotSafetensors);
    }
    if (auto names = check_names(parsed.tensors, file); !names) return fail(names.error());
    for (const SafetensorsTensor& tensor : parsed.tensors) {
      if (auto extent = check_extent(tensor, file); !extent) return fail(extent.error());
    }
    std::sort(parsed.tensors.begin(), parsed.tensors.end(),
              [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
              });
    if (auto tiling = check_tiling(parsed.tensors, data_bytes, file); !tiling) return fail(tiling.error());
    return parsed;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, file, "not enough memory for its header");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidFile, file, std::string("header cannot be read: ") + error.what());
  }
}

SafetensorsFile::SafetensorsFile(MemoryMap map, SafetensorsHeader header, uint64_t data_start)
    : map_(std::move(map)), header_(std::move(header)), data_start_(data_start) {}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  Result<MemoryMap> map = MemoryMap::open(path);
  if (!map) return fail(map.error());
  const File& file = map->file();
  if (file.bytes() < 8) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("expected at least 8 bytes, found {}", file.bytes()), kDownloadAgain);
  }
  uint64_t n = 0;
  if (auto read = file.read_at(0, std::as_writable_bytes(std::span(&n, 1))); !read) return fail(read.error());
  if (n > kMaxSafetensorsHeader) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("header of {} bytes, expected at most {}", n, kMaxSafetensorsHeader),
                kNotSafetensors);
  }
  if (n > file.bytes() - 8) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("header of {} bytes does not fit the file's {} bytes", n, file.bytes()),
                kDownloadAgain);
  }
  // The first byte alone decides most foreign files; only then is room made for up to 100 MB.
  std::string text(n == 0 ? 0 : 1, '\0');
  if (auto read = file.read_at(8, std::as_writable_bytes(std::span(text))); !read) return fail(read.error());
  if (text == "{") {
    try {
      text.resize(n);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::kResource, path, fmt::format("not enough memory for a header of {} bytes", n));
    }
    if (auto read = file.read_at(8, std::as_writable_bytes(std::span(text))); !read)
      return fail(read.error());
  }
  Result<SafetensorsHeader> header = parse_safetensors_header(text, file.bytes() - 8 - n, path);
  if (!header) return fail(header.error());
  return SafetensorsFile(std::move(*map), std::move(*header), 8 + n);
}

Result<void> SafetensorsFile::read(const SafetensorsTensor& tensor, uint64_t offset,
                                   std::span<std::byte> out) const {
  return map_.file().read_at(data_start_ + tensor.begin + offset, out);
}

std::span<const std::byte> SafetensorsFile::mapped(const SafetensorsTensor& tensor) const {
  return map_.bytes().subspan(data_start_ + tensor.begin, tensor.end - tensor.begin);
}

void SafetensorsFile::drop(const SafetensorsTensor& tensor, uint64_t offset, uint64_t bytes) const {
  map_.file().drop_cached(data_start_ + tensor.begin + offset, bytes);
}

}  // namespace gemma
