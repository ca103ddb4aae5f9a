// Matrices that checkpoints have in MXFP4 and in FP8, at the edges of their formats.
#include <cmath>
#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/formats/internal/fp8_source.h"
#include "ashlar/formats/internal/mxfp4_source.h"

namespace ashlar::internal {
namespace {

using ::testing::HasSubstr;

SafetensorsEntry EntryOf(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                         std::span<const std::byte> bytes) {
  return {.name = std::move(name),
          .dtype = std::move(dtype),
          .shape = std::move(shape),
          .bytes = bytes};
}

// ---- MXFP4

// Of two matrices of 70 rows and 64 columns, the second; of its rows every other one, from the
// first or the second on: 35, so that the last band of 32 is padded.
constexpr std::int64_t kStack = 2, kRows = 70, kColumns = 64, kGroups = kColumns / 32;
TensorPlace EveryOther(std::int64_t first) {
  return {.rows = kRows,
          .columns = kColumns,
          .transposed = true,
          .stack = kStack,
          .index = 1,
          .first = first,
          .count = 1,
          .groups = kRows / 2,
          .stride = 2};
}

struct Mxfp4Bytes {
  std::vector<std::byte> blocks = std::vector<std::byte>(kStack * kRows * kGroups * 16);
  std::vector<std::byte> scales = std::vector<std::byte>(kStack * kRows * kGroups);

