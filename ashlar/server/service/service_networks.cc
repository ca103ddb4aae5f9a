#include <algorithm>

#include <malloc.h>

#include "ashlar/base/check.h"
#include "ashlar/graph/blob_parts.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/service/service_state.h"
#include "ashlar/server/service/thrown.h"
#include "ashlar/server/service/weight_reader.h"

namespace ashlar {

using internal::ResidencyAction;
using internal::ResidencyDecision;
using internal::ResidencyView;

namespace {

// A network that could not be loaded is not read again for so long.
constexpr std::int64_t kFailureMicros = 2'000'000;
constexpr std::int64_t kForgetMicros = 60'000'000;  // and forgotten after

}  // namespace

Service::State::Resident& Service::State::ResidentFor(
    const std::shared_ptr<const NetworkCard>& card) {
  MovePrefixes(card);
  Resident& resident = residents_[KeyOf(*card)];
  if (resident.card == nullptr) {
    resident.card = card;
  }
  resident.names.insert(card->name);
  return resident;
}

void Service::State::Want(Resident& resident, Waiter waiter) {
  // Reading a broken network again for each request would keep the others waiting.
  if (resident.state == Residency::kFailed && Now() - resident.failed_at < kFailureMicros) {
    waiter.tell(*resident.failure);
    return;
  }
  if (resident.waiters.empty()) {
    resident.wanted_since = Now();
  }
  resident.waiters.push_back(std::move(waiter));
  residents_changed_ = true;
}

void Service::State::TellWaiters(Resident& resident, const Status& status) {
  for (const Waiter& waiter : std::exchange(resident.waiters, {})) {
    waiter.tell(status);
  }
  residents_changed_ = true;
}

void Service::State::ManageResidency() {
  const std::int64_t now = Now();
  if (!residents_changed_ && now - looked_at_ < kLookMicros) {
    return;
  }
  looked_at_ = now;
  std::erase_if(residents_, [&](const auto& entry) {  // of which nothing is left to know
    const Resident& resident = entry.second;
    return resident.users == 0 && resident.waiters.empty() && !resident.pinned &&
           (resident.state == Residency::kAbsent ||
            (resident.state == Residency::kFailed && now - resident.failed_at > kForgetMicros));
  });
  while (true) {
    residents_changed_ = false;
    std::vector<Resident*> residents;
    std::vector<ResidencyView> views;
    for (auto& [key, resident] : residents_) {
      residents.push_back(&resident);
      views.push_back({.resident = resident.state == Residency::kLoaded ||
                                   resident.state == Residency::kLoading,
                       .loading = resident.state == Residency::kLoading,
                       .pinned = resident.pinned,
                       .users = resident.users,
                       .waiting = std::ssize(resident.waiters),
                       .last_used = resident.last_used,
                       .wanted_since = resident.wanted_since});
    }
    const auto weight_bytes = [&](std::span<const std::size_t> indices) {
      std::vector<const NetworkCard*> cards;
      for (const std::size_t i : indices) {
        cards.push_back(residents[i]->card.get());
      }
      return FloorBytes(cards);
    };
    const ResidencyDecision decision = internal::DecideResidency(
        {.weight_bytes = MostWeights(),
         .keep_alive = options.keep_alive_seconds < 0
                           ? -1
                           : static_cast<std::int64_t>(options.keep_alive_seconds * 1e6)},
        views, now, weight_bytes);
    for (std::size_t i = 0; i < residents.size(); ++i) {
      residents[i]->closed = std::ranges::find(decision.closed, i) != decision.closed.end();
    }
    if (!Apply(decision, residents) && !residents_changed_) {
      break;
    }
  }
}

void Service::State::CountBytes() {
  const auto bytes = [&](const Digest* without) {
    std::vector<const Network*> networks;
    for (const auto& [key, resident] : residents_) {
      if ((without == nullptr || key.digest != *without) &&
          (resident.state == Residency::kLoaded || resident.state == Residency::kLoading)) {
        networks.push_back(&resident.card->network);
      }
    }
    return PredictMemory({.networks = networks, .max_positions = 1}).weight_bytes;
  };
  resident_bytes_ = bytes(nullptr);
  for (auto& [key, resident] : residents_) {
    resident.unique_bytes = resident_bytes_ - bytes(&key.digest);
  }
}

// Of the process's budget, what state and all else leave.
std::uint64_t Service::State::MostWeights() const {
  // (0 would be no limit.)
  return managed() ? std::max<std::uint64_t>(division_.most_weights, 1) : 0;
}

// What is loaded, or to be loaded, is not what it was.
void Service::State::ResidentsMoved() {
  residents_changed_ = true;
  bytes_counted_ = false;
  weights_.reset();
  asked_weights_ = 0;
  memory_changed_ = true;
  StopChange();  // what is being read was to be shared otherwise
}

// Requires: nobody uses it.
void Service::State::UnloadResident(Resident& resident) {
  CHECK(engine_.Unload(resident.id).ok());
  resident.state = Residency::kAbsent;
  ResidentsMoved();
  if (resident.waiters.empty()) {
    residents_.erase(KeyOf(*resident.card));
  }
  DropUnusedParts();
}

bool Service::State::Apply(const ResidencyDecision& decision,
                           std::span<Resident* const> residents) {
  switch (decision.action) {
    case ResidencyAction::kLoad:
      BeginLoading(*residents[decision.index]);
      return true;
    case ResidencyAction::kRefuse: {
      Resident& refused = *residents[decision.index];
      TellWaiters(
          refused,
          Exhausted("network \"{}\" has {} of weights at least, which do not fit beside the "
                    "pinned networks into {}",
                    refused.card->name, FormatBytes(refused.card->floor_bytes),
                    FormatBytes(division_.most_weights)));
      return true;
    }
    case ResidencyAction::kUnload: {
      UnloadResident(*residents[decision.index]);
      return true;
    }
    case ResidencyAction::kNothing:
      break;
  }
  for (Resident* const resident : residents) {
    if (resident->state != Residency::kLoaded) {
      continue;
    }
    if (resident->suspect && resident->users == 0) {
      CHECK(engine_.Unload(resident->id).ok());
      resident->state = Residency::kAbsent;
      resident->suspect = false;
      ResidentsMoved();
      if (resident->pinned) {  // it is there whoever asks, or does not
        Want(*resident, {.generation = {}, .tell = [](const Status&) {}});
      }
    } else if (!resident->closed && !resident->suspect && !resident->waiters.empty()) {
      TellWaiters(*resident, {});
    }
  }
  return false;
}

void Service::State::BeginLoading(Resident& resident) {
  resident.state = Residency::kLoading;
  resident.reading = false;
  resident.read = false;
  resident.failure.reset();
  ResidentsMoved();
  ManageMemory();
  DropUnusedParts();
}

// Networks come when room has been made for them.
void Service::State::ReadNetworks() {
  for (auto& [name, resident] : residents_) {
    if (Shrinking() || PagesLeave() || resident.state != Residency::kLoading || resident.reading) {
      continue;
    }
    resident.reading = true;
    const bool verify = options.engine.verify_blobs && !resident.read;
    loader_.Post([this, key = name, card = resident.card, precision = engine_.precision(), verify] {
      const auto prepare = [&]() -> Result<PreparedNetwork> {
        const Network* const network = &card->network;
        ASHLAR_TRY(
            internal::ReadParts(PartsInUse({&network, 1}, precision), store_, {.verify = verify}));
        return engine_.Prepare(card->network, precision, {.kv_format = card->kv_format});
      };
      // A std::function wants to be copyable.
      Post([this, key,
            prepared = std::make_shared<Result<PreparedNetwork>>(
                internal::OrThrown(prepare))]() mutable { EndLoading(key, std::move(prepared)); });
      // What reading its manifests and its tokenizer took besides. (Here, since it may take long.)
      ::malloc_trim(0);
    });
  }
}

void Service::State::EndLoading(const ResidentKey& key,
                                std::shared_ptr<Result<PreparedNetwork>> prepared) {
  Resident& resident = residents_.at(key);
  resident.reading = false;
  resident.read = prepared->ok();
  if (prepared->ok() && (*prepared)->precision != engine_.precision()) {
    // Less is used by now, and what was bound goes on another thread. It is prepared again.
    resizer_.Post([this, prepared = std::move(prepared), used = used_parts_] {
      const Network* const network = (*prepared)->graph.get();
      DropParts(PartsBeyond(PartsInUse({&network, 1}, (*prepared)->precision), used));
    });
    return;
  }
  const auto load = [&]() -> Result<NetworkId> {
    ASHLAR_TRY(PreparedNetwork whole, std::move(*prepared));
    return engine_.Load(std::move(whole));
  };
  const Result<NetworkId> loaded = load();
  ResidentsMoved();
  resident.last_used = Now();
  if (loaded.ok()) {
    resident.id = *loaded;
    resident.state = Residency::kLoaded;
    TellWaiters(resident, {});
    return;
  }
  resident.state = Residency::kFailed;
  resident.failed_at = Now();
  resident.failure = loaded.error().In(fmt::format("loading \"{}\"", resident.card->name));
  TellWaiters(resident, *resident.failure);
}

}  // namespace ashlar
