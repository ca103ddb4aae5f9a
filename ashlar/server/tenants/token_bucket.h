// A TokenBucket lets so many tokens pass in a minute, and up to a minute's worth at once.
//
// A request takes what it may come to use, prompt and answer, before it begins, and gives back what
// it has not used: so no number of requests that run together passes the limit. Its owner brings
// the time and the lock.
#pragma once

#include <cstdint>
#include <optional>

namespace ashlar {

class TokenBucket {
 public:
  // A new limit for what is in it: a bucket that was never used is full.
  void SetLimit(std::int64_t tokens_per_minute);
  // Takes `tokens`, or returns in how many microseconds there will be as many. Requires: no more
  // than the limit; time never goes back.
  std::optional<std::int64_t> Take(std::int64_t tokens, std::int64_t now_micros);
  void GiveBack(std::int64_t tokens);

 private:
  void Refill(std::int64_t now_micros);

  std::int64_t limit_ = 0;
  double level_ = 0;  // tokens
  std::int64_t refilled_micros_ = 0;
};

}  // namespace ashlar
