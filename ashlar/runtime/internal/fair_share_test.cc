#include "ashlar/runtime/internal/fair_share.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

TEST(FairShare, CountsWhatEachTenantHas) {
  FairShare share;
  share.Enter(1);
  share.Enter(2);
  share.Charge(1, 10);
  share.Charge(2, 3);
  share.Charge(1, 5);
  EXPECT_EQ(share.Had(1), 15u);
  EXPECT_EQ(share.Had(2), 3u);
}

TEST(FairShare, WhoComesLaterBeginsWithTheLeastOfThoseThatAreThere) {
  FairShare share;
  share.Enter(1);
  share.Charge(1, 100);
  share.Enter(2);
  share.Charge(2, 30);
  share.Enter(3);
  EXPECT_EQ(share.Had(2), 130u) << "it came when 1 had 100";
  EXPECT_EQ(share.Had(3), 100u);
}

TEST(FairShare, NobodySavesUpByAPause) {
  FairShare share;
  share.Enter(1);
  share.Enter(2);
  share.Withdraw(2);
  share.Charge(1, 100);
  share.Enter(2);
  EXPECT_EQ(share.Had(2), 100u);
}

TEST(FairShare, NobodyLosesADebtByAPause) {
  FairShare share;
  share.Enter(1);
  share.Enter(2);
  share.Charge(2, 50);
  share.Withdraw(2);
  share.Charge(1, 10);
  share.Enter(2);
  EXPECT_EQ(share.Had(2), 50u);
}

TEST(FairShare, ForgetsWhoHasNoDebt) {
  FairShare share;
  for (std::uint32_t tenant = 0; tenant < 1000; ++tenant) {
    share.Enter(tenant);
    share.Charge(tenant, tenant);
    share.Withdraw(tenant);
  }
  EXPECT_EQ(share.size(), 0u) << "nobody is left to owe to";
}

TEST(FairShare, ATenantWithTwoRequestsIsThereUntilBothHaveEnded) {
  FairShare share;
  share.Enter(1);
  share.Enter(1);
  share.Charge(1, 7);
  share.Withdraw(1);
  share.Enter(2);
  EXPECT_EQ(share.Had(2), 7u);
}

TEST(FairShare, AStreamThatOnlyRunsHoldsNobodyDown) {
  FairShare share;
  share.Enter(1);
  share.Admit(1);
  share.Charge(1, 10);
  share.Enter(2);
  share.Charge(2, 1000);
  share.Enter(3);
  EXPECT_EQ(share.Had(3), 1010u) << "as the one that waits has, and not as the one that runs";
}

TEST(FairShare, WhereNobodyWaitsOneBeginsWhereTheLastThatDidWas) {
  FairShare share;
  share.Enter(1);
  share.Charge(1, 100);
  share.Admit(1);
  share.Enter(2);
  EXPECT_EQ(share.Had(2), 100u);
}

}  // namespace
}  // namespace ashlar::internal
