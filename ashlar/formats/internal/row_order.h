// RowOrder says which row of a matrix in a file is which of ours (or number of a vector).
#pragma once

#include <cstdint>

namespace ashlar::internal {

class RowOrder {
 public:
  RowOrder() = default;  // the same
  // Of heads of `head_rows` rows each, whose halves interleave in the file: its row 2i is our row i
  // of the head, and 2i + 1 is our i + head_rows / 2. Requires: an even number.
  explicit RowOrder(std::int64_t head_rows) : head_rows_(head_rows) {}

  // Which of our rows stands at row `row` of the file.
  std::int64_t Ours(std::int64_t row) const {
    if (head_rows_ == 0) {
      return row;
    }
    const std::int64_t in_head = row % head_rows_;
    return row - in_head + in_head / 2 + in_head % 2 * (head_rows_ / 2);
  }
  // Where our row `row` stands in the file.
  std::int64_t InFile(std::int64_t row) const {
    if (head_rows_ == 0) {
      return row;
    }
    const std::int64_t in_head = row % head_rows_;
    const std::int64_t half = head_rows_ / 2;
    return row - in_head + in_head % half * 2 + in_head / half;
  }

 private:
  std::int64_t head_rows_ = 0;  // 0: as they are
};

}  // namespace ashlar::internal
