// Tenants knows who asks by their key, and holds each to its limits. Thread-safe.
//
//   const auto tenant = tenants.Find(BearerKey(request.headers));   // null: 401
//   auto admitted = tenants.Admit(*tenant);
//   if (!admitted.ok()) ...429, with admitted.refusal.retry_after_seconds
//   ...the request is read...
//   if (auto refusal = tenants.Charge(*tenant, most_tokens, admitted.admission)) ...429
//   ...
//   admitted.admission.Settle(prompt_tokens + completion_tokens);
//
// Limits are of a tenant, not of a key: they outlast a reload and a change of keys.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/base/file_version.h"
#include "ashlar/server/http/http.h"
#include "ashlar/server/tenants/keys_file.h"
#include "ashlar/server/tenants/tenant.h"
#include "ashlar/server/tenants/token_bucket.h"

namespace ashlar {

// The key in "Authorization: Bearer KEY"; empty when there is none.
std::string_view BearerKey(const HttpHeaders& headers);

class Tenants;

// A tenant's room for one request: a place among its concurrent requests, and tokens once they are
// known. It is given back when the handle goes.
class Admission {
 public:
  Admission() = default;  // of nothing
  Admission(Admission&& other) noexcept;
  Admission& operator=(Admission&& other) noexcept;
  ~Admission();

  // The request is over and has used so many tokens: what is left of those taken is given back, and
  // what was used beyond them is owed. Without this, all that were taken count as used.
  void Settle(std::int64_t used_tokens);

 private:
  friend class Tenants;
  struct Use;
  explicit Admission(std::shared_ptr<Use> use) : use_(std::move(use)) {}
  void GiveUp();

  std::shared_ptr<Use> use_;
  std::optional<std::int64_t> tokens_;  // taken; none: no limit holds what it uses
};

// Why a request must wait: 429, with this as Retry-After.
struct AdmissionRefusal {
  std::string message;
  std::int64_t retry_after_seconds = 1;
};

struct AdmissionResult {
  Admission admission;
  std::optional<AdmissionRefusal> refusal;
  bool ok() const { return !refusal; }
};

class Tenants {
 public:
  // Everybody, with a key or without one, is `anonymous`.
  Tenants(Tenant anonymous, const Clock& clock);
  // Those of a file (keys_file.h), TOML or JSON. `clock` must outlive it.
  static Result<std::unique_ptr<Tenants>> Open(const Path& keys_file, const Clock& clock);

  // Whether anybody is told from anybody else.
  bool has_keys() const { return !file_.empty(); }
  // Whether there is but one now.
  bool has_one() const;

  // Null: no tenant has this key. Takes as long whatever is wrong with the key.
  std::shared_ptr<const Tenant> Find(std::string_view key) const;

  // A place for a request, before anything costly is done for it.
  AdmissionResult Admit(const Tenant& tenant);
  // Takes the tokens that the request comes to at most, once; or says why it must wait. A request
  // that is larger than the limit of a whole minute takes a whole minute's. Requires: a place.
  std::optional<AdmissionRefusal> Charge(const Tenant& tenant, std::int64_t tokens,
                                         Admission& admission);

  // Reads the file again when it has changed since; true when it had. On an error the tenants are
  // as before, and the next call is silent until the file changes again. To be called every second
  // or so. Keys that are gone from the file stop at once; requests that run go on.
  Result<bool> ReloadIfChanged();

  std::vector<std::shared_ptr<const Tenant>> all() const;  // in the file's order

 private:
  struct Key {
    KeyDigest digest;
    std::shared_ptr<const Tenant> tenant;
  };

  explicit Tenants(const Clock& clock) : clock_(&clock) {}
  Status Load();

  const Clock* const clock_;
  Path file_;            // empty: anonymous
  FileVersion version_;  // confined to the caller of ReloadIfChanged

  mutable std::mutex mutex_;
  std::vector<Key> keys_;
  std::vector<std::shared_ptr<const Tenant>> tenants_;
  std::map<std::string, std::shared_ptr<Admission::Use>> uses_;  // by name
};

}  // namespace ashlar
