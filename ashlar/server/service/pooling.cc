#include "ashlar/server/service/pooling.h"

#include <algorithm>

#include "ashlar/base/check.h"

namespace ashlar {

RowPool::RowPool(Pooling pooling, std::int64_t width)
    : pooling_(pooling), sums_(static_cast<std::size_t>(width)) {}

void RowPool::Add(std::span<const float> rows) {
  const std::size_t width = sums_.size();
  CHECK(!rows.empty() && rows.size() % width == 0);
  if (pooling_ == Pooling::kCls) {
    rows = rows_ == 0 ? rows.first(width) : std::span<const float>();
  } else if (pooling_ == Pooling::kLast) {
    rows = rows.last(width);
    std::ranges::fill(sums_, 0);
    rows_ = 0;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sums_[i % width] += static_cast<double>(rows[i]);
  }
  rows_ += static_cast<std::int64_t>(rows.size() / width);
}

std::vector<float> RowPool::Row() const {
  CHECK(rows_ > 0);
  std::vector<float> row;
  row.reserve(sums_.size());
  for (const double sum : sums_) {
    row.push_back(static_cast<float>(sum / static_cast<double>(rows_)));
  }
  return row;
}

}  // namespace ashlar
