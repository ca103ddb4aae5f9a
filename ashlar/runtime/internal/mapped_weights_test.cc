#include "ashlar/runtime/internal/mapped_weights.h"

#include <cstring>
#include <numeric>
#include <random>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "ashlar/base/check.h"
#include "ashlar/base/test_floats.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kMemoryPage = 4096;
constexpr std::int64_t kRows = 2048;     // a header of one page
constexpr std::int64_t kColumns = 1024;  // a band of level 1 of one page
constexpr bool kCheckNumbers = true;

// Blobs of which any page can be made to kill whoever reads it.
class TrappedBlobs {
 public:
  Digest Add(std::span<const std::byte> bytes) {
    const std::uint64_t size = (bytes.size() + kMemoryPage - 1) / kMemoryPage * kMemoryPage;
    void* const data =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(data != MAP_FAILED);
    std::memcpy(data, bytes.data(), bytes.size());
    const Digest digest = Sha256(bytes);
    blobs_.insert_or_assign(
        digest, Blob({static_cast<const std::byte*>(data), bytes.size()},
                     std::shared_ptr<void>(data, [size](void* at) { munmap(at, size); })));
    return digest;
  }
  void Trap(const Digest& blob, std::uint64_t offset, std::uint64_t length) {
    std::byte* const data = const_cast<std::byte*>(blobs_.at(blob).bytes().data());
    CHECK_EQ(mprotect(data + offset, length, PROT_NONE), 0);
  }
  MappedWeights::Fetch Fetch() const {
    return
        [this](const Digest& digest, std::uint64_t) -> Result<Blob> { return blobs_.at(digest); };
  }

 private:
  std::map<Digest, Blob> blobs_;
};

class MappedWeightsTest : public ::testing::Test {
 protected:
  MappedWeightsTest() {
    TestFloats floats(7);
    values_.resize(kRows * kColumns);
    for (float& value : values_) {
      value = floats.Next(0, 1);
    }
    tensor_ = Encode(values_);
  }

  TensorManifest Encode(const std::vector<float>& values) {
    TensorManifest tensor{.shape = {kRows, kColumns}, .codec = codec_};
    std::vector<std::vector<std::byte>> levels;
    std::vector<std::byte*> to;
    for (int level = 0; level < codec_->levels(); ++level) {
      to.push_back(levels.emplace_back(*LevelBytes(*codec_, tensor.shape, level)).data());
    }
    codec_->residual->encode(values.data(), kRows, kColumns, to);
    for (const auto& level : levels) {
      tensor.levels.push_back({blobs_.Add(level), 0, level.size()});
    }
    return tensor;
  }

  // Rows of the tensor as they are with so many levels, from blobs without traps.
  std::vector<float> Decoded(const TensorManifest& tensor, int levels, std::int64_t begin,
                             std::int64_t end) {
    std::vector<Blob> blobs;
    std::vector<const std::byte*> packed;
    for (int level = 0; level < levels; ++level) {
      blobs.push_back(*blobs_.Fetch()(tensor.levels[level].blob, 0));
      packed.push_back(blobs.back().bytes().data());
    }
    std::vector<float> values((end - begin) * kColumns);
    codec_->residual->decode(packed, kRows, kColumns, begin, end, values.data());
    return values;
  }

  const Codec* const codec_ = *FindCodec("bitplane");
  TrappedBlobs blobs_;
  std::vector<float> values_;
  TensorManifest tensor_;
};

TEST_F(MappedWeightsTest, WhatAPrecisionLacksIsNeverRead) {
  // Rows 0 to 511 have 3 levels, 512 to 1023 one, the others 2.
  const TensorPrecision rows = {{512, 3}, {1024, 1}, {kRows, 2}};
  const std::vector<float> expected[] = {Decoded(tensor_, 3, 0, 512),
                                         Decoded(tensor_, 1, 512, 1024),
                                         Decoded(tensor_, 2, 1024, kRows)};
  const std::uint64_t header = kMemoryPage;
  const std::uint64_t band = kMemoryPage;
  blobs_.Trap(tensor_.levels[1].blob, header + 512 / 32 * band, (1024 - 512) / 32 * band);
  blobs_.Trap(tensor_.levels[2].blob, header + 512 / 32 * band, (kRows - 512) / 32 * band);
  for (int level = 3; level < codec_->levels(); ++level) {
    blobs_.Trap(tensor_.levels[level].blob, 0, header + kRows / 32 * band);
  }

  MappedWeights weights;
  const BoundTensor bound = *weights.Add(tensor_, tensor_.shape, {{tensor_.levels[0], rows}},
                                         blobs_.Fetch(), kCheckNumbers);
  EXPECT_EQ(bound.data, nullptr);
  ASSERT_EQ(bound.levels.size(), 3u);
  EXPECT_TRUE(std::ranges::equal(bound.row_levels, rows));
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<float> values((rows[i].row_end - begin) * kColumns);
    codec_->residual->decode(bound.levels.first(static_cast<std::size_t>(rows[i].levels)), kRows,
                             kColumns, begin, rows[i].row_end, values.data());
    EXPECT_EQ(values, expected[i]);
    begin = rows[i].row_end;
  }
}

