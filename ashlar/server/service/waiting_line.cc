#include "ashlar/server/service/waiting_line.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "ashlar/base/check.h"

namespace ashlar::internal {

std::int64_t WaitingLine::Of(std::string_view tenant) const {
  const auto found = answers_.find(tenant);
  return found == answers_.end() ? 0 : found->second;
}

// Of one that has something in the line.
std::int64_t WaitingLine::Part() const {
  return places_ / static_cast<std::int64_t>(answers_.size());
}

std::optional<std::string> WaitingLine::Join(std::string_view tenant, std::int64_t answers,
                                             std::int64_t now_micros) {
  const std::int64_t own = Of(tenant);
  if (own > 0 && own + answers > Part()) {
    return fmt::format("{} answers of {} wait to be begun, and {} may, of {} for all who wait", own,
                       tenant.empty() ? "those who ask" : tenant, Part(), places_);
  }
  JoinMore(tenant, answers, now_micros);
  return std::nullopt;
}

void WaitingLine::JoinMore(std::string_view tenant, std::int64_t answers, std::int64_t now_micros) {
  if (size_ == 0) {
    moved_micros_ = now_micros;
  }
  if (const auto found = answers_.find(tenant); found != answers_.end()) {
    found->second += answers;
  } else {
    answers_.emplace(tenant, answers);
  }
  size_ += answers;
}

void WaitingLine::Begin(std::string_view tenant, std::int64_t now_micros) {
  // Of so many of the last ones it is about the mean.
  constexpr double kOf = 16;
  const auto micros = static_cast<double>(now_micros - moved_micros_);
  micros_each_ += micros_each_ == 0 ? micros : (micros - micros_each_) / kOf;
  moved_micros_ = now_micros;
  Leave(tenant, 1);
}

void WaitingLine::Leave(std::string_view tenant, std::int64_t answers) {
  if (answers == 0) {
    return;
  }
  const auto found = answers_.find(tenant);
  CHECK(found != answers_.end() && found->second >= answers);
  found->second -= answers;
  size_ -= answers;
  if (found->second == 0) {
    answers_.erase(found);
  }
}

std::int64_t WaitingLine::RetrySeconds(std::string_view tenant, std::int64_t now_micros) const {
  constexpr double kLeast = 1;
  constexpr double kMost = 60;
  if (Of(tenant) == 0) {
    return static_cast<std::int64_t>(kLeast);
  }
  const auto ahead = static_cast<double>(std::max<std::int64_t>(1, Of(tenant) + 1 - Part()));
  // Where nothing has moved for longer than usual, that is the pace.
  const double each = std::max(micros_each_, static_cast<double>(now_micros - moved_micros_));
  const double seconds = ahead * each * static_cast<double>(answers_.size()) * 1e-6;
  return static_cast<std::int64_t>(std::clamp(std::ceil(seconds), kLeast, kMost));
}

}  // namespace ashlar::internal
