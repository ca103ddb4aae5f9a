#include "ashlar/runtime/internal/fair_share.h"

#include <algorithm>
#include <limits>

#include "ashlar/base/check.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

}  // namespace

std::uint64_t FairShare::Least() const {
  std::uint64_t least = kNobody;
  for (const auto& [number, tenant] : tenants_) {
    if (tenant.requests > 0) {
      least = std::min(least, tenant.had);
    }
  }
  return least;
}

void FairShare::Enter(std::uint32_t tenant) {
  const std::uint64_t least = Least();
  Tenant& entering = tenants_[tenant];
  if (entering.requests == 0 && least != kNobody) {
    entering.had = std::max(entering.had, least);
  }
  ++entering.requests;
}

void FairShare::Leave(std::uint32_t tenant) {
  const auto leaving = tenants_.find(tenant);
  CHECK(leaving != tenants_.end() && leaving->second.requests > 0);
  --leaving->second.requests;
  // Who would begin anew where the least begins needs no memory.
  std::erase_if(tenants_, [least = Least()](const auto& entry) {
    return entry.second.requests == 0 && entry.second.had <= least;
  });
}

void FairShare::Charge(std::uint32_t tenant, std::uint64_t cost) {
  tenants_.at(tenant).had += cost;
}

std::uint64_t FairShare::Had(std::uint32_t tenant) const {
  return tenants_.at(tenant).had;
}

}  // namespace ashlar::internal
