#include "tools/ashlar/load_bench.h"

#include <algorithm>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/engine.h"

namespace ashlar::cli {
namespace {

// Seconds of one load.
struct LoadTimes {
  double manifests = 0;  // found, read, parsed and checked
  double checks = 0;     // of those: shapes against kinds, the graph; done once more to be timed
  double weights = 0;    // mapped, each level's range checked, made resident
  double total() const { return manifests + weights; }
};

// What Catalog::Load checks of a network that is parsed.
Status CheckAgain(const Network& network) {
  for (const auto& [digest, block] : network.blocks) {
    ASHLAR_TRY(CheckBlock(*block));
  }
  return Validate(network);
}

Result<LoadTimes> LoadOnce(BlobStore& store, const std::string& name) {
  const Catalog catalog(store, AllKinds());
  const SteadyClock clock;
  const std::int64_t start = clock.NowMicros();
  ASHLAR_TRY(const Network network, catalog.Load(name));
  const std::int64_t parsed = clock.NowMicros();
  ASHLAR_TRY(CheckAgain(network));
  const std::int64_t checked = clock.NowMicros();
  ASHLAR_TRY(const Isa isa, ChooseIsa(""));
  Engine engine(store, {.isa = isa, .max_positions = 1, .max_rows = 16, .max_logit_rows = 16});
  ASHLAR_TRY(engine.Load(network));
  const std::int64_t loaded = clock.NowMicros();
  return LoadTimes{.manifests = 1e-6 * static_cast<double>(parsed - start),
                   .checks = 1e-6 * static_cast<double>(checked - parsed),
                   .weights = 1e-6 * static_cast<double>(loaded - checked)};
}

}  // namespace

Status BenchLoad(Session& session) {
  const std::string& name = session.options.Text("NET");
  ASHLAR_TRY(const std::int64_t rounds, session.options.Integer("rounds", 1, 1000));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  std::vector<LoadTimes> all;
  for (std::int64_t round = -1; round < rounds; ++round) {  // one to warm up
    ASHLAR_TRY(const LoadTimes times, LoadOnce(*store, name));
    if (round >= 0) {
      all.push_back(times);
    }
  }
  // The round of median total: its parts add up.
  std::ranges::sort(all, {}, &LoadTimes::total);
  const LoadTimes& times = all[all.size() / 2];
  const double without = times.total() - times.checks;
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"network", name},
                                         {"rounds", rounds},
                                         {"load_seconds", times.total()},
                                         {"manifests_seconds", times.manifests},
                                         {"checks_seconds", times.checks},
                                         {"weights_seconds", times.weights},
                                         {"checks_cost", times.checks / without},
                                         {"manifests_cost", times.manifests / times.weights}}));
    return {};
  }
  constexpr Column kColumns[] = {{"NETWORK"},
                                 {"LOAD", Align::kRight},
                                 {"MANIFESTS", Align::kRight},
                                 {"CHECKS", Align::kRight},
                                 {"WEIGHTS", Align::kRight},
                                 {"CHECKS COST", Align::kRight}};
  const auto milliseconds = [](double seconds) { return fmt::format("{:.2f} ms", 1e3 * seconds); };
  session.terminal.PrintTable(kColumns,
                              std::vector<std::vector<std::string>>{
                                  {name, milliseconds(times.total()), milliseconds(times.manifests),
                                   milliseconds(times.checks), milliseconds(times.weights),
                                   fmt::format("{:.2f} %", 100 * times.checks / without)}});
  session.terminal.Note(fmt::format(
      "Median of {} loads, files in the page cache, one thread, no hashing of weights. CHECKS are "
      "part of MANIFESTS; what they cost is counted against a load without them.",
      rounds));
  return {};
}

}  // namespace ashlar::cli
