#include "ashlar/server/service/weight_reader.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

Level Part(char blob, std::uint64_t begin, std::uint64_t end) {
  return {Sha256(std::string(1, blob)), begin, end - begin};
}

// Parts of blobs "a" < "b" by digest, as text.
std::string Told(const std::vector<Level>& parts) {
  std::string text;
  for (const Level& part : parts) {
    const char blob = part.blob == Sha256(std::string("a")) ? 'a' : 'b';
    text += fmt::format("{}{}-{} ", blob, part.offset, part.offset + part.length);
  }
  return text;
}

TEST(WeightReader, WhatIsBeyondOtherPartsIsWhatTheyLack) {
  const bool b_first = Sha256(std::string("b")) < Sha256(std::string("a"));
  const auto parts = [&](std::vector<Level> list) {
    std::ranges::sort(list);
    return list;
  };
  const auto beyond = [&](std::vector<Level> list, std::vector<Level> others) {
    return Told(PartsBeyond(parts(std::move(list)), parts(std::move(others))));
  };
  EXPECT_EQ(beyond({Part('a', 0, 9)}, {}), "a0-9 ");
  EXPECT_EQ(beyond({}, {Part('a', 0, 9)}), "");
  EXPECT_EQ(beyond({Part('a', 0, 9)}, {Part('a', 0, 9)}), "");
  EXPECT_EQ(beyond({Part('a', 0, 9)}, {Part('b', 0, 9)}), "a0-9 ");
  EXPECT_EQ(beyond({Part('a', 2, 9)}, {Part('a', 0, 3), Part('a', 5, 6)}), "a3-5 a6-9 ");
  EXPECT_EQ(beyond({Part('a', 2, 9)}, {Part('a', 4, 20)}), "a2-4 ");
  EXPECT_EQ(beyond({Part('a', 0, 2), Part('a', 4, 6)}, {Part('a', 1, 5)}), "a0-1 a5-6 ");
  EXPECT_EQ(beyond({Part('a', 0, 4), Part('b', 0, 4)}, {Part('b', 1, 2)}),
            b_first ? "b0-1 b2-4 a0-4 " : "a0-4 b0-1 b2-4 ");
}

TEST(WeightReader, ItKeepsToItsRateAndCanBeEnded) {
  const auto store = NewMemoryStore();
  const std::vector<std::byte> bytes(4 << 20);
  const std::vector<Level> parts = {{*store->Put(bytes), 64, bytes.size() - 64}};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(ReadParts(parts, *store, {.bytes_per_second = 40 << 20}).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(99));
  const std::atomic<bool> stop = true;
  EXPECT_EQ(ReadParts(parts, *store, {.stop = &stop}).error().code, ErrorCode::kConflict);
}

TEST(WeightReader, APartPastTheEndAndAMissingBlobAreErrorsThatNameTheBlob) {
  const auto store = NewMemoryStore();
  const std::vector<std::byte> bytes(100);
  const Digest digest = *store->Put(bytes);
  EXPECT_TRUE(ReadParts(std::vector<Level>{{digest, 0, 100}}, *store, {.verify = true}).ok());
  const Status past = ReadParts(std::vector<Level>{{digest, 1, 100}}, *store, {});
  ASSERT_FALSE(past.ok());
  EXPECT_NE(past.error().message.find(digest.ToString()), std::string::npos);
  EXPECT_FALSE(ReadParts(std::vector<Level>{Part('a', 0, 1)}, *store, {}).ok());
}

}  // namespace
}  // namespace ashlar::internal
