// A WaitingLine is what waits to be begun: who may still join it, and when those who may not should
// come again.
//
// Whoever has nothing in it always joins. Whoever has something joins while that is no more than
// their part: the places, divided evenly among all who have something in it. So one who is alone
// may take every place, and takes none from another; and N places hold at most N (1 + 1/2 + ... +
// 1/k) answers of k tenants, one request more of each, and what requests that have joined ask for
// besides. Its owner brings the time and the lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ashlar::internal {

class WaitingLine {
 public:
  explicit WaitingLine(std::int64_t places) : places_(places) {}

  // Puts answers of a tenant into the line; or says why not, and changes nothing.
  std::optional<std::string> Join(std::string_view tenant, std::int64_t answers,
                                  std::int64_t now_micros);
  // More answers of a request that joined before: never refused.
  void JoinMore(std::string_view tenant, std::int64_t answers, std::int64_t now_micros);
  // One of a tenant's answers was begun.
  void Begin(std::string_view tenant, std::int64_t now_micros);
  // So many were not, and will not be.
  void Leave(std::string_view tenant, std::int64_t answers);

  std::int64_t size() const { return size_; }  // answers

  // After how long a tenant that was refused should come again, 1 to 60: when so many of its
  // answers will have been begun that one more has a place, if it has its part of the pace of late.
  std::int64_t RetrySeconds(std::string_view tenant, std::int64_t now_micros) const;

 private:
  std::int64_t Of(std::string_view tenant) const;
  std::int64_t Part() const;  // of each. Requires: some have something in the line

  const std::int64_t places_;
  std::map<std::string, std::int64_t, std::less<>> answers_;  // of tenants that have some
  std::int64_t size_ = 0;
  std::int64_t moved_micros_ = 0;  // when one was begun, or the first came
  double micros_each_ = 0;         // between two that are begun, of late
};

}  // namespace ashlar::internal
