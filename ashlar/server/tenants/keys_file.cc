#include "ashlar/server/tenants/keys_file.h"

#include <algorithm>
#include <set>

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "ashlar/base/ascii.h"
#include "ashlar/base/json_cursor.h"

namespace ashlar {
namespace {

constexpr std::size_t kMaxTenants = 1'000;
constexpr std::size_t kMaxKeysOfTenant = 16;
constexpr std::size_t kMaxGlobsOfTenant = 1'000;
constexpr std::int64_t kMaxLimit = std::int64_t{1} << 40;
constexpr std::string_view kDigestPrefix = "sha256:";

std::string HexOf(std::span<const unsigned char> bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += fmt::format("{:02x}", byte);
  }
  return hex;
}

Result<KeyDigest> ParseKeyDigest(const JsonCursor& at) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  ASHLAR_TRY(const std::string text, at.AsString());
  KeyDigest digest{};
  const std::string_view hex =
      std::string_view(text).substr(std::min(kDigestPrefix.size(), text.size()));
  if (!text.starts_with(kDigestPrefix) || hex.size() != 2 * digest.size() ||
      hex.find_first_not_of(kDigits) != std::string_view::npos) {
    // Not quoted: it may be a key, put here by mistake, and errors go to logs.
    return at.Invalid("expected \"sha256:\" and 64 hex digits, as `ashlar keys new` prints");
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] =
        static_cast<unsigned char>(kDigits.find(hex[2 * i]) * 16 + kDigits.find(hex[2 * i + 1]));
  }
  return digest;
}

Result<std::string> ParseName(const JsonCursor& at) {
  ASHLAR_TRY(const std::string name, at.String("name"));
  const bool good = std::ranges::all_of(
      name, [](char c) { return IsAsciiLetterOrDigit(c) || c == '.' || c == '_' || c == '-'; });
  if (name.empty() || name.size() > 64 || !good) {
    return at.Invalid("name: expected 1 to 64 of [A-Za-z0-9._-], found {}", QuoteForError(name));
  }
  return name;
}

Result<KeyedTenant> ParseTenant(const JsonCursor& at) {
  ASHLAR_TRY(at.AllowOnly({"name", "keys", "networks", "concurrent_requests", "tokens_per_minute",
                           "context_length", "priority", "share_prefix_cache",
                           "reuse_any_precision", "admin"}));
  KeyedTenant keyed;
  Tenant& tenant = keyed.tenant;
  ASHLAR_TRY(tenant.name, ParseName(at));
  ASHLAR_TRY(const JsonCursor keys, at.At("keys"));
  ASHLAR_TRY(const auto key_list, keys.AsArray(kMaxKeysOfTenant));
  for (const JsonCursor& key : key_list) {
    ASHLAR_TRY(KeyDigest digest, ParseKeyDigest(key));
    keyed.keys.push_back(digest);
  }
  ASHLAR_TRY(const auto networks, at.Find("networks"));
  if (networks) {
    tenant.networks.clear();
    ASHLAR_TRY(const auto globs, networks->AsArray(kMaxGlobsOfTenant));
    for (const JsonCursor& glob : globs) {
      ASHLAR_TRY(std::string text, glob.AsString());
      tenant.networks.push_back(std::move(text));
    }
  }
  TenantLimits& limits = tenant.limits;
  ASHLAR_TRY(limits.concurrent_requests, at.IntegerOr("concurrent_requests", 1, kMaxLimit, 0));
  ASHLAR_TRY(limits.tokens_per_minute, at.IntegerOr("tokens_per_minute", 1, kMaxLimit, 0));
  ASHLAR_TRY(limits.context_length, at.IntegerOr("context_length", 1, kMaxLimit, 0));
  ASHLAR_TRY(const std::int64_t priority, at.IntegerOr("priority", -100, 100, 0));
  tenant.priority = static_cast<int>(priority);
  ASHLAR_TRY(tenant.share_prefix_cache, at.BoolOr("share_prefix_cache", false));
  ASHLAR_TRY(tenant.reuse_any_precision, at.BoolOr("reuse_any_precision", false));
  ASHLAR_TRY(tenant.admin, at.BoolOr("admin", false));
  return keyed;
}

}  // namespace

KeyDigest DigestOfKey(std::string_view key) {
  KeyDigest digest;
  ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

std::string KeyDigestText(const KeyDigest& digest) {
  return std::string(kDigestPrefix) + HexOf(digest);
}

std::string NewKey() {
  std::array<unsigned char, 32> bytes;
  CHECK_EQ(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())), 1);
  return "ash-" + HexOf(bytes);
}

Result<std::vector<KeyedTenant>> ParseKeys(const Json& settings) {
  const JsonCursor root(settings);
  ASHLAR_TRY(root.AllowOnly({"tenant"}));
  ASHLAR_TRY(const JsonCursor list, root.At("tenant"));
  ASHLAR_TRY(const auto tenants, list.AsArray(kMaxTenants));
  std::vector<KeyedTenant> parsed;
  std::set<std::string> names;
  std::set<KeyDigest> keys;
  for (const JsonCursor& tenant : tenants) {
    ASHLAR_TRY(KeyedTenant keyed, ParseTenant(tenant));
    if (!names.insert(keyed.tenant.name).second) {
      return tenant.Invalid("there is another tenant \"{}\"", keyed.tenant.name);
    }
    for (const KeyDigest& key : keyed.keys) {
      if (!keys.insert(key).second) {
        return tenant.Invalid("one of its keys stands in this file before");
      }
    }
    parsed.push_back(std::move(keyed));
  }
  return parsed;
}

}  // namespace ashlar
