#include "ashlar/runtime/internal/row_starts.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

// embed 0, attention 1, mlp 2, attention 3, mlp 4, head 5: each reads the one before it.
const std::vector<std::vector<int>> kChain = {{}, {0}, {1}, {2}, {3}, {4}};

std::vector<std::int64_t> ComputedFrom(std::int64_t lower_state, std::int64_t upper_state,
                                       std::int64_t value_of_2, std::int64_t output_from) {
  std::vector<NodeStart> starts(6);
  PlanRowStarts(kChain, std::vector{kNever, lower_state, kNever, upper_state, kNever, kNever},
                std::vector<std::int64_t>{0, 0, value_of_2, 0, 0, 0}, output_from, starts);
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

TEST(RowStarts, AllLogitsNeedAllRows) {
  EXPECT_EQ(ComputedFrom(96, 96, 0, 0), (Starts{0, 0, 0, 0, 0, 0}));
}

TEST(RowStarts, WithoutAnyOutputOnlyStatesAreBroughtUp) {
  EXPECT_EQ(ComputedFrom(0, 0, 0, 100), (Starts{0, 0, 0, 0, 100, 100}));
}

TEST(RowStarts, AValueIsWantedFromItsEarliestReaderOn) {
  std::vector<NodeStart> starts(6);
  PlanRowStarts(kChain, std::vector<std::int64_t>{kNever, 96, kNever, 16, kNever, kNever},
                std::vector<std::int64_t>{0, 0, 64, 0, 0, 0}, 99, starts);
  EXPECT_EQ(starts[2], (NodeStart{64, 16}));  // [16, 64) from boundary pages
  EXPECT_EQ(starts[3], (NodeStart{16, 99}));
}

TEST(RowStarts, ANodeThatNobodyReadsIsNeverComputed) {
  std::vector<NodeStart> starts(3);
  PlanRowStarts(std::vector<std::vector<int>>{{}, {0}, {0}},
                std::vector<std::int64_t>{kNever, kNever, kNever},
                std::vector<std::int64_t>{0, 0, 0}, 7, starts);
  EXPECT_EQ(starts[0].compute, 7);
  EXPECT_EQ(starts[1].compute, kNever);
}

}  // namespace
}  // namespace ashlar::internal
