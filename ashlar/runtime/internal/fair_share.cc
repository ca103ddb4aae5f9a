#include "ashlar/runtime/internal/fair_share.h"

#include <algorithm>
#include <limits>

#include "ashlar/base/check.h"

namespace ashlar::internal {

std::uint64_t FairShare::Floor() const {
  constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t least = kNobody;
  for (const auto& [number, tenant] : tenants_) {
    if (tenant.waiting > 0) {
      least = std::min(least, tenant.had);
    }
  }
  return least != kNobody ? least : last_ ? tenants_.at(*last_).had : 0;
}

void FairShare::Enter(std::uint32_t tenant) {
  const std::uint64_t floor = Floor();
  Tenant& entering = tenants_[tenant];
  if (entering.waiting == 0) {
    entering.had = std::max(entering.had, floor);
  }
  ++entering.waiting;
}

void FairShare::StopWaiting(std::uint32_t tenant) {
  Tenant& stopping = tenants_.at(tenant);
  CHECK(stopping.waiting > 0);
  if (--stopping.waiting == 0) {
    last_ = tenant;
  }
}

void FairShare::Admit(std::uint32_t tenant) {
  StopWaiting(tenant);
  ++tenants_.at(tenant).admitted;
}

void FairShare::Leave(std::uint32_t tenant) {
  Tenant& leaving = tenants_.at(tenant);
  CHECK(leaving.admitted > 0);
  --leaving.admitted;
  Forget();
}

void FairShare::Withdraw(std::uint32_t tenant) {
  StopWaiting(tenant);
  Forget();
}

// Who would begin anew where all begin needs no memory; and nobody owes anything to nobody.
void FairShare::Forget() {
  const auto gone = [](const auto& entry) {
    return entry.second.waiting == 0 && entry.second.admitted == 0;
  };
  if (std::ranges::all_of(tenants_, gone)) {
    tenants_.clear();
    last_.reset();
    return;
  }
  std::erase_if(tenants_, [&, floor = Floor()](const auto& entry) {
    return gone(entry) && entry.second.had <= floor && entry.first != last_;
  });
}

void FairShare::Charge(std::uint32_t tenant, std::uint64_t cost) {
  tenants_.at(tenant).had += cost;
}

std::uint64_t FairShare::Had(std::uint32_t tenant) const {
  return tenants_.at(tenant).had;
}

}  // namespace ashlar::internal
