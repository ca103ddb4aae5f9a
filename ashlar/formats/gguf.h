// GGUF, the file format of llama.cpp: metadata and tensors in one file (ggml's docs/gguf.md,
// versions 2 and 3, which differ in nothing that is little-endian; docs/formats/gguf.md says what
// ashlar writes into it and reads out of it).
//
//     0  "GGUF", u32 version, u64 number of tensors, u64 number of metadata pairs
//    24  the pairs: string key, u32 type of the value, value
//        the tensors: string name, u32 dimensions, u64 each (innermost first), u32 type, u64 offset
//        zeros up to a multiple of 32 (or of the pair general.alignment)
//        the tensors' bytes, each at its offset from here, padded with zeros to a multiple of 32
//
// Little-endian. A string is a u64 length and bytes; an array is a u32 type, a u64 count and
// values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ashlar/codec/codec.h"

namespace ashlar {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint64_t kGgufAlignment = 32;

enum class GgufValueType : std::uint32_t {  // on disk for ever
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// A value as a file has it: its type and its bytes.
struct GgufSerialized {
  std::vector<std::byte> bytes;
  friend bool operator==(const GgufSerialized&, const GgufSerialized&) = default;
};

// Of the types that the format has, those that ashlar writes.
using GgufValue = std::variant<std::uint32_t, float, bool, std::string, std::vector<std::uint8_t>,
                               std::vector<std::int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, GgufSerialized>;
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

// How GGUF stores the numbers that one of our codecs stores: a row at a time, in blocks along it.
struct GgufTensorType {
  std::string_view name;    // "Q4_0"
  std::uint32_t id;         // in files
  std::uint32_t file_type;  // general.file_type of a file whose matrices have mostly this type
  int block_columns;        // numbers in a block
  int block_bytes;
  const Codec* codec;  // the same numbers, to the bit, in ashlar's order

  // Writes the first `columns` numbers of row `row` out of a packed matrix of `stored_columns`
  // columns. Requires: whole blocks.
  void (*write_row)(const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
                    std::int64_t columns, std::byte* out);
  // The way back: packs `rows` rows of whole blocks into whole bands of the codec at `out`.
  void (*read_rows)(const std::byte* blocks, std::int64_t rows, std::int64_t columns,
                    std::byte* out);

  std::uint64_t row_bytes(std::int64_t columns) const {
    return static_cast<std::uint64_t>(columns / block_columns) *
           static_cast<std::uint64_t>(block_bytes);
  }
};

std::span<const GgufTensorType> AllGgufTensorTypes();
// kUnsupported, listing the known ones.
Result<const GgufTensorType*> FindGgufType(std::uint32_t id);
// kUnsupported when GGUF has no type for the codec's numbers.
Result<const GgufTensorType*> GgufTypeOf(const Codec& codec);

}  // namespace ashlar
