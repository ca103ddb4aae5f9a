// A Shape is a list of at most four positive dimensions, outermost first. A value.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "ashlar/base/result.h"

namespace ashlar {

class Shape {
 public:
  static constexpr int kMaxRank = 4;
  static constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;

  Shape() = default;  // rank 0
  // Requires: what Make checks.
  Shape(std::initializer_list<std::int64_t> dims);
  // kInvalid when there are too many dimensions, one is < 1, or the product passes kMaxElements.
  static Result<Shape> Make(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[i]; }
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  std::int64_t elements() const;  // 1 for rank 0
  std::string ToString() const;   // "[64, 160]"

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_ = {};
  int rank_ = 0;
};

}  // namespace ashlar
