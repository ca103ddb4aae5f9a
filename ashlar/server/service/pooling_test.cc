#include "ashlar/server/service/pooling.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

TEST(RowPool, MakesOneRowOfAllHoweverTheyCome) {
  struct PoolCase {
    Pooling pooling;
    std::vector<float> expected;
  };
  const PoolCase cases[] = {
      {Pooling::kCls, {1, 2}}, {Pooling::kLast, {6, 12}}, {Pooling::kMean, {3.5, 5.5}}};
  const std::vector<float> rows = {1, 2, 3, 4, 4, 4, 6, 12};  // [4, 2]
  for (const PoolCase& each : cases) {
    for (std::size_t cut = 0; cut < 4; ++cut) {
      RowPool pool(each.pooling, 2);
      if (cut > 0) {
        pool.Add(std::span(rows).first(2 * cut));
      }
      pool.Add(std::span(rows).subspan(2 * cut));
      EXPECT_EQ(pool.Row(), each.expected) << cut;
    }
  }
}

}  // namespace
}  // namespace ashlar
