#include "ashlar/codec/gguf/gguf.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_evidence.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/codec/gguf/testing_blocks.h"

namespace ashlar {
namespace {

class EveryBlockType : public testing::TestWithParam<BlockCodec> {
 protected:
  const BlockType& type() const { return *GetParam().type; }
  const Codec& codec() const { return *GetParam().codec; }

  // A matrix's blocks as GGUF has them, and packed.
  std::vector<std::byte> Blocks(std::int64_t rows, std::int64_t blocks_in_row) {
    return RandomBlocks(type(), rows * blocks_in_row, random_);
  }
  std::vector<std::byte> Pack(const std::vector<std::byte>& blocks, std::int64_t rows,
                              std::int64_t columns) const {
    std::vector<std::byte> packed(*PackedBytes(codec(), {rows, columns}), std::byte{0xa5});
    PackBlocks(type(), blocks.data(), rows, columns, packed.data());
    return packed;
  }

  std::mt19937_64 random_{TestSeed()};
};

TEST_P(EveryBlockType, HasFieldsThatAreTheWholeBlock) {
  int bytes = 0;
  for (const BlockField& field : type().fields) {
    bytes += field.unit * field.count;
  }
  EXPECT_EQ(bytes, type().bytes);
}

TEST_P(EveryBlockType, GivesBackTheBytesThatWerePacked) {
  for (const std::int64_t rows : {1, 31, 32, 33, 70}) {
    const std::int64_t columns = 3 * type().columns;
    const std::vector<std::byte> blocks = Blocks(rows, 3);
    const std::vector<std::byte> packed = Pack(blocks, rows, columns);
    for (const std::int64_t taken : {columns, std::int64_t{type().columns}}) {
      std::vector<std::byte> row(static_cast<std::size_t>(taken / type().columns * type().bytes));
      for (std::int64_t r = 0; r < rows; ++r) {
        UnpackBlocks(type(), packed.data(), columns, r, taken, row.data());
        ASSERT_EQ(std::memcmp(row.data(), blocks.data() + r * 3 * type().bytes, row.size()), 0)
            << "row " << r << " of " << rows;
      }
    }
  }
}

// The formula of block_type.h, byte by byte.
TEST_P(EveryBlockType, PutsEachUnitOfABlockBesideThatOfTheOtherOutputs) {
  const int outputs = type().rows;
  const std::vector<std::byte> blocks = Blocks(outputs, 1);
  const std::vector<std::byte> packed = Pack(blocks, outputs, type().columns);
  for (int o = 0; o < outputs; ++o) {
    int begin = 0;
    for (const BlockField& field : type().fields) {
      for (int i = 0; i < field.unit * field.count; ++i) {
        const int k = i / field.unit;
        const int at = outputs * begin + (outputs * k + o) * field.unit + i % field.unit;
        ASSERT_EQ(packed[static_cast<std::size_t>(at)],
                  blocks[static_cast<std::size_t>(o * type().bytes + begin + i)])
            << "output " << o << ", byte " << begin + i;
      }
      begin += field.unit * field.count;
    }
  }
}

TEST_P(EveryBlockType, DecodesEachRowFromItsOwnBlocks) {
  const std::int64_t rows = 40;
  const std::int64_t columns = 2 * type().columns;
  const std::vector<std::byte> blocks = Blocks(rows, 2);
  const std::vector<std::byte> packed = Pack(blocks, rows, columns);
  std::vector<float> expected(static_cast<std::size_t>(rows * columns));
  for (std::int64_t b = 0; b < 2 * rows; ++b) {
    type().decode(blocks.data() + b * type().bytes, expected.data() + b * type().columns);
  }
  for (const auto& [begin, end] : {std::pair{0, 40}, {0, 1}, {31, 33}, {39, 40}, {7, 7}}) {
    std::vector<float> values(static_cast<std::size_t>((end - begin) * columns) + 1, -7.0f);
    codec().decode(packed.data(), columns, begin, end, values.data());
    EXPECT_EQ(values.back(), -7.0f) << "decode wrote past the end";
    values.pop_back();
    EXPECT_TRUE(std::equal(values.begin(), values.end(), expected.begin() + begin * columns));
  }
}

TEST_P(EveryBlockType, PadsTheLastBandWithRowsOfZeros) {
  const std::vector<std::byte> packed = Pack(Blocks(1, 1), 1, type().columns);
  std::vector<float> band(static_cast<std::size_t>(type().rows * type().columns));
  codec().decode(packed.data(), type().columns, 0, type().rows, band.data());
  for (std::size_t i = static_cast<std::size_t>(type().columns); i < band.size(); ++i) {
    ASSERT_EQ(band[i], 0.0f) << i;
  }
}

TEST_P(EveryBlockType, AcceptsFiniteScalesAndNamesTheRowAndColumnsOfAnyOther) {
  const std::int64_t rows = 35;
  const std::int64_t columns = 3 * type().columns;
  const std::vector<std::byte> blocks = Blocks(rows, 3);
  EXPECT_TRUE(codec().check(Pack(blocks, rows, columns), rows, columns).ok());
  int scales = 0;
  for (const int at : type().scales) {
    for (const std::uint16_t bits : {0x7c00, 0xfc00, 0x7e01}) {
      if (at < 0) {
        continue;
      }
      std::vector<std::byte> bad = blocks;
      std::memcpy(bad.data() + (33 * 3 + 2) * type().bytes + at, &bits, sizeof bits);
      const Status status = codec().check(Pack(bad, rows, columns), rows, columns);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(status.error().message,
                  testing::HasSubstr("row 33, columns " + std::to_string(2 * type().columns)));
      ++scales;
    }
  }
  EXPECT_TRUE(scales > 0 || type().finite != nullptr);
}

TEST_P(EveryBlockType, DecodesRandomBytesToFiniteNumbersOrRefusesThem) {
  std::vector<std::byte> blocks(static_cast<std::size_t>(type().bytes));
  std::vector<float> values(static_cast<std::size_t>(type().columns));
  for (int round = 0; round < 2000; ++round) {
    for (std::byte& byte : blocks) {
      byte = static_cast<std::byte>(random_());
    }
    const std::vector<std::byte> packed = Pack(blocks, 1, type().columns);
    type().decode(blocks.data(), values.data());
    if (codec().check(packed, 1, type().columns).ok()) {
      for (const float value : values) {
        ASSERT_TRUE(std::isfinite(value));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, EveryBlockType,
                         testing::ValuesIn(AllBlockCodecs().begin(), AllBlockCodecs().end()),
                         [](const auto& info) {
                           return std::string(info.param.codec->short_name);
                         });

// The example of docs/formats/gguf_blocks.md.
TEST(BlockTypes, ArePackedAsTheirPageSays) {
  std::vector<std::byte> blocks(2 * 20, std::byte{0xff});
  const std::uint16_t scales[2][2] = {{0x3c00, 0xc800}, {0x3800, 0}};
  for (int row = 0; row < 2; ++row) {
    std::memcpy(blocks.data() + 20 * row, scales[row], 4);
  }
  for (int i = 0; i < 16; ++i) {
    blocks[static_cast<std::size_t>(4 + i)] = static_cast<std::byte>(i * 0x11);
  }
  std::vector<std::byte> packed(*PackedBytes(kQ4_1, {2, 32}));
  ASSERT_EQ(packed.size(), 640u);
  PackBlocks(kQ4_1Blocks, blocks.data(), 2, 32, packed.data());
  const auto expect = [&](std::size_t at, std::initializer_list<int> bytes) {
    for (const int byte : bytes) {
      EXPECT_EQ(std::to_integer<int>(packed[at]), byte) << at;
      ++at;
    }
  };
  expect(0x00, {0x00, 0x3c, 0x00, 0x38, 0x00, 0x00});
  expect(0x40, {0x00, 0xc8, 0x00, 0x00});
  expect(0x80, {0x00, 0x11, 0x22, 0x33, 0xff, 0xff, 0xff, 0xff, 0x00});
  expect(0x100, {0x44, 0x55, 0x66, 0x77, 0xff, 0xff, 0xff, 0xff, 0x00});
  float values[32];
  kQ4_1.decode(packed.data(), 32, 0, 1, values);
  EXPECT_EQ(values[0], -8.0f);
  EXPECT_EQ(values[31], 7.0f);
}

// FNV-1a of the numbers that ggml's reference code (ggml-base 0.9, ggml_get_type_traits) gives for
// 131 072 numbers of each type. Their blocks are the bytes of a xorshift generator, whose scales
// are forced into an ordinary range; so many blocks meet every point of every grid.
struct Golden {
  const Codec* codec;
  std::uint64_t hash;
};
constexpr Golden kGolden[] = {
    {&kQ4_1, 0x2d53ee03a27b1e52},  {&kQ5_0, 0x3e1c75d98b7171a4},   {&kQ5_1, 0x248882202620b944},
    {&kQ2K, 0xbc51de3fc604b0af},   {&kQ3K, 0x4343344c2967b300},    {&kQ4K, 0x743116d2c1cb8b20},
    {&kQ5K, 0x6d6dadea7aa5aa77},   {&kQ6K, 0x8d4a4bef91c137fd},    {&kIq2Xxs, 0x4e26aad822483902},
    {&kIq2Xs, 0xd8feae2f3c6f19cc}, {&kIq3Xxs, 0xf85ec736426fe954}, {&kIq1S, 0x5f1f2f76b1059b96},
    {&kIq4Nl, 0x97d3f5df67fab26a}, {&kIq3S, 0xc2e536532d01216d},   {&kIq2S, 0x1d6d4dbc788ef14c},
    {&kIq4Xs, 0xa845660ee69b7cbd}, {&kIq1M, 0x166374c412bcf2c3},   {&kTq1, 0x5bab39499e040c9d},
    {&kTq2, 0x3dcce18356c748d7},   {&kMxfp4, 0xfed8e23a14134d08},
};

// The generator's blocks, with scales as the reference run had them.
std::vector<std::byte> GoldenBlocks(const BlockType& type, std::int64_t count) {
  std::vector<std::byte> blocks(static_cast<std::size_t>(count * type.bytes));
  std::uint32_t state = 12345;
  for (std::byte& byte : blocks) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    byte = static_cast<std::byte>(state >> 24);
  }
  for (std::int64_t b = 0; b < count; ++b) {
    std::byte* const block = blocks.data() + b * type.bytes;
    if (type.scales[0] >= 0) {
      std::byte& high = block[type.scales[0] + 1];
      high = (high & std::byte{0x83}) | std::byte{0x2c};
    }
    if (type.scales[1] >= 0) {
      std::byte& high = block[type.scales[1] + 1];
      high = (high & std::byte{0x03}) | std::byte{0x28};
    }
    if (&type == &kIq1MBlocks) {
      block[55] = (block[55] & std::byte{0x0f}) | std::byte{0x20};
    }
    if (&type == &kMxfp4Blocks) {
      block[0] = static_cast<std::byte>(100 + std::to_integer<int>(block[0] & std::byte{31}));
    }
  }
  return blocks;
}

TEST(BlockTypes, DecodeToTheNumbersOfTheReferenceCodeBitForBit) {
  EXPECT_EQ(std::size(kGolden), AllBlockCodecs().size());
  for (const Golden& golden : kGolden) {
    const BlockType& type =
        *std::ranges::find(AllBlockCodecs(), golden.codec, &BlockCodec::codec)->type;
    const std::int64_t count = 512 * 256 / type.columns;
    const std::vector<std::byte> blocks = GoldenBlocks(type, count);
    std::uint64_t hash = 0xcbf29ce484222325;
    std::vector<float> values(static_cast<std::size_t>(type.columns));
    for (std::int64_t b = 0; b < count; ++b) {
      type.decode(blocks.data() + b * type.bytes, values.data());
      for (const std::byte byte : std::as_bytes(std::span(values))) {
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
      }
    }
    EXPECT_EQ(hash, golden.hash) << golden.codec->name;
    std::string name(golden.codec->short_name);  // GGUF's is the same in capitals
    std::ranges::transform(name, name.begin(),
                           [](char c) { return static_cast<char>(std::toupper(c)); });
    Record({"Tensor types of GGUF files", name, "hashes of the reference code's numbers",
            fmt::format("{} numbers equal to the bit", count * type.columns), hash == golden.hash});
  }
}

}  // namespace
}  // namespace ashlar
