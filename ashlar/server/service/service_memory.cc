// What becomes of the memory of the process: how it is divided, and how weights follow; and what
// callers ask of it.
#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include <malloc.h>

#include "ashlar/base/check.h"
#include "ashlar/graph/blob_parts.h"
#include "ashlar/plan/plan.h"
#include "ashlar/plan/stack.h"
#include "ashlar/server/memory/memory_readings.h"
#include "ashlar/server/service/service_state.h"
#include "ashlar/server/service/weight_reader.h"

namespace ashlar {

using internal::DivideMemory;
using internal::MemoryDemand;
using internal::MemoryDivision;

namespace {

constexpr std::int64_t kDivideMicros = 50'000;  // between two divisions that nothing asks for
constexpr std::int64_t kFailedGrowthMicros = 5'000'000;  // before it is tried again
constexpr std::int64_t kFollowMicros = 250'000;  // between two looks at what the system allows
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::uint64_t WeightBytesAt(std::span<const Network* const> networks, const Precision& precision) {
  return PredictMemory({.networks = networks, .max_positions = 1, .precision = precision})
      .weight_bytes;
}

}  // namespace

// ---- What callers ask

std::int64_t Service::State::ContextOf(const NetworkCard& card) const {
  return PositionsWithin(card, options.engine.page_bytes);
}

std::int64_t Service::State::RoomFor(const NetworkCard& card) const {
  std::uint64_t free_bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    free_bytes = free_page_bytes_;
  }
  return PositionsWithin(card, free_bytes);
}

std::int64_t Service::State::PositionsWithin(const NetworkCard& card,
                                             std::uint64_t page_bytes) const {
  const auto fits = [&](std::int64_t positions) {
    return SequencePageBytes(card.network, positions, card.kv_format) <= page_bytes;
  };
  std::int64_t most = card.Context(options.engine.max_positions);
  if (fits(most)) {
    return most;
  }
  std::int64_t fit = 0;  // positions that do; `most` do not
  while (most - fit > 1) {
    const std::int64_t middle = fit + (most - fit) / 2;
    (fits(middle) ? fit : most) = middle;
  }
  return fit;
}

void Service::State::UseSpare(std::shared_ptr<SpareMemory> spare) {
  Post([this, spare = std::move(spare)]() mutable { spare_ = std::move(spare); });
}

Result<ServiceStatus> Service::State::SetBudget(std::uint64_t bytes) {
  ASHLAR_TRY(Ask([this, bytes](std::function<void(Status)> answer) {
    if (options.follow_memory) {
      answer(Conflict("the budget follows what the system allows (--memory auto)"));
      return;
    }
    const std::uint64_t other = Divide(Now()).history.other.bytes;
    if (bytes != 0 && bytes <= other) {
      answer(Invalid("a budget of {} is not more than the {} that the program alone takes",
                     FormatBytes(bytes), FormatBytes(other)));
      return;
    }
    budget_ = {.bytes = bytes};
    divided_ = true;
    memory_changed_ = true;
    engine_.SetPrefaultWorkspace(bytes != 0);
    when_shrunk_.push_back([answer = std::move(answer)] { answer({}); });
    ManageMemory();
  }));
  return status();
}

// ---- The engine's thread

const Service::State::Weights& Service::State::CurrentWeights() {
  if (weights_ == nullptr) {
    std::vector<std::shared_ptr<const NetworkCard>> loaded;
    std::vector<const Network*> networks;
    std::vector<StackNetwork> stacked;
    for (const auto& [key, resident] : residents_) {
      if (resident.state == Residency::kLoaded || resident.state == Residency::kLoading) {
        loaded.push_back(resident.card);
        networks.push_back(&resident.card->network);
        stacked.push_back({.network = networks.back(), .losses = &resident.card->losses});
      }
    }
    Stack stack(stacked);
    const internal::WeightBytes bytes{.floor = WeightBytesAt(networks, stack.First(0).precision),
                                      .all = WeightBytesAt(networks, {})};
    weights_now_ = WeightBytesAt(networks, engine_.precision());
    // Those of networks that came too; those of networks that went are dropped by DropUnusedParts.
    std::vector<Level> parts = PartsInUse(networks, engine_.precision());
    std::ranges::copy(PartsBeyond(used_parts_, parts), std::back_inserter(parts));
    std::ranges::sort(parts);
    used_parts_ = std::move(parts);
    weights_ = std::make_shared<const Weights>(
        Weights{std::move(loaded), std::move(networks), std::move(stack), bytes});
  }
  return *weights_;
}

