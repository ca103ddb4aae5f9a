// What becomes of the memory of the process: how it is divided, and how weights follow.
#include <algorithm>
#include <limits>

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

const Service::State::Weights& Service::State::CurrentWeights() {
  if (!weights_) {
    std::vector<const Network*> networks;
    std::vector<StackNetwork> stacked;
    for (const auto& [key, resident] : residents_) {
      if (resident.state == Residency::kLoaded || resident.state == Residency::kLoading) {
        networks.push_back(&resident.card->network);
        stacked.push_back({.network = networks.back(), .losses = &resident.card->losses});
      }
    }
    Stack stack(stacked);
    const internal::WeightBytes bytes{.floor = WeightBytesAt(networks, stack.First(0).precision),
                                      .all = WeightBytesAt(networks, {})};
    const std::uint64_t weights_now = WeightBytesAt(networks, engine_.precision());
    weights_ = Weights{std::move(networks), std::move(stack), bytes, weights_now};
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
  while (division.unload) {  // before any level goes
    UnloadResident(*idle_[*division.unload]);
    division = Divide(now);
  }
  memory_changed_ = false;
  residents_changed_ |= division.most_weights != most_weights;
  full_ = division.full;
  engine_.SetPageBudget(division.page_bytes, division.most_pages);
  FollowDivision(division.weight_bytes);
}

internal::MemoryDivision Service::State::Divide(std::int64_t now) {
  const Weights& weights = CurrentWeights();
  const PageUse pages = engine_.page_use();
  // What weights and pages do not explain of what is resident is everything else. (Weights that are
  // not resident yet explain less than they should: nothing is made of that.)
  const std::uint64_t explained = weights.now + pages.resident;
  const std::uint64_t resident = ResidentBytes();
  idle_.clear();
  std::vector<internal::IdleNetwork> idle;
  for (auto& [key, network] : residents_) {
    if (network.state == Residency::kLoaded && !network.pinned && network.users == 0 &&
        network.waiters.empty()) {
      idle_.push_back(&network);
      idle.push_back({.idle_since = network.last_used, .bytes = network.unique_bytes});
    }
  }
  division_ =
      DivideMemory({.budget = budget_.bytes == 0 ? kUnlimited : budget_.bytes,
                    .other_bytes = resident - std::min(resident, explained),
                    .held_pages = pages.running,
                    .wanted_pages = pages.wanted,
                    .most_pages = options.engine.page_bytes,
                    .weights = weights.bytes,
                    .most_weights = options.weight_bytes == 0 ? kUnlimited : options.weight_bytes,
                    .weights_now = weights.now,
                    .idle = idle},
                   {}, division_.history, now);
  return division_;
}

// Less at once, more when it has been read.
void Service::State::FollowDivision(std::uint64_t weight_bytes) {
  const std::uint64_t weights_now = CurrentWeights().now;
  if (growth_ != nullptr && growth_->weight_bytes > weight_bytes) {
    if (weight_bytes <= weights_now) {
      StopGrowth();
    } else {  // it ends there: beginning anew each time somebody asks, it would never end
      growth_->weight_bytes = asked_weights_ = weight_bytes;
    }
  }
  if (weight_bytes == weights_now || weight_bytes == asked_weights_ || growth_ != nullptr) {
    return;
  }
  const bool grows = weight_bytes > weights_now;
  // (Whoever waits for a network waits for the thread that would read levels.)
  if (grows && (Loading() || Now() - growth_failed_at_ < kFailedGrowthMicros)) {
    return;
  }
  asked_weights_ = weight_bytes;
  Precision precision = PrecisionWithin(weight_bytes);
  if (precision == engine_.precision()) {
    return;
  }
  if (grows) {
    BeginGrowth(precision, weight_bytes);
  } else {
    Resize(std::move(precision));
  }
}

Precision Service::State::PrecisionWithin(std::uint64_t weight_bytes) {
  const Weights& weights = CurrentWeights();
  if (weight_bytes >= weights.bytes.all) {
    return {};
  }
  const Result<StackCut> cut = weights.stack.CutWithin(
      {.networks = weights.networks, .max_positions = 1, .max_sequences = 0}, weight_bytes);
  return cut.ok() ? cut->precision : weights.stack.First(0).precision;
}

void Service::State::Resize(Precision precision) {
  CurrentWeights();  // counted, so that only what they have now changes
  // It is a cut of the stack of these very networks. But a store can hold two that give one level
  // two shapes, which no precision fits: then all stays as it is.
  const bool changes = precision != engine_.precision();
  if (changes && engine_.SetPrecision(std::move(precision)).ok()) {
    ++resizes_;
    weights_->now = WeightBytesAt(weights_->networks, engine_.precision());
  }
  DropUnusedParts();
}

// Parts of blobs that were used and are not any more need not stay in the system's memory either.
void Service::State::DropUnusedParts() {
  if (!managed()) {
    return;
  }
  std::vector<Level> parts = internal::PartsOf(CurrentWeights().networks, engine_.precision());
  std::vector<Level> unused = internal::PartsBeyond(used_parts_, parts);
  used_parts_ = std::move(parts);
  if (!unused.empty()) {
    dropper_.Post([this, unused = std::move(unused)] {
      for (const Level& part : unused) {
        store_.DropCached(part.blob, part.offset, part.length);
      }
    });
  }
}

// Reads what it takes to have `precision`, which is what `weight_bytes` hold; then has it, or what
// of it there is room for by then.
void Service::State::BeginGrowth(const Precision& precision, std::uint64_t weight_bytes) {
  std::vector<Level> parts = internal::PartsOf(CurrentWeights().networks, precision);
  std::vector<Level> missing = internal::PartsBeyond(parts, used_parts_);
  used_parts_ = std::move(parts);  // if nothing comes of it, they are dropped with the others
  growth_ = std::make_shared<Growth>();
  growth_->weight_bytes = weight_bytes;
  loader_.Post([this, growth = growth_, missing = std::move(missing)] {
    const Status read = internal::ReadParts(
        missing, store_,
        {.bytes_per_second = options.growth_bytes_per_second, .stop = &growth->stopped});
    Post([this, growth, read] {
      if (growth_ != growth) {
        return;
      }
      growth_ = nullptr;
      if (read.ok()) {
        Resize(PrecisionWithin(growth->weight_bytes));
      } else {
        growth_failed_at_ = Now();
        asked_weights_ = 0;
        DropUnusedParts();
      }
      memory_changed_ = true;
    });
  });
}

void Service::State::StopGrowth() {
  if (growth_ != nullptr) {
    growth_->stopped = true;
    growth_ = nullptr;
    asked_weights_ = 0;
    DropUnusedParts();
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
    status.weight_bytes = weights.now;
    status.weight_bytes_all = weights.bytes.all;
    status.weight_bytes_least = weights.bytes.floor;
    status.page_bytes = engine_.page_use().budget;
    status.full = full_;
  }
  return status;
}

}  // namespace ashlar
