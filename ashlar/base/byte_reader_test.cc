#include "ashlar/base/byte_reader.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

TEST(ByteReader, ReadsLittleEndianFieldsInOrder) {
  const std::string_view bytes(
      "\x01\x02\x03\xff\xff\xff\xff\x00\x00\xc0\x3f"
      "abc",
      14);
  ByteReader reader(AsBytes(bytes));
  EXPECT_EQ(*reader.Read<std::uint8_t>("a"), 1);
  EXPECT_EQ(*reader.Read<std::uint16_t>("b"), 0x0302);
  EXPECT_EQ(*reader.Read<std::int32_t>("c"), -1);
  EXPECT_EQ(*reader.Read<float>("d"), 1.5f);
  EXPECT_EQ(reader.offset(), 11u);
  EXPECT_EQ(*reader.ReadText(2, "e"), "ab");
  EXPECT_EQ(reader.remaining(), 1u);
  EXPECT_EQ(reader.ReadBytes(1, "f")->size(), 1u);
  EXPECT_EQ(reader.ReadBytes(0, "g")->size(), 0u);
}

TEST(ByteReader, AnErrorSaysWhatWasWantedAndWhatWasLeftAndMovesNothing) {
  ByteReader reader(AsBytes("abcde"));
  ASSERT_TRUE(reader.Read<std::uint16_t>("magic").ok());
  const auto missing = reader.Read<std::uint64_t>("the count");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(missing.error().message, "the count needs 8 bytes at offset 2, but only 3 are left");
  EXPECT_EQ(reader.offset(), 2u);
  EXPECT_EQ(*reader.ReadText(3, "rest"), "cde");
}

TEST(ByteReader, EveryTruncationOfARecordIsAnError) {
  const std::string record =
      "12345678"
      "1234"
      "12";
  for (std::size_t length = 0; length < record.size(); ++length) {
    ByteReader reader(AsBytes(std::string_view(record).substr(0, length)));
    const auto read = [&]() -> Status {
      ASHLAR_TRY(reader.Read<std::uint64_t>("a"));
      ASHLAR_TRY(reader.Read<std::uint32_t>("b"));
      ASHLAR_TRY(reader.Read<std::uint16_t>("c"));
      return {};
    };
    EXPECT_FALSE(read().ok()) << length;
  }
}

TEST(ByteReader, length_that_wraps_around) {
  ByteReader reader(AsBytes("abcd"));
  ASSERT_TRUE(reader.Read<std::uint8_t>("a").ok());
  EXPECT_FALSE(reader.ReadBytes(kHuge, "payload").ok());
  EXPECT_FALSE(reader.ReadText(kHuge - 2, "payload").ok());
  EXPECT_EQ(reader.remaining(), 3u);
}

TEST(CheckedRange, IsTheRangeWhenItLiesInside) {
  const auto bytes = AsBytes("abcdef");
  EXPECT_EQ(AsText(*CheckedRange(bytes, 2, 3, "tensor")), "cde");
  EXPECT_EQ(AsText(*CheckedRange(bytes, 6, 0, "tensor")), "");
}

TEST(CheckedRange, offset_past_the_end) {
  const auto bytes = AsBytes("abcdef");
  EXPECT_FALSE(CheckedRange(bytes, 7, 0, "tensor").ok());
  EXPECT_FALSE(CheckedRange(bytes, 4, 3, "tensor").ok());
  EXPECT_FALSE(CheckedRange(bytes, kHuge, 2, "tensor").ok());
  EXPECT_FALSE(CheckedRange(bytes, 2, kHuge, "tensor").ok());
  EXPECT_EQ(CheckedRange(bytes, 4, 3, "tensor").error().message,
            "tensor claims 3 bytes at offset 4, past the end of its 6 bytes");
}

TEST(Checked, SumsAndProductsThatDoNotFitAreNothing) {
  EXPECT_EQ(CheckedAdd<std::uint64_t>(kHuge - 1, 1), kHuge);
  EXPECT_EQ(CheckedAdd<std::uint64_t>(kHuge, 1), std::nullopt);
  EXPECT_EQ(CheckedMul<std::uint32_t>(1u << 16, 1u << 15), 1u << 31);
  EXPECT_EQ(CheckedMul<std::uint32_t>(1u << 16, 1u << 16), std::nullopt);
  EXPECT_EQ(CheckedProduct({}), 1u);
  EXPECT_EQ(CheckedProduct({3, 5, 7}), 105u);
  EXPECT_EQ(CheckedProduct({1ull << 32, 1ull << 31, 2}), std::nullopt);
  // 0 * 2^64: a factor that overflows on the way is an overflow only if it comes first.
  EXPECT_EQ(CheckedProduct({0, kHuge, kHuge}), 0u);
}

}  // namespace
}  // namespace ashlar
