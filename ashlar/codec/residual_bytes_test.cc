// The worked examples of docs/formats/bitplane.md and docs/formats/bitstack.md.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitstack/bitstack.h"

namespace ashlar {
namespace {

using Bytes = std::vector<std::uint8_t>;

// All levels of a matrix of 32 columns.
std::vector<Bytes> EncodedLevels(const Codec& codec, const std::vector<float>& values) {
  const auto rows = static_cast<std::int64_t>(values.size() / 32);
  std::vector<Bytes> levels;
  for (int level = 0; level < codec.levels(); ++level) {
    levels.emplace_back(*LevelBytes(codec, {rows, 32}, level));
  }
  std::vector<std::byte*> out;
  for (Bytes& level : levels) {
    out.push_back(reinterpret_cast<std::byte*>(level.data()));
  }
  codec.residual->encode(values.data(), rows, 32, out);
  return levels;
}

struct BytesAt {
  std::size_t offset;
  Bytes bytes;
};

// A level that is zero but for some bytes.
Bytes LevelWith(std::size_t size, const std::vector<BytesAt>& parts) {
  Bytes level(size);
  for (const BytesAt& part : parts) {
    std::memcpy(level.data() + part.offset, part.bytes.data(), part.bytes.size());
  }
  return level;
}

TEST(BitplaneBytes, AreThoseOfTheSpecification) {
  std::vector<float> values(17 * 32, 0.0f);
  for (std::size_t k = 0; k < 32; ++k) {
    values[k] = (static_cast<float>(k) - 15.5f) / 16;
    values[16 * 32 + k] = k == 0 ? -2.0f : 0.25f;
  }
  // Rows of zeros have codes of 128 (+), those that pad the band of 0.
  std::vector<BytesAt> parts = {{0x00, {0x00, 0x3c}},
                                {0x20, {0x80, 0x3d}},
                                {0x40, {0x21, 0xa1, 0xa1, 0xa1}},
                                {0x80, {0xa1, 0xa1, 0xa1, 0xa1}},
                                {0xc0, {0xab, 0xab, 0xab, 0xab}},
                                {0x100, {0xab, 0xab, 0xab, 0xab}},
                                {0x140, {0xff}}};
  for (std::size_t line = 0x40; line < 0x140; line += 0x40) {
    parts.push_back({line + 4, Bytes(60, 0x0a)});
  }
  const std::vector<Bytes> levels = EncodedLevels(kBitplane, values);
  EXPECT_EQ(levels[0], LevelWith(384, parts));
  EXPECT_EQ(levels[1], LevelWith(192, {{0x00, {0x00, 0x3c}},
                                       {0x20, {0x5a, 0x40}},
                                       {0x40, {0x05, 0x05, 0x05, 0x05}},
                                       {0x80, {0x05, 0x05, 0x05, 0x05}}}));
}

TEST(BitstackBytes, AreThoseOfTheSpecification) {
  std::vector<float> values(2 * 32);
  for (std::size_t k = 0; k < 32; ++k) {
    values[k] = k % 2 == 0 ? 2.0f : -2.0f;
    values[32 + k] = k < 16 ? 1.0f : -1.0f;
  }
  std::vector<BytesAt> parts = {{0x440, {0x5d, 0x42}}, {0x460, {0x5d, 0x3e}}};
  for (std::size_t k = 0; k < 32; ++k) {
    parts.push_back({32 * k, {0x08, 0x39}});
    parts.push_back({0x400 + 2 * k, {0x00, 0x3c}});
  }
  for (std::size_t word = 0; word < 8; ++word) {
    parts.push_back({0x840 + 8 * word, {word < 4 ? std::uint8_t{0xf5} : std::uint8_t{0x05}}});
  }
  EXPECT_EQ(EncodedLevels(kBitstack, values)[0], LevelWith(2240, parts));
}

}  // namespace
}  // namespace ashlar
