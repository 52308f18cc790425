// Writes one safetensors file, tensor by tensor, larger than memory and resumable: the header first, from the
// sizes of all tensors, padded so that the data begins on a 4096-byte boundary; then the data in the order
// given. A file PATH.progress beside it counts the tensors that are safely on disk; who opens the same plan
// again goes on there. A thread of its own waits for the disk: the caller goes on.
//
//   Result<SafetensorsWriter> writer = SafetensorsWriter::open(path, tensors, metadata);
//   for (size_t i = writer->next(); i < tensors.size(); ++i) writer->write(bytes of tensors[i]);
//   writer->finish();
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "loader/encoding.h"
#include "loader/result.h"

namespace gemma {

struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::kU8;
  std::vector<size_t> shape;

  uint64_t bytes() const;
};

class SafetensorsWriter {
 public:
  // Begins the file, or resumes it if it was begun with the same header. kIo if it cannot be written,
  // kMismatch if another file is in the way.
  static Result<SafetensorsWriter> open(const std::string& path, std::vector<TensorToWrite> tensors,
                                        const std::map<std::string, std::string>& metadata);

  // Bytes of the whole file.
  static uint64_t file_bytes(const std::vector<TensorToWrite>& tensors,
                             const std::map<std::string, std::string>& metadata);

  // The first tensor that is not on disk yet.
  size_t next() const { return next_; }

  // Forgets what is written from tensor `index` on, or nothing if next() is not beyond it. kIo.
  Result<void> rewind(size_t index);

  // Adds bytes to tensor next(); when it has all of its own, next() moves on. kIo with the path if the disk
  // is full.
  Result<void> write(std::span<const std::byte> bytes);

  // All tensors are written: the file is on disk, the progress file gone.
  Result<void> finish();

  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) = delete;
  ~SafetensorsWriter();

 private:
  SafetensorsWriter(std::string path, int descriptor, std::vector<TensorToWrite> tensors)
      : path_(std::move(path)), descriptor_(descriptor), tensors_(std::move(tensors)) {}

  std::string progress_path() const { return path_ + ".progress"; }
  Result<void> start(const std::string& header);
  Result<bool> resume(const std::string& header);
  Result<void> save_progress();
  Result<void> saved();
  void skip_empty();

  std::string path_;
  int descriptor_ = -1;
  std::vector<TensorToWrite> tensors_;
  size_t next_ = 0;
  uint64_t data_start_ = 0;
  uint64_t in_tensor_ = 0;  // bytes of tensor next_ that are written
  uint64_t unsaved_ = 0;    // bytes since progress was last saved
  std::future<Result<void>> saving_;
};

}  // namespace gemma