std::uint64_t Service::State::FloorBytes(std::span<const NetworkCard* const> cards) const {
  std::vector<const Network*> networks;
  Precision floor;
  for (const NetworkCard* const card : cards) {
    networks.push_back(&card->network);
    floor.insert(card->floor.begin(), card->floor.end());
  }
  return WeightBytesAt(networks, floor);
}

bool Service::State::Loading() const {
  return std::ranges::any_of(
      residents_, [](const auto& entry) { return entry.second.state == Residency::kLoading; });
}

void Service::State::ManageMemory() {
  if (!managed()) {
    return;
  }
  const std::int64_t now = Now();
  if (options.follow_memory && now - followed_at_ >= kFollowMicros) {
    followed_at_ = now;
    const std::uint64_t before = budget_.bytes;
    // With some room for a request more.
    const std::uint64_t least = division_.least_bytes + division_.least_bytes / 8;
    budget_ =
        FollowMemory({}, budget_, ReadMemory(options.system_root), machine_bytes_, least, now);
    memory_changed_ |= budget_.bytes != before;
  }
  if (!memory_changed_ && now - divided_at_ < kDivideMicros) {
    return;
  }
  divided_at_ = now;
  const std::uint64_t most_weights = division_.most_weights;
  MemoryDivision division = Divide(now);
  if (division.release_spare) {
    spare_->Release();
    ::malloc_trim(0);  // else it would count on as needed
    division = Divide(now);
  }
  while (division.unload) {  // before any level goes
    UnloadResident(*idle_[*division.unload]);
    division = Divide(now);
  }
  memory_changed_ = false;
  residents_changed_ |= division.most_weights != most_weights;
  full_ = division.full;
  engine_.SetPageBudget(division.page_bytes, division.most_pages);
  most_page_bytes_ = std::min(division.most_pages, options.engine.page_bytes);
  FollowDivision(division.weight_bytes);
  if (!Shrinking() && stopped_.empty() && !PagesLeave()) {
    TellShrunk();
  }
}

bool Service::State::PagesLeave() const {
  const PageUse pages = engine_.page_use();
  return pages.resident > pages.budget;
}

void Service::State::TellShrunk() {
  for (const auto& tell : std::exchange(when_shrunk_, {})) {
    tell();
  }
}

