#include "ashlar/server/api/service_metrics.h"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace ashlar {
namespace {

struct GaugeRow {
  const char* name;
  const char* help;
  double (*read)(const ServiceStatus&);
};

constexpr GaugeRow kGauges[] = {
    {"ashlar_generations_running", "Generations that have begun.",
     [](const ServiceStatus& status) { return static_cast<double>(status.running); }},
    {"ashlar_generations_waiting", "Generations that wait in the queue.",
     [](const ServiceStatus& status) { return static_cast<double>(status.waiting); }},
    {"ashlar_kv_used_bytes", "Pages of state of running sequences and cached prefixes.",
     [](const ServiceStatus& status) { return static_cast<double>(status.page_bytes_used); }},
    {"ashlar_kv_pinned_bytes", "Of those, pages of pinned prefixes.",
     [](const ServiceStatus& status) { return static_cast<double>(status.page_bytes_pinned); }},
    {"ashlar_kv_budget_bytes", "The budget of pages of state.",
     [](const ServiceStatus& status) { return static_cast<double>(status.page_bytes_budget); }},
    {"ashlar_weights_resident_bytes", "Weights of loaded networks, shared ones counted once.",
     [](const ServiceStatus& status) { return static_cast<double>(status.resident_weight_bytes); }},
    {"ashlar_weights_budget_bytes", "The budget of weights; 0: no limit.",
     [](const ServiceStatus& status) { return static_cast<double>(status.weight_budget); }},
    {"ashlar_memory_budget_bytes", "The budget of the whole process; 0: no limit.",
     [](const ServiceStatus& status) { return static_cast<double>(status.budget.bytes); }},
    {"ashlar_memory_floor_bytes", "The budget below which new requests are refused.",
     [](const ServiceStatus& status) { return static_cast<double>(status.budget.floor_bytes); }},
};

constexpr GaugeRow kBudgetCounts[] = {
    {"ashlar_resizes_total", "Changes of how much of their levels networks have in memory.",
     [](const ServiceStatus& status) { return static_cast<double>(status.budget.resizes); }},
    {"ashlar_memory_refused_total", "Generations that were refused since memory was short.",
     [](const ServiceStatus& status) { return static_cast<double>(status.budget.refused); }},
};

struct CountRow {
  const char* name;
  const char* help;
  std::uint64_t EngineCounters::*count;
};

constexpr CountRow kCounts[] = {
    {"ashlar_steps_total", "Steps of the engine.", &EngineCounters::steps},
    {"ashlar_rows_total", "Rows collected in steps.", &EngineCounters::rows},
    {"ashlar_block_runs_total", "Runs of a block, for all rows that met at it.",
     &EngineCounters::block_runs},
    {"ashlar_block_rows_total", "Rows computed in those runs.", &EngineCounters::block_rows},
    {"ashlar_preemptions_total", "Sequences that gave their pages to others for a while.",
     &EngineCounters::preemptions},
    {"ashlar_kv_pages_evicted_total", "Cached pages that made room.",
     &EngineCounters::pages_evicted},
    {"ashlar_kv_pages_spilled_total", "Of those, that were written to the spill's file.",
     &EngineCounters::pages_spilled},
    {"ashlar_kv_pages_restored_total", "Pages that came back from the spill's file.",
     &EngineCounters::pages_restored},
};

void SampleNetworks(Metrics& metrics, const Service& service, const char* name, const char* help,
                    std::uint64_t NetworkStatus::*bytes) {
  metrics.Sampled(name, help, SampledType::kGauge, {"model"}, [&service, bytes] {
    std::map<std::string, double> by_name;  // that may have moved from one network to another
    std::set<std::pair<std::string, Digest>> counted;  // which may be there in two formats of state
    for (const NetworkStatus& network : service.status().networks) {
      if (network.residency == Residency::kLoaded &&
          counted.emplace(network.name, network.digest).second) {
        by_name[network.name] += static_cast<double>(network.*bytes);
      }
    }
    std::vector<Sample> samples;
    for (const auto& [name, value] : by_name) {
      samples.push_back({{name}, value});
    }
    return samples;
  });
}

}  // namespace

void SampleService(Metrics& metrics, const Service& service) {
  for (const GaugeRow& row : kGauges) {
    metrics.Sampled(row.name, row.help, SampledType::kGauge,
                    [&service, read = row.read] { return read(service.status()); });
  }
  for (const GaugeRow& row : kBudgetCounts) {
    metrics.Sampled(row.name, row.help, SampledType::kCounter,
                    [&service, read = row.read] { return read(service.status()); });
  }
  for (const CountRow& row : kCounts) {
    metrics.Sampled(row.name, row.help, SampledType::kCounter, [&service, count = row.count] {
      return static_cast<double>(service.status().engine.*count);
    });
  }
  SampleNetworks(metrics, service, "ashlar_network_weight_bytes", "Weights of a loaded network.",
                 &NetworkStatus::weight_bytes);
  SampleNetworks(metrics, service, "ashlar_network_unique_bytes",
                 "Of those, that no other loaded network has.", &NetworkStatus::unique_bytes);
}

ServiceObserver ObserveSteps(Metrics& metrics) {
  Histogram& seconds =
      metrics.Histograms("ashlar_step_seconds", "Time of a step.", kTokenSeconds).With({});
  Histogram& rows =
      metrics.Histograms("ashlar_step_rows", "Rows in a step.", kTokenCounts).With({});
  return {.on_step = [&](double step_seconds, const StepWork& work) {
    seconds.Observe(step_seconds);
    rows.Observe(static_cast<double>(work.decoding_rows + work.prompt_rows));
  }};
}

}  // namespace ashlar
