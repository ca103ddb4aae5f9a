#include "ashlar/text/internal/pair_table.h"

#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

TEST(PairTable, HoldsWhatAMapHolds) {
  std::mt19937_64 random(TestSeed());
  for (const std::int32_t range : {2, 60, 3000, std::numeric_limits<std::int32_t>::max()}) {
    PairTable<int> table;
    std::map<std::pair<std::int32_t, std::int32_t>, int> model;
    const auto number = [&] { return static_cast<std::int32_t>(random() % range); };
    for (int i = 0; i < 5000; ++i) {
      const std::int32_t first = number();
      const std::int32_t second = number();
      table.Set(first, second, i);
      model[{first, second}] = i;
      const std::pair<std::int32_t, std::int32_t> other{number(), number()};
      const int* found = table.Find(other.first, other.second);
      ASSERT_EQ(found != nullptr, model.contains(other));
    }
    for (const auto& [pair, value] : model) {
      const int* found = table.Find(pair.first, pair.second);
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(*found, value);
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