internal::MemoryDivision Service::State::Divide(std::int64_t now) {
  const Weights& weights = CurrentWeights();
  const PageUse pages = engine_.page_use();
  // Before it is asked what explains it: another thread may begin to bind in between.
  const std::uint64_t resident = ResidentBytes();
  // What weights and pages do not explain of what is resident is everything else. (Weights that are
  // not resident yet explain less than they should: nothing is made of that.)
  std::uint64_t weights_resident = weights_now_;
  if (change_ != nullptr) {
    weights_resident = std::max(weights_resident, change_->resident_bytes());
  }
  for (const auto& change : stopped_) {
    weights_resident = std::max(weights_resident, change->resident_bytes());
  }
  const std::uint64_t explained = weights_resident + pages.resident;
  idle_.clear();
  std::vector<internal::IdleNetwork> idle;
  const auto is_idle = [](const Resident& network) {
    return network.state == Residency::kLoaded && !network.pinned && network.users == 0 &&
           network.waiters.empty();
  };
  for (auto& [key, network] : residents_) {
    if (!is_idle(network)) {
      continue;
    }
    // Weights go with the last of the formats of state that they are there with.
    const bool stays = std::ranges::any_of(residents_, [&, digest = key.digest](const auto& other) {
      return other.first.digest == digest && !is_idle(other.second) &&
             (other.second.state == Residency::kLoaded ||
              other.second.state == Residency::kLoading);
    });
    idle_.push_back(&network);
    idle.push_back({.idle_since = network.last_used, .bytes = stays ? 0 : network.unique_bytes});
  }
  division_ =
      DivideMemory({.budget = budget_.bytes == 0 ? kUnlimited : budget_.bytes,
                    .other_bytes = resident - std::min(resident, explained),
                    .spare_bytes = spare_ != nullptr ? spare_->bytes() : 0,
                    .held_pages = pages.running,
                    .wanted_pages = pages.wanted,
                    .most_pages = options.engine.page_bytes,
                    .weights = weights.bytes,
                    .most_weights = options.weight_bytes == 0 ? kUnlimited : options.weight_bytes,
                    .weights_now = weights_now_,
                    .idle = idle},
                   {}, division_.history, now);
  return division_;
}

// Less as soon as it can be, more when it has been read.
void Service::State::FollowDivision(std::uint64_t weight_bytes) {
  if (change_ != nullptr && change_->grows && change_->weight_bytes > weight_bytes) {
    if (weight_bytes <= weights_now_) {
      StopChange();
      DropUnusedParts();
    } else {  // it ends there: beginning anew each time somebody asks, it would never end
      change_->weight_bytes = asked_weights_ = weight_bytes;
    }
  }
  if (weight_bytes == weights_now_ || weight_bytes == asked_weights_ || change_ != nullptr) {
    return;
  }
  const bool grows = weight_bytes > weights_now_;
  // (Whoever waits for a network waits for the thread that would read levels.)
  if (grows && (Loading() || PagesLeave() || Now() - growth_failed_at_ < kFailedGrowthMicros)) {
    return;
  }
  asked_weights_ = weight_bytes;
  change_ = std::make_shared<Change>(weights_now_, weight_bytes);
  PrepareChange();
}

Precision Service::State::Weights::PrecisionWithin(std::uint64_t weight_bytes) const {
  if (weight_bytes >= bytes.all) {
    return {};
  }
  const Result<StackCut> cut =
      stack.CutWithin({.networks = networks, .max_positions = 1, .max_sequences = 0}, weight_bytes);
  return cut.ok() ? cut->precision : stack.First(0).precision;
}

// On the loader's thread what reads, which may take long; what only lets go waits for nobody.
void Service::State::PrepareChange() {
  CurrentWeights();
  auto& thread = change_->grows ? loader_ : resizer_;
  thread.Post([this, change = change_, bytes = change_->weight_bytes, weights = weights_,
               have = used_parts_]() mutable {
    auto prepared = std::make_shared<PreparedChange>(Prepare(*change, bytes, *weights, have));
    Post([this, change = std::move(change), prepared = std::move(prepared)]() mutable {
      MakeChange(change, std::move(prepared));
    });
  });
}

Service::State::PreparedChange Service::State::Prepare(Change& change, std::uint64_t weight_bytes,
                                                       const Weights& weights,
                                                       std::span<const Level> have) const {
  const Precision precision = weights.PrecisionWithin(weight_bytes);
  std::vector<Level> parts = PartsInUse(weights.networks, precision);
  const auto bind = [&]() -> Result<PreparedPrecision> {
    if (change.grows) {
      ASHLAR_TRY(internal::ReadParts(
          PartsBeyond(parts, have), store_,
          {.bytes_per_second = options.growth_bytes_per_second, .stop = &change.stopped}));
      change.binding = true;
    }
    return engine_.PreparePrecision(precision);
  };
  Result<PreparedPrecision> bound = bind();
  return {.weight_bytes = weight_bytes,
          .weights_then = WeightBytesAt(weights.networks, precision),
          .parts = std::move(parts),
          .bound = std::move(bound)};
}

