// The keys file says who the tenants are. It holds no key: only what SHA-256 makes of each, which
// is of no use to whoever reads the file. (A fast digest is enough here, since keys are not chosen
// by people: they are 256 random bits.)
//
//   [[tenant]]
//   name = "alice"
//   keys = ["sha256:9f86d0..."]      # of `ashlar keys new`; several while one replaces another
//   networks = ["lab*"]              # globs; default ["*"]
//   concurrent_requests = 8          # default: no limit, as for the two that follow
//   tokens_per_minute = 60000
//   context_length = 4096
//   priority = 1                     # default 0
//   share_prefix_cache = true        # default false
//   reuse_any_precision = true       # default false
//   admin = true                     # default false
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/server/tenants/tenant.h"

namespace ashlar {

using KeyDigest = std::array<unsigned char, 32>;
KeyDigest DigestOfKey(std::string_view key);
std::string KeyDigestText(const KeyDigest& digest);  // "sha256:9f86d0..."

// A new key: "ash-" and 64 hex digits of the system's randomness.
std::string NewKey();

struct KeyedTenant {
  Tenant tenant;
  std::vector<KeyDigest> keys;
};

// kInvalid, with the path inside: an unknown member, a value out of range, two tenants of one name,
// one key for two tenants, more than 1,000 tenants or 16 keys of one.
Result<std::vector<KeyedTenant>> ParseKeys(const Json& settings);

}  // namespace ashlar
