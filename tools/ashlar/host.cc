#include "tools/ashlar/host.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include <unistd.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/clock.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/stop_strings.h"

namespace ashlar::cli {
namespace {

constexpr int kMaxThreads = 1024;

// Bytes that this process has in memory now (/proc/self/statm: its second number, in pages).
std::uint64_t ResidentBytes() {
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<StackCut> CutOfWeights(const Stack& stack, std::uint64_t bytes) {
  Result<StackCut> cut = stack.Cut(bytes);
  return cut.ok() ? std::move(cut) : cut.error().In("--weights");
}

Result<KvFormat> ReadKvFormat(const Options& options) {
  const Result<KvFormat> format = ParseKvFormat(options.Text("kv"));
  return format.ok() ? format : format.error().In("--kv");
}

}  // namespace

Result<std::optional<Tokenizer>> LoadTokenizer(const Network& network, const BlobStore& store,
                                               bool verify) {
  const auto file = network.files.find("tokenizer.json");
  if (file == network.files.end()) {
    return std::optional<Tokenizer>();
  }
  ASHLAR_TRY(const Blob blob, store.Get(file->second.blob));
  if (verify) {
    ASHLAR_TRY(Verify(file->second.blob, blob));
  }
  const BlobGuard guard(file->second.blob, blob);
  Result<Tokenizer> tokenizer = Tokenizer::FromJson(AsText(blob.bytes()));
  ASHLAR_TRY(guard.CheckIntact());  // first: what else is wrong may come of it
  if (!tokenizer.ok()) {
    return tokenizer.error();
  }
  return std::optional<Tokenizer>(*std::move(tokenizer));
}

Result<int> ReadThreads(const Options& options) {
  if (!options.Has("threads")) {
    return ThreadPool::UsableCores();
  }
  ASHLAR_TRY(const std::int64_t threads, options.Integer("threads", 1, kMaxThreads));
  return static_cast<int>(threads);
}

Result<Isa> ReadIsa() {
  const char* forced = std::getenv("ASHLAR_ISA");
  return ChooseIsa(forced == nullptr ? "" : forced);
}

Result<std::optional<std::int64_t>> ReadContext(const Options& options) {
  if (!options.Has("context")) {
    return std::optional<std::int64_t>();
  }
  ASHLAR_TRY(const std::int64_t context, options.Integer("context", 1, kMaxContext));
  return std::optional<std::int64_t>(context);
}

Result<std::int64_t> HostedNetwork::Context(std::optional<std::int64_t> asked) const {
  const std::int64_t most =
      std::min(network.metadata.context_length.value_or(kMaxContext), kMaxContext);
  if (asked.value_or(1) > most) {
    return Invalid("--context is {}, but \"{}\" was made for {} positions", *asked, name, most);
  }
  return asked.value_or(most);
}

Result<const Tokenizer*> HostedNetwork::RequireTokenizer() const {
  if (!tokenizer) {
    return Invalid(
        "network \"{}\" has no tokenizer: there was none where it was imported from, or none that "
        "ashlar reads, as the import said",
        name);
  }
  return &*tokenizer;
}

Result<SamplingOptions> ReadSampling(const Options& options) {
  const auto real = [&](const char* name, double min, double max, float& to) -> Status {
    ASHLAR_TRY(const double value, options.Real(name, min, max));
    to = static_cast<float>(value);
    return {};
  };
  SamplingOptions sampling;
  ASHLAR_TRY(real("temperature", 0, 100, sampling.temperature));
  ASHLAR_TRY(const std::int64_t top_k, options.Integer("top-k", 0, 1 << 30));
  sampling.top_k = static_cast<std::int32_t>(top_k);
  ASHLAR_TRY(real("top-p", 0, 1, sampling.top_p));
  ASHLAR_TRY(real("min-p", 0, 1, sampling.min_p));
  ASHLAR_TRY(real("typical-p", 0, 1, sampling.typical_p));
  ASHLAR_TRY(real("repetition-penalty", 0.01, 100, sampling.repetition_penalty));
  ASHLAR_TRY(real("presence-penalty", -2, 2, sampling.presence_penalty));
  ASHLAR_TRY(real("frequency-penalty", -2, 2, sampling.frequency_penalty));
  ASHLAR_TRY(const std::int64_t seed,
             options.Integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  sampling.seed = static_cast<std::uint64_t>(seed);
  for (const std::string& pair : options.Texts("logit-bias")) {
    constexpr float kMaxBias = 100;
    std::int32_t id = 0;
    float bias = 0;
    const char* end = pair.data() + pair.size();
    const auto at = std::from_chars(pair.data(), end, id);
    bool parsed = at.ec == std::errc() && at.ptr != end && *at.ptr == '=';
    if (parsed) {
      const auto value = std::from_chars(at.ptr + 1, end, bias);
      parsed = value.ec == std::errc() && value.ptr == end;
    }
    if (!parsed || !(std::abs(bias) <= kMaxBias)) {  // a NaN too
      return Invalid("--logit-bias: expected ID=BIAS with a bias from -{} to {}, found \"{}\"",
                     kMaxBias, kMaxBias, pair);
    }
    sampling.logit_bias[id] = bias;
  }
  return sampling;
}

Status ReadMachine(const Options& options, HostSettings& settings) {
  ASHLAR_TRY(settings.isa, ReadIsa());
  ASHLAR_TRY(settings.threads, ReadThreads(options));
  return {};
}

std::vector<const Network*> HostPlan::Views() const {
  std::vector<const Network*> views;
  for (const HostedNetwork& hosted : networks) {
    views.push_back(&hosted.network);
  }
  return views;
}

MemoryPlan HostPlan::MemoryAt(const StackCut& other) const {
  const std::vector<const Network*> views = Views();
  PlanRequest at = request;
  at.networks = views;
  at.precision = other.precision;
  return PredictMemory(at);
}

Result<HostPlan> PlanHost(const Session& session, std::span<const std::string> names,
                          const HostOptions& options, const HostSettings& settings,
                          std::span<const double> shares) {
  HostPlan plan;
  ASHLAR_TRY(plan.store, session.OpenStore(/*create=*/false));
  const Catalog catalog(*plan.store, AllKinds());
  plan.networks.reserve(names.size());
  for (const std::string& name : names) {
    HostedNetwork hosted{.name = name};
    ASHLAR_TRY(hosted.network, catalog.Load(name));
    ASHLAR_TRY(hosted.tokenizer, LoadTokenizer(hosted.network, *plan.store, settings.verify));
    const int last = static_cast<int>(hosted.network.nodes.size()) - 1;
    hosted.logits = hosted.network.BlockOf(last)
                        .kind->interface(EffectiveAttributes(hosted.network, last))
                        .vocabulary;
    ASHLAR_TRY(plan.losses.emplace_back(), LoadLosses(catalog, name, hosted.network));
    ASHLAR_TRY(plan.joint_losses.emplace_back(), LoadJointLosses(catalog, name, hosted.network));
    plan.networks.push_back(std::move(hosted));
  }
  std::int64_t max_positions = options.max_positions;
  if (options.measure_positions) {
    ASHLAR_TRY(max_positions, options.measure_positions(plan.networks));
  }
  // Else the first step makes its weights resident, by all threads, and of the workspace its part.
  const bool resident = options.as_planned || settings.memory_bytes;
  plan.engine = {.threads = settings.threads,
                 .isa = settings.isa,
                 .max_positions = max_positions,
                 .max_rows = std::max(options.max_rows, options.max_sequences),
                 .max_logit_rows = std::max(options.max_logit_rows, options.max_sequences),
                 .max_sequences = options.max_sequences,
                 .kv_format = settings.kv_format,
                 .prefix_cache = options.prefix_cache,
                 .verify_blobs = settings.verify,
                 .prefault = resident,
                 .prefault_workspace = resident};

  const std::vector<const Network*> views = plan.Views();
  std::vector<StackNetwork> stacked;
  for (std::size_t i = 0; i < views.size(); ++i) {
    stacked.push_back({views[i], &plan.losses[i], shares.empty() ? 1 : shares[i]});
  }
  plan.stack = Stack(stacked);
  ASHLAR_TRY(const std::uint64_t workspace, Engine::WorkspaceBytes(views, plan.engine));
  plan.request = {.max_positions = plan.engine.max_positions,
                  .max_sequences = plan.engine.max_sequences,
                  .kv_format = plan.engine.kv_format,
                  .workspace_bytes = workspace,
                  .process_bytes = ResidentBytes(),
                  .page_bytes = settings.page_bytes.value_or(0)};
  plan.cut = plan.stack.First(plan.stack.entries().size());
  if (settings.weight_bytes) {
    ASHLAR_TRY(plan.cut, CutOfWeights(plan.stack, *settings.weight_bytes));
  }
  if (settings.memory_bytes) {
    PlanRequest within = plan.request;
    within.networks = views;
    ASHLAR_TRY(StackCut fits, plan.stack.CutWithin(within, *settings.memory_bytes));
    if (fits.entries < plan.cut.entries) {
      plan.cut = std::move(fits);
    }
  }
  plan.request.precision = plan.cut.precision;
  plan.memory = plan.MemoryAt(plan.cut);
  plan.engine.page_bytes = plan.memory.page_bytes;
  ASHLAR_TRY(plan.engine.Check());
  return plan;
}

Result<Host> Host::Open(const Session& session, std::span<const std::string> names,
                        HostOptions options) {
  // What was typed is checked before anything is read.
  HostSettings settings{.verify = session.options.Flag("verify"),
                        .weight_bytes = options.weight_bytes};
  ASHLAR_TRY(ReadMachine(session.options, settings));
  ASHLAR_TRY(settings.kv_format, ReadKvFormat(session.options));
  if (session.options.Has("memory")) {
    ASHLAR_TRY(settings.memory_bytes, session.options.Bytes("memory"));
  }
  if (session.options.Has("weights") && !options.weight_bytes) {
    ASHLAR_TRY(settings.weight_bytes, session.options.Bytes("weights"));
  }
  ASHLAR_TRY(HostPlan plan, PlanHost(session, names, options, settings));
  Host host;
  host.store_ = std::move(plan.store);
  host.networks_ = std::move(plan.networks);
  host.stack_ = std::move(plan.stack);
  host.most_entries_ = plan.cut.entries;
  host.cut_ = std::move(plan.cut);
  host.plan_ = plan.memory;
  host.engine_ = std::make_unique<Engine>(*host.store_, plan.engine);
  ASHLAR_TRY(host.engine_->SetPrecision(host.cut_.precision));
  for (HostedNetwork& hosted : host.networks_) {
    const auto id = host.engine_->Load(hosted.network);
    if (!id.ok()) {
      return id.error().In(fmt::format("loading \"{}\"", hosted.name));
    }
    hosted.id = *id;
  }
  return host;
}

Result<StackCut> Host::Cut(std::uint64_t weight_bytes) const {
  ASHLAR_TRY(StackCut cut, CutOfWeights(stack_, weight_bytes));
  return cut.entries <= most_entries_ ? std::move(cut) : stack_.First(most_entries_);
}

Status Host::Resize(StackCut cut) {
  ASHLAR_TRY(engine_->SetPrecision(cut.precision));
  cut_ = std::move(cut);
  return {};
}

namespace {

// A request on its way: its tokens become text, and its text may meet a stop string.
struct Running {
  RequestId id{};
  const GenerationRequest* request;
  std::optional<StreamDecoder> decoder;
  StopStrings stop;
  Generation done;
  bool finished = false;

  void Show(const std::string& text) {
    done.text += text;
    if (request->on_text && !text.empty()) {
      request->on_text(text);
    }
  }

  // No more tokens come.
  void Finish() {
    if (decoder && !stop.stopped()) {
      Show(stop.Push(decoder->Finish()));
      Show(stop.Finish());
    }
    finished = true;
    done.stopped_by_string = stop.stopped();
    done.generated_tokens = std::ssize(done.token_ids);
    if (stop.stopped()) {
      DropHiddenTokens();
    }
  }

 private:
  // Leaves the longest run of tokens whose text is the beginning of what was shown.
  void DropHiddenTokens() {
    std::vector<std::int32_t>& ids = done.token_ids;
    while (!ids.empty() && !done.text.starts_with(request->network->tokenizer->Decode(ids))) {
      ids.pop_back();
    }
    done.tokens.resize(ids.size());
  }
};

}  // namespace

Result<std::vector<Generation>> Generate(Engine& engine,
                                         std::span<const GenerationRequest> requests) {
  const SteadyClock clock;
  const std::int64_t start = clock.NowMicros();
  const auto seconds = [&] { return static_cast<double>(clock.NowMicros() - start) * 1e-6; };
  std::vector<Running> running;
  for (const GenerationRequest& request : requests) {
    Request submit{.network = request.network->id,
                   .prompt = request.prompt,
                   .max_tokens = request.max_tokens,
                   .sampling = request.sampling,
                   .stop_tokens = request.stop_tokens};
    if (!request.ignore_eos) {
      const auto& eos = request.network->network.metadata.eos_tokens;
      submit.stop_tokens.insert(submit.stop_tokens.end(), eos.begin(), eos.end());
    }
    Running entry{
        .request = &request, .decoder = {}, .stop = StopStrings(request.stop), .done = {}};
    entry.done.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
    if (request.network->tokenizer) {
      entry.decoder.emplace(*request.network->tokenizer);
    }
    ASHLAR_TRY(entry.id, engine.Submit(std::move(submit)));
    running.push_back(std::move(entry));
  }

  while (!engine.idle()) {
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    std::vector<RequestId> cancel;
    for (const Delivery& delivery : deliveries) {
      const auto at = std::ranges::find(running, delivery.request, &Running::id);
      if (at == running.end() || at->finished) {
        continue;
      }
      at->done.cached_tokens = delivery.cached_tokens;
      if (delivery.token) {
        if (at->done.tokens.empty()) {
          at->done.prompt_seconds = seconds();
        }
        at->done.tokens.push_back(*delivery.token);
        at->done.token_ids.push_back(delivery.token->token);
        if (at->decoder) {
          at->Show(at->stop.Push(at->decoder->Push(delivery.token->token)));
        }
      }
      if (delivery.error) {
        return delivery.error->In(fmt::format("network \"{}\"", at->request->network->name));
      }
      if (at->stop.stopped() && delivery.finish == FinishReason::kNone) {
        cancel.push_back(at->id);
      }
      if (at->stop.stopped() || delivery.finish != FinishReason::kNone) {
        at->Finish();
        at->done.finish = delivery.finish;
        at->done.seconds = seconds();
      }
    }
    for (const RequestId id : cancel) {
      ASHLAR_TRY(engine.Cancel(id));
    }
  }
  std::vector<Generation> generations;
  generations.reserve(running.size());
  for (Running& entry : running) {
    generations.push_back(std::move(entry.done));
  }
  return generations;
}

std::string_view FinishName(const Generation& generation) {
  return generation.stopped_by_string || generation.finish == FinishReason::kStop ? "stop"
                                                                                  : "length";
}

Result<std::optional<std::string>> Host::ReadFile(const HostedNetwork& network,
                                                  std::string_view name) const {
  return ReadNetworkFile(network.network, *store_, name);
}

}  // namespace ashlar::cli
