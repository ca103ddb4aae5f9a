#include "ashlar/server/service/service.h"

#include <utility>

#include "ashlar/server/service/service_state.h"

namespace ashlar {

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::Start(BlobStore& store, const ServiceOptions& options,
                                                ServiceObserver observer) {
  ASHLAR_TRY(options.engine.Check());
  constexpr double kLongest = 1e9;
  if (!(options.keep_alive_seconds <= kLongest)) {  // a NaN too
    return Invalid("keep_alive_seconds must be at most {}, not {}", kLongest,
                   options.keep_alive_seconds);
  }
  if (options.max_waiting < 1) {
    return Invalid("max_waiting must be at least 1, not {}", options.max_waiting);
  }
  return std::unique_ptr<Service>(
      new Service(std::make_unique<State>(store, options, std::move(observer))));
}

std::string PlanName(std::uint64_t plan) {
  return fmt::format("{:016x}", plan);
}

NetworkCards& Service::cards() {
  return state_->cards;
}
const ServiceOptions& Service::options() const {
  return state_->options;
}
std::int64_t Service::ContextOf(const NetworkCard& network) const {
  return state_->ContextOf(network);
}
Result<GenerationId> Service::Submit(Generation generation, GenerationListener listener) {
  return state_->Submit(std::move(generation), std::move(listener));
}
std::int64_t Service::RetrySeconds(std::string_view tenant) const {
  return state_->RetrySeconds(tenant);
}
void Service::Cancel(GenerationId id) {
  state_->Cancel(id);
}
Status Service::Load(const std::shared_ptr<const NetworkCard>& network) {
  return state_->Load(network);
}
Status Service::Pin(const std::shared_ptr<const NetworkCard>& network, bool pinned) {
  return state_->Pin(network, pinned);
}
Status Service::Unload(std::string_view name) {
  return state_->Unload(name);
}
Result<PrefixStatus> Service::PinPrefix(Generation generation) {
  return state_->PinPrefix(std::move(generation));
}
Status Service::UnpinPrefix(PrefixId prefix) {
  return state_->UnpinPrefix(prefix);
}
std::vector<PrefixStatus> Service::PinnedPrefixes() {
  return state_->PinnedPrefixes();
}
Result<Session> Service::SaveSession(Generation generation) {
  return state_->SaveSession(std::move(generation));
}
Result<std::int64_t> Service::RestoreSession(const std::shared_ptr<const NetworkCard>& network,
                                             const Session& session,
                                             const std::string& cache_scope) {
  return state_->RestoreSession(network, session, cache_scope);
}
Result<ServiceStatus> Service::SetBudget(std::uint64_t bytes) {
  return state_->SetBudget(bytes);
}
ServiceStatus Service::status() const {
  return state_->status();
}
bool Service::draining() const {
  return state_->draining;
}
bool Service::Drain(double seconds) {
  return state_->Drain(seconds);
}

}  // namespace ashlar
