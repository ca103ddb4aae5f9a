#include "ashlar/server/config/service_settings.h"

#include <algorithm>

#include "ashlar/base/thread_pool.h"
#include "ashlar/plan/plan.h"

namespace ashlar {
namespace {

// Besides weights and pages: the program, tokenizers, workspace, requests on their way.
constexpr std::uint64_t kOtherBytes = 96 << 20;
constexpr std::uint64_t kDefaultPages = 1'000'000'000;

Status DivideMemory(const Settings& settings, ServiceOptions& service) {
  const std::uint64_t memory = settings.Bytes("memory");
  std::uint64_t pages = settings.Bytes("pages");
  if (pages == 0) {
    pages = memory == 0 ? kDefaultPages : memory / 4;
  }
  service.engine.page_bytes = pages;
  if (memory == 0) {
    return {};
  }
  if (memory <= pages + kOtherBytes) {
    return Exhausted(
        "{}: {} leave nothing for weights, since {} are for state (pages) and {} for all else",
        settings.source("memory"), FormatBytes(memory), FormatBytes(pages),
        FormatBytes(kOtherBytes));
  }
  service.weight_bytes = memory - pages - kOtherBytes;
  return {};
}

}  // namespace

Result<ServiceOptions> ServiceOptionsOf(const Settings& settings) {
  ServiceOptions service;
  EngineOptions& engine = service.engine;
  const std::int64_t threads = settings.Integer("threads");
  engine.threads = threads == 0 ? ThreadPool::UsableCores() : static_cast<int>(threads);
  const Result<KvFormat> kv = ParseKvFormat(settings.Text("kv"));
  if (!kv.ok()) {
    return kv.error().In(settings.source("kv"));
  }
  engine.kv_format = *kv;
  engine.verify_blobs = settings.Flag("verify");
  engine.max_positions = settings.Integer("context");
  engine.max_sequences = settings.Integer("parallel");
  engine.max_rows = std::max(engine.max_rows, engine.max_sequences);
  engine.max_logit_rows = std::max(engine.max_logit_rows, engine.max_sequences);
  service.max_waiting = settings.Integer("queue");
  service.keep_alive_seconds = settings.Seconds("keep-alive");
  ASHLAR_TRY(DivideMemory(settings, service));
  return service;
}

std::vector<std::string> PreloadedNetworks(const Settings& settings) {
  std::vector<std::string> names;
  std::string_view list = settings.Text("preload");
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (end > 0) {
      names.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

}  // namespace ashlar
