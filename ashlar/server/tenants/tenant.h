// A Tenant is somebody who asks: what they may ask for, and how much of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar {

struct TenantLimits {
  std::int64_t concurrent_requests = 0;  // at once; 0: no limit
  std::int64_t tokens_per_minute = 0;    // of prompts and of answers; 0: no limit
  std::int64_t context_length = 0;       // tokens of one prompt and its answer; 0: the network's
};

// Immutable: a change of the keys file makes new ones.
struct Tenant {
  std::string name = "default";               // a label of metrics: [A-Za-z0-9._-], 64 at most
  std::vector<std::string> networks = {"*"};  // globs of names that it may use
  TenantLimits limits;
  int priority = 0;  // higher goes first; -100 to 100
  // Its cached prefixes may serve other tenants that say so too. Otherwise nobody learns from a
  // quick answer that a prompt like theirs was asked before.
  bool share_prefix_cache = false;
  // Its cached prefixes serve it after its network was resized too, and its answers may then be
  // computed over what another precision has made.
  bool reuse_any_precision = false;
  bool admin = false;  // may load and derive networks, drain, and read what all tenants do

  bool MayUse(std::string_view network) const;
  // Whose cached prefixes its requests find: its own, or "*", of all who share theirs.
  std::string cache_scope() const { return share_prefix_cache ? "*" : name; }
};

// Whether `text` is as `glob` says: '*' is any number of characters, '?' is one.
bool MatchesGlob(std::string_view glob, std::string_view text);

}  // namespace ashlar
