// The Codec of a BlockType.
#pragma once

#include <cstring>

#include "ashlar/codec/codec.h"
#include "ashlar/codec/gguf/block_type.h"

namespace ashlar::internal {

std::uint64_t BlockBandBytes(const BlockType& type, std::int64_t columns);
void DecodeBlocks(const BlockType& type, const std::byte* packed, std::int64_t columns,
                  std::int64_t row_begin, std::int64_t row_end, float* values);
Status CheckBlocks(const BlockType& type, std::span<const std::byte> packed, std::int64_t rows,
                   std::int64_t columns);
// With the quantizer of one block; rows beyond the matrix are zeros.
void EncodeBlocks(const BlockType& type, void (*encode)(const float* values, std::byte* block),
                  const float* values, std::int64_t rows, std::int64_t columns, std::byte* out);

// Function pointers carry no data, so each type has functions of its own.
template <const BlockType& kType, void (*kEncode)(const float* values, std::byte* block) = nullptr>
constexpr Codec MakeBlockCodec(std::string_view name, float max_rms_error = 0) {
  Codec codec{
      .name = name,
      .short_name = name.substr(0, name.rfind('.')),
      .row_unit = kType.rows,
      .column_unit = kType.columns,
      .vectors = false,
      .bits_per_weight = 8.0f * static_cast<float>(kType.bytes) / static_cast<float>(kType.columns),
      .max_rms_error = max_rms_error};
  codec.band_bytes = [](std::int64_t columns) { return BlockBandBytes(kType, columns); };
  if constexpr (kEncode != nullptr) {
    codec.encode = [](const float* values, std::int64_t rows, std::int64_t columns,
                      std::byte* out) { EncodeBlocks(kType, kEncode, values, rows, columns, out); };
  }
  codec.decode = [](const std::byte* packed, std::int64_t columns, std::int64_t row_begin,
                    std::int64_t row_end, float* values) {
    DecodeBlocks(kType, packed, columns, row_begin, row_end, values);
  };
  codec.check = [](std::span<const std::byte> packed, std::int64_t rows, std::int64_t columns) {
    return CheckBlocks(kType, packed, rows, columns);
  };
  return codec;
}

}  // namespace ashlar::internal
