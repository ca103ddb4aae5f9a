#include "ashlar/graph/blob_parts.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

Level PartOf(char blob, std::uint64_t begin, std::uint64_t end) {
  return {Sha256(std::string(1, blob)), begin, end - begin};
}

// Parts of blobs "a" < "b" by digest, as text.
std::string ToldParts(const std::vector<Level>& parts) {
  std::string text;
  for (const Level& part : parts) {
    const char blob = part.blob == Sha256(std::string("a")) ? 'a' : 'b';
    text += fmt::format("{}{}-{} ", blob, part.offset, part.offset + part.length);
  }
  return text;
}

TEST(BlobParts, WhatIsBeyondOtherPartsIsWhatTheyLack) {
  const bool b_first = Sha256(std::string("b")) < Sha256(std::string("a"));
  const auto parts = [&](std::vector<Level> list) {
    std::ranges::sort(list);
    return list;
  };
  const auto beyond = [&](std::vector<Level> list, std::vector<Level> others) {
    return ToldParts(PartsBeyond(parts(std::move(list)), parts(std::move(others))));
  };
  EXPECT_EQ(beyond({PartOf('a', 0, 9)}, {}), "a0-9 ");
  EXPECT_EQ(beyond({}, {PartOf('a', 0, 9)}), "");
  EXPECT_EQ(beyond({PartOf('a', 0, 9)}, {PartOf('a', 0, 9)}), "");
  EXPECT_EQ(beyond({PartOf('a', 0, 9)}, {PartOf('b', 0, 9)}), "a0-9 ");
  EXPECT_EQ(beyond({PartOf('a', 2, 9)}, {PartOf('a', 0, 3), PartOf('a', 5, 6)}), "a3-5 a6-9 ");
  EXPECT_EQ(beyond({PartOf('a', 2, 9)}, {PartOf('a', 4, 20)}), "a2-4 ");
  EXPECT_EQ(beyond({PartOf('a', 0, 2), PartOf('a', 4, 6)}, {PartOf('a', 1, 5)}), "a0-1 a5-6 ");
  EXPECT_EQ(beyond({PartOf('a', 0, 4), PartOf('b', 0, 4)}, {PartOf('b', 1, 2)}),
            b_first ? "b0-1 b2-4 a0-4 " : "a0-4 b0-1 b2-4 ");
}

}  // namespace
}  // namespace ashlar
