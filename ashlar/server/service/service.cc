#include "ashlar/server/service/service.h"

#include <utility>

#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/service/service_state.h"

namespace ashlar {

namespace {

constexpr std::int64_t kLeastPositions = 2;  // a token of a prompt, and one of an answer

// Whether one of the store's networks can answer at all. An error names the one that needs least.
Status CheckRoomForOne(BlobStore& store, const ServiceOptions& options) {
  const Catalog catalog(store, AllKinds());
  ASHLAR_TRY(const std::vector<std::string> names, catalog.Names());
  std::uint64_t least = 0;
  std::string_view smallest;
  for (const std::string& name : names) {
    const Result<Network> network = catalog.Load(name);
    if (!network.ok()) {  // whoever asks for it is told
      continue;
    }
    const auto own = options.kv_formats.find(name);
    const std::uint64_t bytes =
        SequencePageBytes(*network, kLeastPositions,
                          own == options.kv_formats.end() ? options.engine.kv_format : own->second);
    if (bytes <= options.engine.page_bytes) {
      return {};
    }
    if (smallest.empty() || bytes < least) {
      least = bytes;
      smallest = name;
    }
  }
  if (smallest.empty()) {
    return {};
  }
  return Invalid(
      "page_bytes (--pages) of {} hold not one short sequence of any network of the store; of "
      "\"{}\", which needs least, {}",
      FormatBytes(options.engine.page_bytes), smallest, FormatBytes(least));
}

}  // namespace

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
  if (options.engine.max_positions < kLeastPositions) {
    return Invalid(
        "max_positions (--context) must be at least {}, a token of a prompt and one of "
        "an answer, not {}",
        kLeastPositions, options.engine.max_positions);
  }
  ASHLAR_TRY(CheckRoomForOne(store, options));
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
std::int64_t Service::RoomFor(const NetworkCard& network) const {
  return state_->RoomFor(network);
}
Result<std::unique_ptr<BegunRequest>> Service::BeginRequest() {
  return state_->BeginRequest();
}
Result<GenerationId> Service::Submit(Generation generation, GenerationListener listener,
                                     BegunRequest* request) {
  return state_->Submit(std::move(generation), std::move(listener), request);
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
Status Service::Pin(const std::shared_ptr<const NetworkCard>& network) {
  return state_->Pin(network);
}
Status Service::Unpin(std::string_view name) {
  return state_->Unpin(name);
}
Status Service::Unload(std::string_view name) {
  return state_->Unload(name);
}
Result<PrefixStatus> Service::PinPrefix(Generation generation, PromptOf prompt_of) {
  return state_->PinPrefix(std::move(generation), std::move(prompt_of));
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
void Service::UseSpare(std::shared_ptr<SpareMemory> spare) {
  state_->UseSpare(std::move(spare));
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
