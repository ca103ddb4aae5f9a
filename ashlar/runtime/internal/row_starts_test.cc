#include "ashlar/runtime/internal/row_starts.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

// embed 0, attention 1, mlp 2, attention 3, mlp 4, head 5: each reads the one before it.
const std::vector<std::vector<int>> kChain = {{}, {0}, {1}, {2}, {3}, {4}};

std::vector<CachedRows> CachedOfChain(std::int64_t lower_state, std::int64_t upper_state,
                                      std::int64_t value_of_2) {
  return {{}, {lower_state}, {.value = value_of_2}, {upper_state}, {}, {}};
}

std::vector<std::int64_t> ComputedFrom(std::int64_t lower_state, std::int64_t upper_state,
                                       std::int64_t value_of_2, std::int64_t output_from,
                                       std::int64_t upper_page = 1) {
  std::vector<NodeStart> starts(6);
  std::vector<CachedRows> cached = CachedOfChain(lower_state, upper_state, value_of_2);
  cached[3].page = upper_page;
  PlanRowStarts(kChain, cached, output_from, starts);
  std::vector<std::int64_t> computed;
  for (const NodeStart& start : starts) {
    computed.push_back(start.compute);
  }
  return computed;
}

using Starts = std::vector<std::int64_t>;

TEST(RowStarts, WithNothingCachedOnlyTheLastStatelessNodesAreSpared) {
  EXPECT_EQ(ComputedFrom(0, 0, 0, 99), (Starts{0, 0, 0, 0, 99, 99}));
}

TEST(RowStarts, AFullHitRecomputesTheLastRowOnly) {
  EXPECT_EQ(ComputedFrom(96, 96, 0, 96), (Starts{96, 96, 96, 96, 96, 96}));
}

TEST(RowStarts, APromptOfWholePagesStillNeedsItsLastRow) {
  EXPECT_EQ(ComputedFrom(96, 96, 0, 95), (Starts{95, 95, 95, 95, 95, 95}));
}

TEST(RowStarts, SharedLowerBlocksAreSparedWhereBoundaryPagesExist) {
  EXPECT_EQ(ComputedFrom(96, 0, 96, 99), (Starts{96, 96, 96, 0, 99, 99}));
}

TEST(RowStarts, SharedLowerBlocksAreComputedAgainstTheirStateWhereTheyDoNot) {
  EXPECT_EQ(ComputedFrom(96, 0, 0, 99), (Starts{0, 0, 0, 0, 99, 99}));
}

TEST(RowStarts, BoundaryPagesThatEndEarlierSpareUpToTheirEnd) {
  EXPECT_EQ(ComputedFrom(96, 0, 32, 99), (Starts{32, 32, 32, 0, 99, 99}));
}

TEST(RowStarts, StatesThatEndApartAreEachContinuedWhereTheyEnd) {
  EXPECT_EQ(ComputedFrom(32, 96, 0, 99), (Starts{32, 32, 96, 96, 99, 99}));
}

TEST(RowStarts, ACarriedStateIsContinuedWhereItEndsOrFromTheEndOfAPage) {
  EXPECT_EQ(ComputedFrom(96, 96, 0, 96, 32), (Starts{96, 96, 96, 96, 96, 96}));
  EXPECT_EQ(ComputedFrom(96, 96, 0, 95, 32), (Starts{64, 64, 64, 64, 95, 95}));
  EXPECT_EQ(ComputedFrom(96, 96, 80, 95, 32), (Starts{80, 80, 80, 64, 95, 95}));
  // A fork goes on within a page.
  EXPECT_EQ(ComputedFrom(90, 90, 0, 90, 32), (Starts{90, 90, 90, 90, 90, 90}));
}

TEST(RowStarts, AllLogitsNeedAllRows) {
  EXPECT_EQ(ComputedFrom(96, 96, 0, 0), (Starts{0, 0, 0, 0, 0, 0}));
}

TEST(RowStarts, WithoutAnyOutputOnlyStatesAreBroughtUp) {
  EXPECT_EQ(ComputedFrom(0, 0, 0, 100), (Starts{0, 0, 0, 0, 100, 100}));
}

TEST(RowStarts, AValueIsWantedFromItsEarliestReaderOn) {
  std::vector<NodeStart> starts(6);
  PlanRowStarts(kChain, CachedOfChain(96, 16, 64), 99, starts);
  EXPECT_EQ(starts[2], (NodeStart{64, 16}));  // [16, 64) from boundary pages
  EXPECT_EQ(starts[3], (NodeStart{16, 99}));
}

TEST(RowStarts, ANodeThatNobodyReadsIsNeverComputed) {
  std::vector<NodeStart> starts(3);
  PlanRowStarts(std::vector<std::vector<int>>{{}, {0}, {0}}, std::vector<CachedRows>(3), 7, starts);
  EXPECT_EQ(starts[0].compute, 7);
  EXPECT_EQ(starts[1].compute, kNever);
}

}  // namespace
}  // namespace ashlar::internal
