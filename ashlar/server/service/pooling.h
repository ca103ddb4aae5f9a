// One vector for a text from those of its tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ashlar {

enum class Pooling : std::uint8_t {
  kMean,
  kLast,
  kCls,  // the first
};

// Makes one row of many, which come a few at a time: none of them is kept. How they are cut into
// pieces changes nothing. Confined.
class RowPool {
 public:
  RowPool(Pooling pooling, std::int64_t width);

  void Add(std::span<const float> rows);  // [any, width], one or more
  // Requires: some were added.
  std::vector<float> Row() const;

 private:
  const Pooling pooling_;
  std::vector<double> sums_;  // [width]
  std::int64_t rows_ = 0;     // in them
};

}  // namespace ashlar
