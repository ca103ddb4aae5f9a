#include "ashlar/server/config/service_settings.h"

#include <algorithm>
#include <utility>

#include "ashlar/base/json.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/memory/memory_readings.h"

namespace ashlar {
namespace {

constexpr std::uint64_t kDefaultPages = 1'000'000'000;

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

// How much there is, and the most of it that is for state.
Status ReadMemorySettings(const Settings& settings, ServiceOptions& service) {
  const std::string& memory = settings.Text("memory");
  service.follow_memory = memory == "auto";
  if (!memory.empty() && !service.follow_memory) {
    const Result<std::uint64_t> bytes = ParseBytes(memory);
    if (!bytes.ok()) {
      return bytes.error().In(settings.source("memory"));
    }
    service.memory_bytes = *bytes;
    const std::uint64_t program = ResidentBytes();
    if (service.memory_bytes != 0 && service.memory_bytes <= program) {
      return Exhausted("{}: {} leave nothing for weights: the program alone takes {}",
                       settings.source("memory"), FormatBytes(service.memory_bytes),
                       FormatBytes(program));
    }
  }
  service.weight_bytes = settings.Bytes("weights");
  service.growth_bytes_per_second = settings.Bytes("growth");
  std::uint64_t& pages = service.engine.page_bytes;
  pages = settings.Bytes("pages");
  if (pages == 0) {
    pages = service.memory_bytes == 0 ? kDefaultPages : service.memory_bytes / 4;
  }
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
  if (!settings.Text("spill-dir").empty()) {
    auto file = OpenSpillFile(settings.Text("spill-dir"));
    if (!file.ok()) {
      return file.error().In(settings.source("spill-dir"));
    }
    engine.spill_file = *std::move(file);
  }
  engine.spill_bytes = settings.Bytes("spill-bytes");
  engine.verify_blobs = settings.Flag("verify");
  engine.max_positions = settings.Integer("context");
  engine.max_sequences = settings.Integer("parallel");
  // Of larger chunks of prompts each row would have its workspace.
  constexpr std::int64_t kRows = 256;
  engine.max_rows = std::max(kRows, engine.max_sequences);
  engine.max_logit_rows = std::max(engine.max_logit_rows, engine.max_sequences);
  service.max_waiting = settings.Integer("queue");
  service.session_directory = settings.Text("sessions");
  service.keep_alive_seconds = settings.Seconds("keep-alive");
  ASHLAR_TRY(ReadMemorySettings(settings, service));
  return service;
}

std::vector<std::string> PreloadedNetworks(const Settings& settings) {
  return SplitList(settings.Text("preload"));
}

}  // namespace ashlar
