#include "ashlar/server/tenants/tenants.h"

#include <algorithm>

#include <openssl/crypto.h>

#include "ashlar/base/check.h"
#include "ashlar/server/config/toml.h"

namespace ashlar {

struct Admission::Use {
  std::mutex mutex;
  std::int64_t running = 0;
  TokenBucket tokens;
};

Admission::Admission(Admission&& other) noexcept
    : use_(std::exchange(other.use_, nullptr)),
      tokens_(std::exchange(other.tokens_, std::nullopt)) {}

Admission& Admission::operator=(Admission&& other) noexcept {
  if (this != &other) {
    GiveUp();
    use_ = std::exchange(other.use_, nullptr);
    tokens_ = std::exchange(other.tokens_, std::nullopt);
  }
  return *this;
}

Admission::~Admission() {
  GiveUp();
}

void Admission::GiveUp() {
  if (use_ != nullptr) {
    const std::lock_guard lock(use_->mutex);
    --use_->running;
  }
  use_.reset();
  tokens_.reset();
}

void Admission::Settle(std::int64_t used_tokens) {
  if (tokens_) {
    const std::lock_guard lock(use_->mutex);
    use_->tokens.GiveBack(*std::exchange(tokens_, used_tokens) - used_tokens);
  }
}

std::string_view BearerKey(const HttpHeaders& headers) {
  const std::string* value = headers.Find("Authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (value == nullptr || value->size() <= kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end(), value->begin(),
                  [](char a, char b) { return a == ' ' ? b == ' ' : a == (b | 0x20); })) {
    return {};
  }
  const std::string_view key = std::string_view(*value).substr(kScheme.size());
  return key.substr(std::min(key.find_first_not_of(' '), key.size()));
}

Tenants::Tenants(Tenant anonymous, const Clock& clock) : clock_(&clock) {
  tenants_.push_back(std::make_shared<const Tenant>(std::move(anonymous)));
}

Result<std::unique_ptr<Tenants>> Tenants::Open(const Path& keys_file, const Clock& clock) {
  std::unique_ptr<Tenants> tenants(new Tenants(clock));
  tenants->file_ = keys_file;
  tenants->version_ = VersionOf(keys_file);
  ASHLAR_TRY(tenants->Load());
  return tenants;
}

std::shared_ptr<const Tenant> Tenants::Find(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  if (file_.empty()) {
    return tenants_.front();
  }
  const KeyDigest digest = DigestOfKey(key);
  const Key* found = nullptr;
  for (const Key& known : keys_) {  // all of them, whichever it is
    if (CRYPTO_memcmp(known.digest.data(), digest.data(), digest.size()) == 0) {
      found = &known;
    }
  }
  return found == nullptr ? nullptr : found->tenant;
}

AdmissionResult Tenants::Admit(const Tenant& tenant) {
  std::shared_ptr<Admission::Use> use;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Admission::Use>& known = uses_[tenant.name];
    if (known == nullptr) {
      known = std::make_shared<Admission::Use>();
    }
    use = known;
  }
  const std::int64_t most = tenant.limits.concurrent_requests;
  const std::lock_guard lock(use->mutex);
  if (most > 0 && use->running >= most) {
    return {.refusal = AdmissionRefusal{
                .message = fmt::format("{} requests of {} are running, which is its limit",
                                       use->running, tenant.name)}};
  }
  ++use->running;
  return {.admission = Admission(use)};
}

std::optional<AdmissionRefusal> Tenants::Charge(const Tenant& tenant, std::int64_t tokens,
                                                Admission& admission) {
  CHECK(admission.use_ != nullptr && !admission.tokens_);
  Admission::Use& use = *admission.use_;
  const std::int64_t limit = tenant.limits.tokens_per_minute;
  const std::lock_guard lock(use.mutex);
  if (limit == 0) {
    use.tokens = TokenBucket();  // a limit that comes later begins full, whatever was used before
    return std::nullopt;
  }
  tokens = std::clamp<std::int64_t>(tokens, 0, limit);
  use.tokens.SetLimit(limit);
  if (const auto micros = tokens > 0 ? use.tokens.Take(tokens, clock_->NowMicros())
                                     : std::optional<std::int64_t>()) {
    return AdmissionRefusal{
        .message = fmt::format("{} may use {} tokens in a minute; there is room for the {} that "
                               "this request may use in {:.1f} s",
                               tenant.name, limit, tokens, static_cast<double>(*micros) / 1e6),
        .retry_after_seconds = (*micros + 999'999) / 1'000'000};
  }
  admission.tokens_ = tokens;
  return std::nullopt;
}

Result<bool> Tenants::ReloadIfChanged() {
  if (file_.empty()) {
    return false;
  }
  const FileVersion now = VersionOf(file_);
  if (now == version_) {
    return false;
  }
  version_ = now;
  ASHLAR_TRY(Load());
  return true;
}

bool Tenants::has_one() const {
  const std::lock_guard lock(mutex_);
  return tenants_.size() == 1;
}

std::vector<std::shared_ptr<const Tenant>> Tenants::all() const {
  const std::lock_guard lock(mutex_);
  return tenants_;
}

Status Tenants::Load() {
  ASHLAR_TRY(const Json settings, ReadSettingsFile(file_));
  Result<std::vector<KeyedTenant>> parsed = ParseKeys(settings);
  if (!parsed.ok()) {
    return parsed.error().In(file_.string());
  }
  std::vector<Key> keys;
  std::vector<std::shared_ptr<const Tenant>> tenants;
  for (KeyedTenant& keyed : *parsed) {
    tenants.push_back(std::make_shared<const Tenant>(std::move(keyed.tenant)));
    for (const KeyDigest& digest : keyed.keys) {
      keys.push_back({.digest = digest, .tenant = tenants.back()});
    }
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  tenants_ = std::move(tenants);
  std::erase_if(uses_, [&](const auto& use) {  // of those who are gone
    return use.second.use_count() == 1 && std::ranges::none_of(tenants_, [&](const auto& tenant) {
             return tenant->name == use.first;
           });
  });
  return {};
}

}  // namespace ashlar