void Service::State::MakeChange(const std::shared_ptr<Change>& change,
                                std::shared_ptr<PreparedChange> prepared) {
  const bool wanted = change == change_;
  if (!wanted || !prepared->bound.ok()) {
    // (What no precision fits is not tried again: a store can hold two networks that give one level
    // two shapes.)
    const bool again =
        wanted && change->grows && prepared->bound.error().code != ErrorCode::kInvalid;
    // What was read for it need not stay.
    std::vector<Level> unused = PartsBeyond(prepared->parts, used_parts_);
    resizer_.Post(
        [this, change, prepared = std::move(prepared), unused = std::move(unused)]() mutable {
          DropParts(unused);
          prepared.reset();
          Post([this, change] { LetGo(change); });
        });
    if (wanted) {
      stopped_.push_back(change);
      if (again) {
        growth_failed_at_ = Now();
        asked_weights_ = 0;
      }
      EndChange();
      DropUnusedParts();
    }
    return;
  }
  std::vector<Level> before = std::exchange(used_parts_, prepared->parts);
  if (change->weight_bytes < prepared->weight_bytes) {  // there is room for less by now
    PrepareChange();
    resizer_.Post([prepared = std::move(prepared)] {});  // ends there
    return;
  }
  if (prepared->bound->precision != engine_.precision()) {
    ++resizes_;
    pacer_.Forget();
  }
  CHECK(engine_.SwitchTo(*prepared->bound).ok());  // networks that come or go stop a change
  weights_now_ = std::max(weights_now_, prepared->weights_then);
  resizer_.Post([this, change, prepared = std::move(prepared), before = std::move(before)] {
    DropParts(PartsBeyond(before, prepared->parts));
    if (!PartsBeyond(prepared->parts, before).empty()) {  // else all of it is resident
      engine_.Touch(*prepared->bound);
    }
    Post([this, change, weights_then = prepared->weights_then] {
      if (change == change_) {
        weights_now_ = weights_then;
        EndChange();
      }
      LetGo(change);
    });
  });
}

void Service::State::EndChange() {
  change_ = nullptr;
  memory_changed_ = true;
}

void Service::State::StopChange() {
  if (change_ != nullptr) {
    change_->stopped = true;
    asked_weights_ = 0;
    stopped_.push_back(change_);
    EndChange();
  }
}

// A change has ended on the other threads too.
void Service::State::LetGo(const std::shared_ptr<Change>& change) {
  memory_changed_ |= std::erase(stopped_, change) > 0;
}

// Parts of blobs that were used and are not any more need not stay in the system's memory either.
void Service::State::DropUnusedParts() {
  if (!managed()) {
    return;
  }
  std::vector<Level> parts = PartsInUse(CurrentWeights().networks, engine_.precision());
  resizer_.Post([this, unused = PartsBeyond(used_parts_, parts)] { DropParts(unused); });
  used_parts_ = std::move(parts);
}

void Service::State::DropParts(std::span<const Level> unused) const {
  engine_.DropResident(unused);
  for (const Level& part : unused) {
    store_.DropCached(part.blob, part.offset, part.length);
  }
}

BudgetStatus Service::State::BudgetNow() {
  BudgetStatus status{.bytes = budget_.bytes,
                      .follows_system = options.follow_memory,
                      .resizes = resizes_,
                      .refused = refused_};
  if (managed()) {
    const Weights& weights = CurrentWeights();
    status.floor_bytes = division_.least_bytes;
    status.weight_bytes = weights_now_;
    status.weight_bytes_all = weights.bytes.all;
    status.weight_bytes_least = weights.bytes.floor;
    status.page_bytes = engine_.page_use().budget;
    status.full = full_;
  }
  return status;
}

}  // namespace ashlar
