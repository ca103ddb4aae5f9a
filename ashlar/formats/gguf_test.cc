#include "ashlar/formats/gguf.h"

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

std::uint8_t U8(const std::byte* at) {
  return std::to_integer<std::uint8_t>(*at);
}
std::uint16_t U16(const std::byte* at) {
  return static_cast<std::uint16_t>(U8(at) | U8(at + 1) << 8);
}

// One number of a row in GGUF's order, from ggml's description of the type.
float NumberAt(const GgufTensorType& type, const std::byte* row, std::int64_t column) {
  const std::int64_t in_block = column % type.block_columns;
  const std::byte* block = row + column / type.block_columns * type.block_bytes;
  if (type.name == "F32") {
    float value;
    std::memcpy(&value, block, sizeof value);
    return value;
  }
  if (type.name == "F16") {
    return F16ToF32(U16(block));
  }
  if (type.name == "BF16") {
    return BF16ToF32(U16(block));
  }
  if (type.name == "Q8_0") {
    return F16ToF32(U16(block)) *
           static_cast<float>(static_cast<std::int8_t>(U8(block + 2 + in_block)));
  }
  EXPECT_EQ(type.name, "Q4_0");
  const std::uint8_t both = U8(block + 2 + in_block % 16);
  const int nibble = in_block < 16 ? both & 15 : both >> 4;
  return F16ToF32(U16(block)) * static_cast<float>(nibble - 8);
}

TEST(GgufTensorTypes, HoldTheNumbersOfTheirCodecsExactlyRowByRow) {
  std::mt19937_64 random(TestSeed());
  constexpr std::int64_t kRows = 77;  // the last band is not full
  constexpr std::int64_t kStoredColumns = 160;
  for (const GgufTensorType& type : AllGgufTensorTypes().first(5)) {  // the others: codec/gguf
    SCOPED_TRACE(type.name);
    // Any bits are a number of these types.
    std::vector<std::byte> rows(kRows * type.row_bytes(kStoredColumns));
    for (std::byte& byte : rows) {
      byte = static_cast<std::byte>(random() & 0x3b);  // no NaN
    }
    std::vector<std::byte> packed(*PackedBytes(*type.codec, {kRows, kStoredColumns}),
                                  std::byte{0xa5});
    type.read_rows(rows.data(), kRows, kStoredColumns, packed.data());
    std::vector<float> decoded(kRows * kStoredColumns);
    DecodeTensor(*type.codec, {kRows, kStoredColumns}, packed, decoded.data());
    for (const std::int64_t columns : {kStoredColumns, std::int64_t{96}}) {
      std::vector<std::byte> row(type.row_bytes(columns) + 1, std::byte{0x5a});
      for (std::int64_t r = 0; r < kRows; ++r) {
        type.write_row(packed.data(), kStoredColumns, r, columns, row.data());
        const std::byte* const from = rows.data() + r * type.row_bytes(kStoredColumns);
        ASSERT_EQ(std::memcmp(row.data(), from, row.size() - 1), 0) << "row " << r;
        for (std::int64_t c = 0; c < columns; ++c) {
          ASSERT_EQ(NumberAt(type, from, c),
                    decoded[static_cast<std::size_t>(r * kStoredColumns + c)])
              << r << ' ' << c;
        }
        ASSERT_EQ(row.back(), std::byte{0x5a}) << "wrote past the end";
      }
    }
  }
}

// So a tensor has one digest, whether it was read from a file or encoded from its numbers.
TEST(GgufTensorTypes, ReadRowsToTheBytesThatEncodingTheirNumbersGives) {
  std::mt19937_64 random(TestSeed());
  std::normal_distribution<float> normal;
  constexpr std::int64_t kRows = 41;
  constexpr std::int64_t kColumns = 96;
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) {
    value = normal(random);
  }
  for (const GgufTensorType& type : AllGgufTensorTypes().first(5)) {
    SCOPED_TRACE(type.name);
    std::vector<std::byte> packed(*PackedBytes(*type.codec, {kRows, kColumns}));
    type.codec->encode(values.data(), kRows, kColumns, packed.data());
    std::vector<std::byte> rows(kRows * type.row_bytes(kColumns));
    for (std::int64_t r = 0; r < kRows; ++r) {
      type.write_row(packed.data(), kColumns, r, kColumns,
                     rows.data() + r * type.row_bytes(kColumns));
    }
    std::vector<std::byte> again(packed.size(), std::byte{0xa5});
    type.read_rows(rows.data(), kRows, kColumns, again.data());
    EXPECT_EQ(again, packed);
  }
}

TEST(GgufTensorTypes, ThereIsOneForEveryCodecOfOneLevel) {
  for (const Codec* codec : AllCodecs()) {
    const auto type = GgufTypeOf(*codec);
    if (codec->residual != nullptr) {
      EXPECT_EQ(type.error().code, ErrorCode::kUnsupported) << codec->name;
      continue;
    }
    ASSERT_TRUE(type.ok()) << codec->name;
    EXPECT_EQ((*type)->codec, codec);
    EXPECT_EQ(8.0f * static_cast<float>((*type)->block_bytes) /
                  static_cast<float>((*type)->block_columns),
              codec->bits_per_weight);
  }
}

}  // namespace
}  // namespace ashlar
