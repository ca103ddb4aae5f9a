#include "ashlar/server/service/weight_reader.h"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

Level Part(char blob, std::uint64_t begin, std::uint64_t end) {
  return {Sha256(std::string(1, blob)), begin, end - begin};
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
