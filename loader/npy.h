// NumPy's .npy files: float32 written row by row, float32, float64 and int64 read whole. Little-endian, C
// order.
//
//   Result<NpyWriter> writer = NpyWriter::create("logits.npy", {tokens, vocab});
//   for (...) writer->append(row);       // any number of values at a time
//   Result<void> done = writer->finish();  // only now the file exists under its name
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

// Streams to "<path>.tmp" and renames at the end, so that a reader never meets half a file and an interrupted
// program leaves what was there before. Errors: kResource (disk full), kIo.
class NpyWriter {
 public:
  static Result<NpyWriter> create(const std::string& path, std::vector<size_t> shape);

  // In C order. More values than the shape has room for are kInternal.
  Result<void> append(std::span<const float> values);
  // kInternal if values are missing.
  Result<void> finish();

  NpyWriter(NpyWriter&&) noexcept = default;
  NpyWriter& operator=(NpyWriter&&) = delete;
  ~NpyWriter();  // removes the temporary file of a writer that did not finish

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  NpyWriter(std::string path, std::unique_ptr<std::FILE, Close> file, size_t total);
  std::string temporary() const { return path_ + ".tmp"; }

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  size_t total_ = 0;    // values
  size_t written_ = 0;  // values
};

template <typename T>
struct NpyArray {
  std::vector<size_t> shape;  // empty for a scalar
  std::vector<T> values;      // C order
};

// T is float, double or int64_t and must be what the file holds. kInvalidFile for a file that breaks the
// format or is not as long as its shape says; kUnsupported for Fortran order and other types.
template <typename T>
Result<NpyArray<T>> read_npy(const std::string& path);

}  // namespace gemma
