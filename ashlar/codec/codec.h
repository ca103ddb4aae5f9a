// A Codec says how a matrix of numbers becomes the bytes of a blob, and back.
//
// A matrix has `rows` outputs and `columns` inputs, row-major when unpacked: y = W x. The packed
// bytes are what the kernels read: stored, mapped and computed on in one layout, independent of
// the instruction set, with no header and no name inside. docs/formats/ has each layout byte by
// byte; its version is part of the codec's name, which is on disk for ever.
//
// Packing units. Rows are packed in *bands* of `row_unit` rows and columns in *groups* of
// `column_unit`. A band's bytes are contiguous and bands follow each other, so a matrix can be
// encoded, read and computed on band by band; and a sub-matrix of the first r rows and first c
// columns, both whole units, is the same bytes read with a stride. Rows are padded to a whole band
// with zeros; columns must be a multiple of `column_unit`.
//
// A tensor of rank 1 (a norm's weight, a bias) is a matrix of one row; only the raw codecs take it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/tensor/shape.h"

namespace ashlar {

// What a residual codec is more than the others: it stores a matrix as an ordered list of levels,
// of which any prefix is the matrix again, closer the longer the prefix is. The levels are stored,
// mapped and dropped apart. A level begins with a header, what all of its rows need or what is too
// small to pad per band; then come its bands of `row_unit` rows. So a level cuts into ranges of
// whole bands, of which each may be there or not: each range of rows has a prefix of its own.
struct Residual {
  int levels;  // of a whole tensor
  // Requires for all: 0 <= level < levels, columns a multiple of the codec's column_unit. Both are
  // multiples of 64.
  std::uint64_t (*header_bytes)(int level, std::int64_t rows, std::int64_t columns);
  std::uint64_t (*band_bytes)(int level, std::int64_t columns);
  // Packs [rows, columns] without statistics of what it is multiplied with; ashlar/calibrate has
  // the encoders that know them. out[l] has room for level l.
  void (*encode)(const float* values, std::int64_t rows, std::int64_t columns,
                 std::span<std::byte* const> out);
  // Rows [row_begin, row_end) from the first levels of a matrix of `rows` rows; packed[l] is where
  // level l begins. Requires: 1 <= packed.size() <= levels.
  void (*decode)(std::span<const std::byte* const> packed, std::int64_t rows, std::int64_t columns,
                 std::int64_t row_begin, std::int64_t row_end, float* values);
  // As Codec::check, of one level.
  Status (*check)(int level, std::span<const std::byte> packed, std::int64_t rows,
                  std::int64_t columns);
};

struct Codec {
  std::string_view name;        // "q4.1": the layout and its version; in manifests, for ever
  std::string_view short_name;  // "q4": what people type
  int row_unit;                 // rows in a band
  int column_unit;              // columns in a group
  bool vectors;                 // whether a tensor of rank 1 may have this codec
  float bits_per_weight;        // with its scales
  // The conformance suite holds encode + decode of normal random numbers to this: the root of the
  // mean squared error over the root of the mean square of the numbers.
  float max_rms_error;

  // Bytes of one band of `columns` columns. Requires: columns % column_unit == 0.
  std::uint64_t (*band_bytes)(std::int64_t columns);
  // Packs `rows` rows [rows, columns] into ceil(rows / row_unit) whole bands at `out`.
  // Requires: finite numbers (the caller has checked); deterministic. Null for a codec whose bytes
  // come out of files only.
  void (*encode)(const float* values, std::int64_t rows, std::int64_t columns, std::byte* out);
  // Unpacks rows [row_begin, row_end) of the packed matrix that starts at `packed` into `values`
  // [row_end - row_begin, columns]. `columns` are the columns that are stored.
  void (*decode)(const std::byte* packed, std::int64_t columns, std::int64_t row_begin,
                 std::int64_t row_end, float* values);
  // kCorrupt when bytes of the right size hold what encode never writes and a kernel must not
  // meet (a scale that is NaN or infinite). Null when every pattern of bits is a number.
  Status (*check)(std::span<const std::byte> packed, std::int64_t rows, std::int64_t columns);

  // A residual codec's; it has none of the four functions above. Null: a matrix is one level.
  const Residual* residual = nullptr;

  int levels() const { return residual == nullptr ? 1 : residual->levels; }
};

// Every codec, in the order of the list in all_codecs.cc.
std::span<const Codec* const> AllCodecs();

// By name ("q4.1") or short name ("q4"); kUnsupported, listing the known ones.
Result<const Codec*> FindCodec(std::string_view name);
// The same among those that numbers can be encoded in.
Result<const Codec*> FindEncodingCodec(std::string_view name);

// The bytes that a tensor of `shape` (rank 1 or 2) takes, after checking that the codec can hold
// it: rank, multiples of the packing units, sizes that fit. kInvalid names what disagrees.
// A residual codec: of all of its levels.
Result<std::uint64_t> PackedBytes(const Codec& codec, const Shape& shape);

// The same of one of its levels.
Result<std::uint64_t> LevelBytes(const Codec& codec, const Shape& shape, int level);

// All of the tensor as f32, row-major. A residual codec's levels follow one another in `packed`.
// Requires: packed.size() == *PackedBytes(codec, shape).
void DecodeTensor(const Codec& codec, const Shape& shape, std::span<const std::byte> packed,
                  float* values);

}  // namespace ashlar
