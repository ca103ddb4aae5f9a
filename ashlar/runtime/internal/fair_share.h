// FairShare counts the tokens that each tenant has had, so that the engine can serve the one first
// that has had least: virtual token counters (Sheng et al., "Fairness in Serving Large Language
// Models", 2024, Algorithm 2).
//
// A tenant that had nothing waiting begins where the least of those is that have, or, where nobody
// has, where the one is that had last: nobody saves up for later. Confined.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace ashlar::internal {

// What a token costs: one that was generated takes a pass over all weights for itself.
inline constexpr std::uint64_t kPromptTokenCost = 1;
inline constexpr std::uint64_t kGeneratedTokenCost = 2;

class FairShare {
 public:
  // A request of the tenant has come and waits; it is admitted, and ends; or it ends before that.
  void Enter(std::uint32_t tenant);
  void Admit(std::uint32_t tenant);
  void Leave(std::uint32_t tenant);
  void Withdraw(std::uint32_t tenant);
  void Charge(std::uint32_t tenant, std::uint64_t cost);
  // What the tenant has had. Requires: Enter.
  std::uint64_t Had(std::uint32_t tenant) const;
  // How many tenants are remembered: those that are there, and those that left with more than
  // where a new one would begin.
  std::size_t size() const { return tenants_.size(); }

 private:
  struct Tenant {
    std::int64_t waiting = 0;
    std::int64_t admitted = 0;
    std::uint64_t had = 0;
  };
  // Where one that had nothing waiting begins.
  std::uint64_t Floor() const;
  void StopWaiting(std::uint32_t tenant);
  void Forget();

  std::map<std::uint32_t, Tenant> tenants_;
  std::optional<std::uint32_t> last_;  // that had something waiting; it is remembered
};

}  // namespace ashlar::internal
