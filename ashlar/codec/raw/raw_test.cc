#include "ashlar/codec/raw/raw.h"

#include <vector>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

std::vector<std::uint8_t> EncodeRaw(const Codec& codec, const std::vector<float>& values) {
  std::vector<std::byte> packed(codec.band_bytes(static_cast<std::int64_t>(values.size())));
  codec.encode(values.data(), 1, static_cast<std::int64_t>(values.size()), packed.data());
  std::vector<std::uint8_t> bytes;
  for (const std::byte byte : packed) {
    bytes.push_back(std::to_integer<std::uint8_t>(byte));
  }
  return bytes;
}

using Bytes = std::vector<std::uint8_t>;

// The worked example of docs/formats/raw.md.
TEST(Raw, WritesTheBytesOfItsSpecification) {
  const std::vector<float> values = {1.0f, -2.0f, 0.1f};
  EXPECT_EQ(EncodeRaw(kRawF32, values), (Bytes{0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0,  //
                                               0xcd, 0xcc, 0xcc, 0x3d}));
  EXPECT_EQ(EncodeRaw(kRawF16, values), (Bytes{0x00, 0x3c, 0x00, 0xc0, 0x66, 0x2e}));
  EXPECT_EQ(EncodeRaw(kRawBF16, values), (Bytes{0x80, 0x3f, 0x00, 0xc0, 0xcd, 0x3d}));
}

TEST(Raw, NarrowsNumbersPastTheLargestOneToTheLargestOne) {
  EXPECT_EQ(EncodeRaw(kRawF16, {1e6f, -1e6f}), (Bytes{0xff, 0x7b, 0xff, 0xfb}));
  EXPECT_EQ(EncodeRaw(kRawBF16, {3.4028235e38f}), (Bytes{0x7f, 0x7f}));
}

}  // namespace
}  // namespace ashlar