TEST_F(MappedWeightsTest, ATensorThatThePrecisionDoesNotNameHasAllOfItsLevels) {
  MappedWeights weights;
  const BoundTensor bound =
      *weights.Add(tensor_, {kRows / 2, kColumns}, {}, blobs_.Fetch(), kCheckNumbers);
  EXPECT_EQ(static_cast<int>(bound.levels.size()), codec_->levels());
  ASSERT_EQ(bound.row_levels.size(), 1u);
  EXPECT_EQ(bound.row_levels[0], (RowLevels{kRows, codec_->levels()}));
  EXPECT_EQ(bound.rows, kRows / 2);
  EXPECT_EQ(bound.stored_rows, kRows);
}

TEST_F(MappedWeightsTest, WhatWasMappedStaysWhereItIsWhenMoreOfItsBlobIsFetched) {
  std::vector<float> numbers(2 * kColumns);
  std::iota(numbers.begin(), numbers.end(), 1.0f);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(numbers));
  const Digest blob = Sha256(bytes);
  const auto fetch_what_is_needed = [&](const Digest&, std::uint64_t needed) -> Result<Blob> {
    TrappedBlobs fresh;
    fresh.Add(bytes.first(needed));
    return *fresh.Fetch()(Sha256(bytes.first(needed)), needed);
  };
  TensorManifest halves[2];
  for (int i = 0; i < 2; ++i) {
    halves[i] = {.shape = {kColumns}, .codec = *FindCodec("f32")};
    halves[i].levels.push_back({blob, i * bytes.size() / 2, bytes.size() / 2});
  }
  MappedWeights weights;
  std::vector<BoundTensor> bound;
  for (const TensorManifest& half : halves) {
    bound.push_back(*weights.Add(half, half.shape, {}, fetch_what_is_needed, kCheckNumbers));
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(std::memcmp(bound[i].data, &numbers[i * kColumns], kColumns * sizeof(float)), 0) << i;
  }
}

TEST_F(MappedWeightsTest, ADifferenceComesWithWhatItIsFrom) {
  std::vector<float> difference(values_.size());
  for (std::size_t i = 0; i < difference.size(); ++i) {
    difference[i] = values_[i] / 64;
  }
  TensorManifest tuned = Encode(difference);
  tuned.base = std::make_shared<const TensorManifest>(tensor_);
  MappedWeights weights;
  const Precision precision = {{tuned.levels[0], {{kRows, 1}}}, {tensor_.levels[0], {{kRows, 4}}}};
  const BoundTensor bound =
      *weights.Add(tuned, tuned.shape, precision, blobs_.Fetch(), kCheckNumbers);
  EXPECT_EQ(bound.levels.size(), 1u);
  ASSERT_NE(bound.base, nullptr);
  EXPECT_EQ(bound.base->levels.size(), 4u);
  EXPECT_EQ(bound.base->base, nullptr);
}

TEST_F(MappedWeightsTest, APrecisionThatIsNoneOfTheTensorIsRefused) {
  for (const TensorPrecision& rows : {TensorPrecision{},
                                      {{100, 1}, {kRows, 2}},
                                      {{kRows, 0}},

                                      {{kRows / 2, 1}},
                                      {{kRows / 2, 2}, {kRows, 2}},
                                      {{kRows / 2, 1}, {kRows / 2, 2}, {kRows, 1}},
                                      {{kRows + 32, 1}}}) {
    MappedWeights weights;
    const Result<BoundTensor> bound = weights.Add(
        tensor_, tensor_.shape, {{tensor_.levels[0], rows}}, blobs_.Fetch(), kCheckNumbers);
    ASSERT_FALSE(bound.ok());
    EXPECT_EQ(bound.error().code, ErrorCode::kInvalid);
  }
}

TEST_F(MappedWeightsTest, NumbersThatAreNoneAreFoundInTheLevelsThatAreThere) {
  std::vector<std::byte> broken(*LevelBytes(*codec_, tensor_.shape, 2));
  const std::uint16_t infinite = 0x7c00;  // the factor of an output
  std::memcpy(broken.data() + 2 * 600, &infinite, sizeof infinite);
  tensor_.levels[2].blob = blobs_.Add(broken);
  const auto add = [&](int levels) {
    return MappedWeights().Add(tensor_, tensor_.shape,
                               {{tensor_.levels[0], {{512, levels}, {kRows, 1}}}}, blobs_.Fetch(),
                               kCheckNumbers);
  };
  EXPECT_TRUE(add(2).ok());
  const Result<BoundTensor> bound = add(3);
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace ashlar::internal