  Result<Mxfp4Source> Find(const TensorPlace& place) const {
    const TensorSpec spec{.name = "experts.1.gate", .shape = {kRows / 2, kColumns}};
    return FindMxfp4(place, spec, EntryOf("x_blocks", "U8", {kStack, kRows, kGroups, 16}, blocks),
                     EntryOf("x_scales", "U8", {kStack, kRows, kGroups}, scales));
  }
};

TEST(Mxfp4Source, HasEveryNumberOfTheFormatWhereItStands) {
  Mxfp4Bytes bytes;
  std::mt19937_64 random(3);
  for (std::byte& byte : bytes.blocks) {
    byte = static_cast<std::byte>(random());
  }
  for (std::byte& byte : bytes.scales) {
    byte = static_cast<std::byte>(random() % 253);  // the least to the largest that f32 holds
  }
  std::vector<std::byte> blocks(bytes.blocks.size());
  std::vector<std::byte> scales(bytes.scales.size());
  for (const std::int64_t first : {0, 1}) {
    const auto source = bytes.Find(EveryOther(first));
    ASSERT_TRUE(source.ok()) << source.error().message;
    std::vector<std::byte> buffer;
    const std::span<const std::byte> packed = source->Pack(buffer);
    ASSERT_EQ(packed.size(), *PackedBytes(kMxfp4, {kRows / 2, kColumns}));
    std::vector<float> values(kRows / 2 * kColumns);
    kMxfp4.decode(packed.data(), kColumns, 0, kRows / 2, values.data());
    constexpr double kCodes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    for (std::int64_t row = 0; row < kRows / 2; ++row) {
      for (std::int64_t column = 0; column < kColumns; ++column) {
        const std::int64_t there = (kRows + first + 2 * row) * kGroups + column / 32;
        const auto both = std::to_integer<int>(
            bytes.blocks[static_cast<std::size_t>(there * 16 + column % 32 / 2)]);
        const int code = column % 2 == 0 ? both & 15 : both >> 4;
        const auto exponent =
            std::to_integer<int>(bytes.scales[static_cast<std::size_t>(there)]) - 127;
        const double value = std::ldexp(code < 8 ? kCodes[code] : -kCodes[code - 8], exponent);
        ASSERT_EQ(static_cast<double>(values[static_cast<std::size_t>(row * kColumns + column)]),
                  value)
            << row << ", " << column;
      }
    }
    UnpackMxfp4(source->place, packed, kColumns, Mxfp4Part::kBlocks, blocks);
    UnpackMxfp4(source->place, packed, kColumns, Mxfp4Part::kScales, scales);
  }
  // Both halves together are the second matrix again; of the first nothing was written.
  const auto second = [](std::vector<std::byte>& all, const std::vector<std::byte>& original) {
    const auto half = static_cast<std::ptrdiff_t>(all.size() / 2);
    EXPECT_TRUE(std::equal(all.begin() + half, all.end(), original.begin() + half));
    EXPECT_EQ(std::count(all.begin(), all.begin() + half, std::byte{0}), half);
  };
  second(blocks, bytes.blocks);
  second(scales, bytes.scales);
}

TEST(Mxfp4Source, OfAnotherShapeIsRefused) {
  const Mxfp4Bytes bytes;
  TensorPlace place = EveryOther(0);
  place.rows = 35;
  const auto source = bytes.Find(place);
  ASSERT_FALSE(source.ok());
  EXPECT_THAT(source.error().message,
              HasSubstr("\"x_scales\" has shape [2, 70, 2], but config.json makes it [2, 35, 2]"));
}

// ---- FP8

TEST(Fp8Source, HasTheNumberOfEveryCodeTimesTheScaleOfItsBlock) {
  std::vector<std::byte> codes;
  for (int i = 0; i < 256; ++i) {
    codes.push_back(static_cast<std::byte>(i));
  }
  // 16 rows of 16, in blocks of 10 x 9: the last of each direction are cut off.
  const float scales[] = {1, 0.5f, -2, 0.0625f};
  const SafetensorsEntry packed = EntryOf("x", "F8_E4M3", {16, 16}, codes);
  const SafetensorsEntry scale_of =
      EntryOf("x_scale_inv", "F32", {2, 2}, std::as_bytes(std::span(scales)));
  const auto source = FindFp8(packed, scale_of, {.rows = 10, .columns = 9});
  ASSERT_TRUE(source.ok()) << source.error().message;
  const std::vector<std::byte> numbers = source->ToBF16();
  ASSERT_EQ(numbers.size(), 512u);
  for (int code = 0; code < 256; ++code) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, numbers.data() + 2 * code, sizeof bits);
    const auto value = static_cast<double>(BF16ToF32(bits));
    if (code % 128 == 127) {
      EXPECT_TRUE(std::isnan(value)) << code;
      continue;
    }
    const int e = code / 8 % 16;
    const double size = e == 0 ? std::ldexp(code % 8, -9) : std::ldexp(8 + code % 8, e - 10);
    const float scale = scales[(code / 16 < 10 ? 0 : 2) + (code % 16 < 9 ? 0 : 1)];
    EXPECT_EQ(value, (code < 128 ? size : -size) * static_cast<double>(scale)) << code;
  }
}

TEST(Fp8Source, OfShapesThatDisagreeIsRefused) {
  const std::vector<std::byte> bytes(256);
  const auto refusal = [&](std::vector<std::int64_t> codes, std::vector<std::int64_t> scales) {
    const SafetensorsEntry packed = EntryOf("x", "F8_E4M3", std::move(codes), bytes);
    const SafetensorsEntry scale_of = EntryOf("x_scale_inv", "F32", std::move(scales), bytes);
    const auto source = FindFp8(packed, scale_of, {.rows = std::int64_t{1} << 31, .columns = 1});
    return source.ok() ? "no error" : source.error().message;
  };
  EXPECT_EQ(refusal({2, 3}, {1, 3}), "no error");
  EXPECT_THAT(refusal({2, 3}, {1, 4}), HasSubstr("has shape [1, 4], but blocks of 2147483648 x 1"));
  EXPECT_THAT(refusal({2, 3}, {3}), HasSubstr("has shape [3]"));
  EXPECT_THAT(refusal({1, 2, 3}, {1, 3}), HasSubstr("in FP8 with blocks it must be a matrix"));
  EXPECT_THAT(refusal({6}, {1}), HasSubstr("in FP8 with blocks it must be a matrix"));
}

}  // namespace
}  // namespace ashlar::internal
