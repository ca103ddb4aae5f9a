#include "ashlar/server/config/service_settings.h"

#include <algorithm>
#include <utility>

#include "ashlar/base/json.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/plan/plan.h"

namespace ashlar {
namespace {

// Besides weights and pages: the program, tokenizers, workspace, requests on their way.
constexpr std::uint64_t kOtherBytes = 96 << 20;
constexpr std::uint64_t kDefaultPages = 1'000'000'000;

// The parts between commas that are not empty.
std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (end > 0) {
      parts.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

// "f16", "f16,lab=q8,base=f32", "lab=q8".
Status ReadKvFormats(std::string_view text, ServiceOptions& service) {
  bool has_default = false;
  for (const std::string& part : SplitList(text)) {
    const std::size_t equals = part.rfind('=');
    const bool named = equals != std::string::npos;
    const Result<KvFormat> format = ParseKvFormat(named ? part.substr(equals + 1) : part);
    if (!format.ok()) {
      return format.error();
    }
    const std::string name = named ? part.substr(0, equals) : std::string();
    const bool twice = named ? !service.kv_formats.emplace(name, *format).second
                             : std::exchange(has_default, true);
    if (twice || (named && name.empty())) {
      return Invalid("expected FORMAT, or NET=FORMAT once for each network, found {}",
                     QuoteForError(part));
    }
    if (!named) {
      service.engine.kv_format = *format;
    }
  }
  return {};
}

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
  const Status kv = ReadKvFormats(settings.Text("kv"), service);
  if (!kv.ok()) {
    return kv.error().In(settings.source("kv"));
  }
  engine.verify_blobs = settings.Flag("verify");
  engine.max_positions = settings.Integer("context");
  engine.max_sequences = settings.Integer("parallel");
  engine.max_rows = std::max(engine.max_rows, engine.max_sequences);
  engine.max_logit_rows = std::max(engine.max_logit_rows, engine.max_sequences);
  service.max_waiting = settings.Integer("queue");
  service.session_directory = settings.Text("sessions");
  service.keep_alive_seconds = settings.Seconds("keep-alive");
  ASHLAR_TRY(DivideMemory(settings, service));
  return service;
}

std::vector<std::string> PreloadedNetworks(const Settings& settings) {
  return SplitList(settings.Text("preload"));
}

}  // namespace ashlar
