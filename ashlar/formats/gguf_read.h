// Reading GGUF files (gguf.h): one file, or the shards that a network was split into.
//
// A file is mapped, and everything about it is checked when it is opened: counts against the bytes
// that are there, sums and products for overflow, types, names that stand twice, and where each
// tensor lies. What was opened can be read without another check. Nothing is copied but views.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/base/mapped_fault.h"
#include "ashlar/formats/gguf.h"

namespace ashlar {

// The metadata of a file, by key. Each accessor gives nothing when the key is absent, and kInvalid,
// with the file and the key, when the value is of another type or outside the bounds.
class GgufFields {
 public:
  bool Has(std::string_view key) const { return fields_.find(key) != fields_.end(); }
  std::vector<std::string_view> keys() const;  // sorted

  // Any of the integer types.
  Result<std::optional<std::int64_t>> Integer(std::string_view key, std::int64_t least,
                                              std::int64_t most) const;
  Result<std::optional<double>> Real(std::string_view key) const;  // f32 or f64, finite
  Result<std::optional<bool>> Bool(std::string_view key) const;
  Result<std::optional<std::string_view>> Text(std::string_view key) const;
  // Arrays. Any of the integer types, or bools; f32.
  Result<std::optional<std::vector<std::int64_t>>> Integers(std::string_view key) const;
  Result<std::optional<std::vector<float>>> Reals(std::string_view key) const;
  Result<std::optional<std::span<const std::string_view>>> Texts(std::string_view key) const;
  bool IsArray(std::string_view key) const;
  // Any value, as it stands. Requires: Has(key).
  GgufSerialized Serialized(std::string_view key) const;

 private:
  friend class GgufParser;
  struct Field {
    GgufValueType type;  // of the value, or of each in an array
    bool is_array = false;
    std::span<const std::byte> bytes = {};     // of numbers
    std::vector<std::string_view> texts = {};  // of strings
  };
  // kInvalid when it is an array and should be none, or the other way round.
  Result<const Field*> Find(std::string_view key, bool array) const;
  Error WrongType(std::string_view key, const Field& field, std::string_view wanted) const;

  std::string file_;  // its name, for errors
  std::map<std::string, Field, std::less<>> fields_;
};

struct GgufEntry {
  std::string name;
  std::vector<std::int64_t> shape;  // outermost first: [outputs, inputs], or [n]
  const GgufTensorType* type;
  std::span<const std::byte> bytes;  // into the mapped file
};

class GgufFile {
 public:
  // Opens a file, or the first of the shards NAME-00001-of-0000N.gguf and with it the others.
  static Result<GgufFile> Open(const Path& path);
  // A file of one part in memory, which must outlive it. `name` is for errors.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes, std::string_view name);

  const GgufFields& fields() const { return fields_; }
  std::span<const GgufEntry> entries() const { return entries_; }  // as the file lists them
  // Null when there is none.
  const GgufEntry* Find(std::string_view name) const;
  // kConflict when an opened file was cut short: as SafetensorsFile::CheckIntact.
  Status CheckIntact() const;

 private:
  friend class GgufParser;
  Status AddPart(const Path& path);
  Status AddShards(const Path& first);

  struct Part {
    Path path;
    MappedFile file;
    FaultGuard guard;
  };
  std::vector<Part> parts_;  // none: bytes in memory
  GgufFields fields_;        // of the first part
  std::vector<GgufEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace ashlar
