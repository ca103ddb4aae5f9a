#include <algorithm>
#include <fstream>
#include <set>

#include "ashlar/base/clock.h"
#include "ashlar/graph/describe.h"
#include "ashlar/kernels/peak/peak.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "--prompt", .value = "N", .otherwise = "128", .doc = "tokens of each prompt"},
    {.name = "--gen", .value = "N", .otherwise = "64", .doc = "new tokens of each sequence"},
    {.name = "--batch", .value = "N", .otherwise = "1", .doc = "sequences side by side"},
    {.name = "--rounds", .value = "N", .otherwise = "3", .doc = "rounds; the median is printed"},
    kThreadsOption,
    kMemoryOption,
    kVerifyOption,
};

struct Round {
  double prompt_rate = 0;  // tokens per second, all sequences together
  double decode_rate = 0;
};

// Reads `batch` random prompts, and then decodes from all of them side by side.
Result<Round> RunRound(Engine& engine, const HostedNetwork& network, std::int64_t prompt,
                       std::int64_t gen, std::int64_t batch, std::uint64_t seed) {
  const SteadyClock clock;
  std::uint64_t random = seed;
  for (std::int64_t i = 0; i < batch; ++i) {
    Request request{.network = network.id, .max_tokens = gen};
    request.sampling.temperature = 0;
    for (std::int64_t j = 0; j < prompt; ++j) {
      random = random * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
      request.prompt.push_back(
          static_cast<std::int32_t>((random >> 33) % static_cast<std::uint64_t>(network.logits)));
    }
    ASHLAR_TRY(engine.Submit(std::move(request)));
  }
  // The prompts are read when each sequence has its first token. A later prompt's rows may share
  // steps with an earlier sequence that decodes already: its tokens count in neither rate.
  std::set<RequestId> answered;
  std::int64_t decoded = 0;
  const std::int64_t start = clock.NowMicros();
  std::int64_t prompts_read = start;
  while (!engine.idle()) {
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    const bool reading = std::ssize(answered) < batch;
    for (const Delivery& delivery : deliveries) {
      if (delivery.token) {
        answered.insert(delivery.request);
        decoded += reading ? 0 : 1;
      }
    }
    if (reading) {
      prompts_read = clock.NowMicros();
    }
  }
  const auto per_second = [](std::int64_t tokens, std::int64_t micros) {
    return static_cast<double>(tokens) * 1e6 /
           static_cast<double>(std::max<std::int64_t>(micros, 1));
  };
  return Round{.prompt_rate = per_second(prompt * batch, prompts_read - start),
               .decode_rate = per_second(decoded, clock.NowMicros() - prompts_read)};
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The most that this program has had in memory (VmHWM; getrusage's figure counts whoever started
// it too).
std::uint64_t PeakResidentBytes() {
  std::ifstream status("/proc/self/status");
  std::uint64_t kibibytes = 0;
  for (std::string word; status >> word && word != "VmHWM:";) {
  }
  status >> kibibytes;
  return kibibytes * 1024;
}

Json PlanJson(const MemoryPlan& plan, std::uint64_t peak) {
  return Json::Of({{"predicted_bytes", plan.total()},
                   {"weight_bytes", plan.weight_bytes},
                   {"page_bytes", plan.page_bytes},
                   {"workspace_bytes", plan.workspace_bytes},
                   {"process_bytes", plan.process_bytes},
                   {"peak_rss_bytes", peak}});
}

Status Run(Session& session) {
  const Options& options = session.options;
  ASHLAR_TRY(const std::int64_t prompt, options.Integer("prompt", 1, 1 << 20));
  ASHLAR_TRY(const std::int64_t gen, options.Integer("gen", 2, 1 << 20));
  ASHLAR_TRY(const std::int64_t batch, options.Integer("batch", 1, 1024));
  ASHLAR_TRY(const std::int64_t rounds, options.Integer("rounds", 1, 1000));
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.max_positions = prompt + gen,
                                    .max_sequences = batch,
                                    .max_rows = 512,
                                    .prefix_cache = false}));
  const HostedNetwork& network = host.networks().front();
  const int threads = host.engine().options().threads;

  std::vector<double> prompt_rates;
  std::vector<double> decode_rates;
  for (std::int64_t round = -1; round < rounds; ++round) {  // one to warm up
    ASHLAR_TRY(const Round times, RunRound(host.engine(), network, prompt, gen, batch,
                                           static_cast<std::uint64_t>(round + 2)));
    if (round >= 0) {
      prompt_rates.push_back(times.prompt_rate);
      decode_rates.push_back(times.decode_rate);
    }
  }
  const double prompt_rate = Median(prompt_rates);
  const double decode_rate = Median(decode_rates);
  // Every step of decoding reads all weights once, whatever the batch.
  const double weights = static_cast<double>(WeightBytes(network.network));
  const double read = weights * decode_rate / static_cast<double>(batch);
  const std::uint64_t peak_resident = PeakResidentBytes();  // before the measuring of bandwidth
  const double peak = ReadBytesPerSecond(threads);

  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"network", network.name},
                                         {"threads", threads},
                                         {"isa", IsaName(host.engine().options().isa)},
                                         {"prompt", prompt},
                                         {"gen", gen},
                                         {"batch", batch},
                                         {"rounds", rounds},
                                         {"prompt_tokens_per_second", prompt_rate},
                                         {"decode_tokens_per_second", decode_rate},
                                         {"weight_bytes", WeightBytes(network.network)},
                                         {"decode_read_bytes_per_second", read},
                                         {"peak_read_bytes_per_second", peak},
                                         {"bandwidth_share", read / peak},
                                         {"plan", PlanJson(host.plan(), peak_resident)}}));
    return {};
  }
  constexpr Column kColumns[] = {{"NETWORK"},
                                 {"PROMPT", Align::kRight},
                                 {"DECODE", Align::kRight},
                                 {"WEIGHTS", Align::kRight},
                                 {"READ", Align::kRight},
                                 {"OF PEAK", Align::kRight}};
  session.terminal.PrintTable(
      kColumns,
      std::vector<std::vector<std::string>>{
          {network.name, fmt::format("{:.1f} tokens/s", prompt_rate),
           fmt::format("{:.1f} tokens/s", decode_rate), FormatBytes(WeightBytes(network.network)),
           fmt::format("{:.2f} GB/s", read * 1e-9), fmt::format("{:.0f} %", 100 * read / peak)}});
  session.terminal.Note(fmt::format(
      "{} prompt and {} new tokens, {} sequences, {} threads, {}, median of {}; peak read {:.1f} "
      "GB/s. Weights that fit in the cache can be read faster than memory.",
      prompt, gen, batch, threads, IsaName(host.engine().options().isa), rounds, peak * 1e-9));
  return {};
}

}  // namespace

constinit const Verb kBench{
    .name = "bench",
    .summary = "measure a network's speed and its share of the memory bandwidth",
    .details = "",
    .examples = "  ashlar bench base --prompt 128 --gen 64\n  ashlar bench base --batch 8 --json",
    .options = kOptions,
    .run = Run,
};

}  // namespace ashlar::cli
