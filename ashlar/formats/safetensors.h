// Reading and writing safetensors files: an 8-byte header length, a JSON header, and the tensors'
// bytes. (https://huggingface.co/docs/safetensors, "Format")
//
// A file is mapped, and its header checked whole when it is opened: at most 100,000,000 bytes,
// an object with no key twice, known dtypes, offsets that fit the shapes, lie inside the file, do
// not overlap and leave no holes. What was opened can be read without another check.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/mapped_fault.h"
#include "ashlar/base/output_file.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;                 // as written: "F32", "BF16", "I32", ...
  std::vector<std::int64_t> shape;   // may hold zeros
  std::span<const std::byte> bytes;  // into the mapped file
};

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const Path& path);
  // The same over bytes in memory, which must outlive it. `name` is for errors.
  static Result<SafetensorsFile> Parse(std::span<const std::byte> bytes, std::string_view name);

  std::span<const SafetensorsEntry> entries() const { return entries_; }  // by file offset
  // Null when there is none.
  const SafetensorsEntry* Find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // kConflict when an opened file is shorter than it was, or could not be read: zeros were read in
  // place of what it lost. Ask before what was made of the tensors is believed.
  Status CheckIntact() const;

 private:
  Path path_;  // empty: not a file
  MappedFile file_;
  FaultGuard guard_;  // of the file
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::map<std::string, std::string> metadata_;
};

// The dtype that ashlar computes with, when the file's is one: "F32", "F16", "BF16".
std::optional<DType> FloatDType(std::string_view safetensors_dtype);

// Writes a file whose tensors need not fit in memory: the header first, then their bytes, in
// pieces. Nothing stands under the file's name before Commit; without it nothing is left. Confined.
class SafetensorsWriter {
 public:
  struct Layout {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes;
  };
  // Tensors in the order of their bytes.
  static Result<SafetensorsWriter> Create(const Path& path, std::span<const Layout> tensors,
                                          const std::map<std::string, std::string>& metadata = {});
  // The next bytes. Requires: the tensors have room for them.
  Status Write(std::span<const std::byte> bytes);
  // Requires: all bytes of all tensors are written. Once.
  Status Commit();

 private:
  SafetensorsWriter(OutputFile file, std::uint64_t bytes_left)
      : file_(std::move(file)), bytes_left_(bytes_left) {}

  OutputFile file_;
  std::uint64_t bytes_left_;
};

// The same for tensors in memory.
struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};
Status WriteSafetensors(const Path& path, std::span<const SafetensorsTensor> tensors,
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace ashlar
