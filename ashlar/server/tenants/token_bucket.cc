#include "ashlar/server/tenants/token_bucket.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/check.h"

namespace ashlar {
namespace {
constexpr double kMicrosInMinute = 60e6;
}  // namespace

void TokenBucket::SetLimit(std::int64_t tokens_per_minute) {
  level_ += static_cast<double>(tokens_per_minute - limit_);  // what is owed stays owed
  limit_ = tokens_per_minute;
}

void TokenBucket::Refill(std::int64_t now_micros) {
  const auto limit = static_cast<double>(limit_);
  const auto passed = static_cast<double>(now_micros - refilled_micros_);
  level_ = std::min(limit, level_ + passed * limit / kMicrosInMinute);
  refilled_micros_ = now_micros;
}

std::optional<std::int64_t> TokenBucket::Take(std::int64_t tokens, std::int64_t now_micros) {
  CHECK_LE(tokens, limit_);
  Refill(now_micros);
  const double missing = static_cast<double>(tokens) - level_;
  if (missing > 0) {
    return static_cast<std::int64_t>(
        std::ceil(missing * kMicrosInMinute / static_cast<double>(limit_)));
  }
  level_ -= static_cast<double>(tokens);
  return std::nullopt;
}

void TokenBucket::GiveBack(std::int64_t tokens) {
  level_ += static_cast<double>(tokens);  // Refill holds it to the limit
}

}  // namespace ashlar
