// FairShare counts the tokens that each tenant has had, so that the engine can serve the one first
// that has had least: virtual token counters (Sheng et al., "Fairness in Serving Large Language
// Models", 2024, Algorithm 2).
//
// A tenant that comes back after a pause begins where the least of those begins that are there:
// nobody saves up for later. Confined.
#pragma once

#include <cstdint>
#include <map>

namespace ashlar::internal {

// What a token costs: one that was generated takes a pass over all weights for itself.
inline constexpr std::uint64_t kPromptTokenCost = 1;
inline constexpr std::uint64_t kGeneratedTokenCost = 2;

class FairShare {
 public:
  // A request of the tenant has come, or has ended. Requires for Leave: an Enter before it.
  void Enter(std::uint32_t tenant);
  void Leave(std::uint32_t tenant);
  void Charge(std::uint32_t tenant, std::uint64_t cost);
  // What the tenant has had. Requires: Enter.
  std::uint64_t Had(std::uint32_t tenant) const;
  // How many tenants are remembered: those that are there, and those that left with more than the
  // least of these.
  std::size_t size() const { return tenants_.size(); }

 private:
  struct Tenant {
    std::int64_t requests = 0;
    std::uint64_t had = 0;
  };
  // The least that one with requests has had; the largest number without any.
  std::uint64_t Least() const;

  std::map<std::uint32_t, Tenant> tenants_;
};

}  // namespace ashlar::internal
