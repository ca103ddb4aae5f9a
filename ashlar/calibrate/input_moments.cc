#include "ashlar/calibrate/input_moments.h"

#include <algorithm>

#include "ashlar/base/check.h"
#include "ashlar/calibrate/blas.h"

namespace ashlar {
namespace {

// Sums are added up in squares of so many inputs: each is one product of matrices on one thread, so
// that the bits do not depend on how many threads there are.
constexpr std::int64_t kTile = 256;

std::uint64_t BytesOf(std::int64_t width) {
  return static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(width) * sizeof(float);
}

}  // namespace

std::vector<float> Moments::Diagonal() const {
  std::vector<float> diagonal(static_cast<std::size_t>(width));
  for (std::int64_t i = 0; i < width; ++i) {
    diagonal[static_cast<std::size_t>(i)] = sums[static_cast<std::size_t>(i * width + i)];
  }
  return diagonal;
}

void InputMoments::BeginPass(KeyOf key_of, bool again) {
  key_of_ = std::move(key_of);
  again_ = again;
  wanted_ = std::exchange(left_, {});
  taken_up_.clear();
}

void InputMoments::OnInput(std::span<const std::string_view> matrices, const float* x,
                           std::int64_t rows, std::int64_t width) {
  // Those who have had the same rows so far go on together.
  std::map<std::shared_ptr<Moments>, std::vector<Key>> groups;
  for (const std::string_view matrix : matrices) {
    const Key key = key_of_(matrix);
    if (key < 0 || left_.contains(key) || (again_ && !wanted_.contains(key))) {
      continue;
    }
    const auto sum = sums_.find(key);
    groups[sum == sums_.end() ? nullptr : sum->second].push_back(key);
  }
  for (auto& [shared, keys] : groups) {
    const bool first_rows = !taken_up_.contains(keys.front());
    std::shared_ptr<Moments> moments = shared;
    if (moments == nullptr) {
      std::set<const Moments*> held;
      std::uint64_t bytes = BytesOf(width);
      for (const auto& [key, sum] : sums_) {
        bytes += held.insert(sum.get()).second ? BytesOf(sum->width) : 0;
      }
      if (!held.empty() && bytes > limit_) {
        left_.insert(keys.begin(), keys.end());
        continue;
      }
      moments = std::make_shared<Moments>();
    } else if (const auto users =
                   std::ranges::count(sums_, shared, [](const auto& sum) { return sum.second; });
               first_rows && users > static_cast<std::ptrdiff_t>(keys.size())) {
      moments = std::make_shared<Moments>(*shared);  // others do not have these rows
    }
    for (const Key key : keys) {
      sums_[key] = moments;
      taken_up_.insert(key);
    }
    if (moments->sums.empty()) {
      moments->width = width;
      moments->sums.resize(static_cast<std::size_t>(width * width));
    }
    CHECK_EQ(moments->width, width);
    Add(*moments, x, rows);
  }
}

void InputMoments::Add(Moments& moments, const float* x, std::int64_t rows) {
  const std::int64_t width = moments.width;
  const std::int64_t tiles = (width + kTile - 1) / kTile;
  pool_.ParallelFor(tiles * (tiles + 1) / 2, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t index = begin; index < end; ++index) {
      std::int64_t i = 0;  // tile (i, j), j >= i, row by row of the upper triangle
      std::int64_t j = index;
      while (j >= tiles - i) {
        j -= tiles - i++;
      }
      j += i;
      const std::int64_t height = std::min(kTile, width - i * kTile);
      const std::int64_t breadth = std::min(kTile, width - j * kTile);
      Multiply(height, breadth, rows, {x + i * kTile, width}, Transposed::kYes,
               {x + j * kTile, width}, {moments.sums.data() + i * kTile * width + j * kTile, width},
               Accumulate::kYes);
    }
  });
  moments.rows += rows;
}

void InputMoments::OnLookup(std::string_view matrix, std::span<const std::int32_t> rows) {
  const Key key = again_ ? -1 : key_of_(matrix);
  if (key < 0) {
    return;
  }
  std::map<std::int32_t, std::int64_t>& counts = lookups_[key];
  for (const std::int32_t row : rows) {
    ++counts[row];
  }
}

std::shared_ptr<const Moments> InputMoments::Take(Key key) {
  const auto found = sums_.find(key);
  if (found == sums_.end()) {
    return nullptr;
  }
  const std::shared_ptr<Moments> sums = std::move(found->second);
  sums_.erase(found);
  auto means = sums.use_count() == 1 ? sums : std::make_shared<Moments>(*sums);
  const std::int64_t width = means->width;
  const float scale = 1 / static_cast<float>(means->rows);
  // By squares: what is written across rows stays in the cache until its lines are full.
  constexpr std::int64_t kSquare = 32;
  const auto mirror = [&, sums = means->sums.data()](std::int64_t row, std::int64_t column) {
    for (std::int64_t i = row; i < std::min(row + kSquare, width); ++i) {
      for (std::int64_t j = std::max(i, column); j < std::min(column + kSquare, width); ++j) {
        const float mean = sums[i * width + j] * scale;
        sums[i * width + j] = mean;
        sums[j * width + i] = mean;
      }
    }
  };
  pool_.ParallelFor(
      (width + kSquare - 1) / kSquare, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t row = begin * kSquare; row < end * kSquare; row += kSquare) {
          for (std::int64_t column = row; column < width; column += kSquare) {
            mirror(row, column);
          }
        }
      });
  return means;
}

}  // namespace ashlar
