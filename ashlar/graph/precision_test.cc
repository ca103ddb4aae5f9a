#include "ashlar/graph/precision.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

TensorManifest WithLevels(std::int64_t rows, std::int64_t columns, int levels = 7) {
  TensorManifest tensor{.shape = {rows, columns}, .codec = *FindCodec("bitplane")};
  std::uint64_t offset = 128;  // all in one blob
  for (int level = 0; level < levels; ++level) {
    tensor.levels.push_back(
        {Sha256("blob"), offset, *LevelBytes(*tensor.codec, tensor.shape, level)});
    offset += tensor.levels.back().length;
  }
  return tensor;
}

// Ranges of some whole bands, each with another number of levels than the one before it.
TensorPrecision RandomPrecision(const TensorManifest& tensor, std::mt19937_64& random) {
  TensorPrecision precision;
  const std::int64_t rows = tensor.shape[0];
  for (std::int64_t end = 0; end < rows;) {
    end = std::min<std::int64_t>(rows, end + 32 * (1 + static_cast<std::int64_t>(random() % 3)));
    const int levels = 1 + static_cast<int>(random() % 7);
    if (!precision.empty() && precision.back().levels == levels) {
      precision.back().row_end = end;
    } else {
      precision.push_back({end, levels});
    }
  }
  return precision;
}

TEST(Precision, PartsAreTheHeadersAndTheBandsOfTheRowsThatHaveTheLevel) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 50; ++trial) {
    const TensorManifest tensor = WithLevels(1 + static_cast<std::int64_t>(random() % 300),
                                             32 * (1 + static_cast<std::int64_t>(random() % 4)));
    const TensorPrecision precision = RandomPrecision(tensor, random);
    ASSERT_TRUE(CheckPrecision(tensor, precision).ok());
    const auto levels_of_row = [&](std::int64_t row) {
      return std::ranges::find_if(precision,
                                  [&](const RowLevels& range) { return row < range.row_end; })
          ->levels;
    };
    for (int level = 0; level < 7; ++level) {
      // Of each byte of the level, whether it is read.
      const Level& whole = tensor.levels[static_cast<std::size_t>(level)];
      const Residual& residual = *tensor.codec->residual;
      const std::uint64_t header = residual.header_bytes(level, tensor.shape[0], tensor.shape[1]);
      std::vector<bool> expected(whole.length, false);
      for (std::int64_t row = 0; row < tensor.shape[0]; row += 32) {
        if (levels_of_row(row) > level) {
          const std::uint64_t band = residual.band_bytes(level, tensor.shape[1]);
          std::fill_n(expected.begin(), header, true);
          std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(
                                             header + static_cast<std::uint64_t>(row) / 32 * band),
                      band, true);
        }
      }
      std::vector<bool> found(whole.length, false);
      std::uint64_t before = 0;  // where the part before ended
      for (const Level& part : ResidentParts(tensor, level, precision)) {
        ASSERT_EQ(part.blob, whole.blob);
        ASSERT_GT(part.offset, before) << "ascending, apart";
        ASSERT_GE(part.offset, whole.offset);
        before = part.offset + part.length;
        ASSERT_LE(before, whole.offset + whole.length);
        std::fill_n(found.begin() + static_cast<std::ptrdiff_t>(part.offset - whole.offset),
                    part.length, true);
      }
      EXPECT_EQ(found, expected) << trial << ", level " << level;
    }
  }
}

TEST(Precision, OfATensorThatIsNotNamedIsAllLevelsAndOfOneWithFewerTheseAtMost) {
  const TensorManifest tensor = WithLevels(96, 32);
  EXPECT_EQ(PrecisionOf(tensor, {}), (TensorPrecision{{96, 7}}));
  const Precision precision = {{tensor.levels.front(), {{32, 7}, {64, 5}, {96, 2}}}};
  EXPECT_EQ(PrecisionOf(tensor, precision), precision.begin()->second);
  EXPECT_EQ(PrecisionOf(WithLevels(96, 32, 4), precision), (TensorPrecision{{64, 4}, {96, 2}}));
}

TEST(Precision, ThatIsNoneOfATensorIsRefused) {
  const TensorManifest tensor = WithLevels(100, 32);
  EXPECT_TRUE(CheckPrecision(tensor, {{32, 1}, {100, 7}}).ok());
  const std::pair<TensorPrecision, const char*> none[] = {
      {{}, "ends at row 0 of a tensor of 100"},
      {{{64, 3}}, "ends at row 64"},
      {{{31, 3}, {100, 2}}, "rows from 0 to 31"},
      {{{64, 3}, {64, 2}, {100, 3}}, "rows from 64 to 64"},
      {{{128, 3}}, "rows from 0 to 128"},
      {{{100, 0}}, "0 levels"},
      {{{100, 8}}, "8 levels"},
      {{{64, 3}, {100, 3}}, "after 3 before them"},
  };
  for (const auto& [precision, error] : none) {
    const Status checked = CheckPrecision(tensor, precision);
    ASSERT_FALSE(checked.ok()) << error;
    EXPECT_NE(checked.error().message.find(error), std::string::npos) << checked.error().message;
  }
}

TEST(Precision, HasOneTextForWhatABlockReadsAndAnotherForAnythingElse) {
  Block block;
  TensorManifest tensor = WithLevels(64, 32);
  TensorManifest base = WithLevels(64, 32);
  base.levels.front().blob = Sha256("base");
  tensor.base = std::make_shared<const TensorManifest>(base);
  block.tensors.emplace("up", tensor);
  const Level& first = tensor.levels.front();
  const Level& of_base = base.levels.front();
  EXPECT_EQ(PrecisionText(block, {}), "");
  EXPECT_EQ(PrecisionText(block, {{first, {{64, 7}}}}), "") << "all of them";
  EXPECT_EQ(PrecisionText(block, {{Level{Sha256("other"), 0, 64}, {{64, 1}}}}), "");
  std::set<std::string> texts;
  const std::vector<Precision> different = {{},
                                            {{first, {{64, 3}}}},
                                            {{first, {{32, 3}, {64, 2}}}},
                                            {{of_base, {{64, 3}}}},
                                            {{first, {{64, 3}}}, {of_base, {{64, 3}}}}};
  for (const Precision& precision : different) {
    EXPECT_TRUE(texts.insert(PrecisionText(block, precision)).second);
  }
}

}  // namespace
}  // namespace ashlar
