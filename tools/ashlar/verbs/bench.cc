#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "ashlar/base/clock.h"
#include "ashlar/graph/describe.h"
#include "ashlar/kernels/peak/peak.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/kernel_bench.h"
#include "tools/ashlar/load_bench.h"
#include "tools/ashlar/profile_report.h"
#include "tools/ashlar/step_cost.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kBenchOptions[] = {
    {.name = "NET",
     .value = "NAME",
     .required = true,
     .doc = "a network; or \"kernels\": no network, but each kernel alone"},
    {.name = "--prompt", .value = "N", .otherwise = "128", .doc = "tokens of each prompt"},
    {.name = "--gen", .value = "N", .otherwise = "64", .doc = "new tokens of each sequence"},
    {.name = "--depth",
     .value = "N",
     .doc = "tokens of context that decoding is measured after (default: --prompt)"},
    {.name = "--batch", .value = "N", .otherwise = "1", .doc = "sequences side by side"},
    {.name = "--context",
     .value = "N",
     .doc = "tokens that a sequence may grow to, for which memory is planned (default: --prompt or "
            "--depth, and --gen together)"},
    {.name = "--rounds", .value = "N", .otherwise = "3", .doc = "rounds; the median is printed"},
    {.name = "--load",
     .kind = OptionKind::kFlag,
     .doc = "what loading takes instead, and how much of it are checks"},
    {.name = "--profile",
     .kind = OptionKind::kFlag,
     .doc = "one more round, timed by block kind and kernel"},
    kThreadsOption,
    kMemoryOption,
    kWeightsOption,
    kKvOption,
    kVerifyOption,
    {.name = "--isa",
     .value = "ISA",
     .doc = "kernels: only the forms for reference, avx2, avxvnni, avx512 or amx"},
    {.name = "--kernel", .value = "PREFIX", .doc = "kernels: those whose names begin so only"},
    {.name = "--seconds",
     .value = "S",
     .otherwise = "0.2",
     .doc = "kernels: processor time for each size of each form"},
    {.name = "--svg", .value = "FILE", .doc = "kernels: write a roofline plot of the linear ones"},
};
constexpr std::string_view kKernelOptions[] = {"isa", "kernel", "seconds", "svg"};

// kInvalid when an option was typed that is not for what is measured.
Status CheckBenchOptions(const Options& options, bool kernels) {
  constexpr std::string_view kLoadOptions[] = {"NET", "load", "rounds"};
  for (const auto& [name, values] : options.values) {
    if (options.Flag("load") && options.Typed(name) &&
        std::ranges::find(kLoadOptions, name) == std::end(kLoadOptions)) {
      return Invalid("--{} is not for --load", name);
    }
    const bool of_kernels = std::ranges::find(kKernelOptions, name) != std::end(kKernelOptions);
    if (name != "NET" && options.Typed(name) && of_kernels != kernels) {
      return Invalid("--{} is for {}", name, kernels ? "networks" : "`ashlar bench kernels`");
    }
  }
  return {};
}

// Random sequences side by side on an engine that runs nothing else: their prompts are read, and
// then they decode. Every prompt has random tokens of its own, so that no two share anything.
class Workload {
 public:
  Workload(Engine& engine, const HostedNetwork& network, std::int64_t sequences, std::int64_t gen,
           std::uint64_t seed)
      : engine_(engine), network_(network), sequences_(sequences), gen_(gen), random_(seed) {}

  // Prompt tokens per second, of all sequences together: until each has its first token. (A later
  // prompt's rows may share steps with an earlier sequence that decodes already.)
  Result<double> ReadPrompts(std::int64_t length) {
    for (std::int64_t i = 0; i < sequences_; ++i) {
      Request request{.network = network_.id, .prompt = RandomTokens(length), .max_tokens = gen_};
      request.sampling.temperature = 0;
      ASHLAR_TRY(running_.emplace_back(), engine_.Submit(std::move(request)));
    }
    const std::int64_t start = clock_.NowMicros();
    std::set<RequestId> answered;
    while (std::ssize(answered) < sequences_) {
      ASHLAR_TRY(const Step step, RunStep());
      answered.insert(step.answered.begin(), step.answered.end());
      if (step.finished) {
        return Invalid(
            "--gen {} is too few: a sequence ended before all of {} had read their "
            "prompts",
            gen_, sequences_);
      }
    }
    return PerSecond(length * sequences_, start);
  }

  // New tokens per second, of all sequences together: over the steps in which every one of them
  // decodes, so until the first has all of its tokens. Then lets go of all. Requires: ReadPrompts.
  Result<double> Decode() {
    const std::int64_t start = clock_.NowMicros();
    std::int64_t tokens = 0;
    for (bool finished = false; !finished;) {
      ASHLAR_TRY(const Step step, RunStep());
      tokens += std::ssize(step.answered);
      finished = step.finished;
    }
    const double rate = PerSecond(tokens, start);
    ASHLAR_TRY(LetGo());
    return rate;
  }

  // Ends all sequences.
  Status LetGo() {
    for (const RequestId id : running_) {
      if (const Status cancelled = engine_.Cancel(id);
          !cancelled.ok() && cancelled.error().code != ErrorCode::kNotFound) {
        return cancelled;
      }
    }
    running_.clear();
    while (!engine_.idle()) {
      ASHLAR_TRY(engine_.Step());
    }
    return {};
  }

 private:
  struct Step {
    std::vector<RequestId> answered;  // that got a token
    bool finished = false;            // whether one of them was its last
  };

  Result<Step> RunStep() {
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine_.Step());
    Step step;
    for (const Delivery& delivery : deliveries) {
      if (delivery.error) {
        return delivery.error->In(fmt::format("network \"{}\"", network_.name));
      }
      if (delivery.token) {
        step.answered.push_back(delivery.request);
      }
      step.finished |= delivery.finish != FinishReason::kNone;
    }
    return step;
  }

  std::vector<std::int32_t> RandomTokens(std::int64_t count) {
    std::vector<std::int32_t> tokens;
    for (std::int64_t i = 0; i < count; ++i) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
      tokens.push_back(
          static_cast<std::int32_t>((random_ >> 33) % static_cast<std::uint64_t>(network_.logits)));
    }
    return tokens;
  }

  double PerSecond(std::int64_t tokens, std::int64_t start) const {
    const std::int64_t micros = std::max<std::int64_t>(clock_.NowMicros() - start, 1);
    return static_cast<double>(tokens) * 1e6 / static_cast<double>(micros);
  }

  Engine& engine_;
  const HostedNetwork& network_;
  const std::int64_t sequences_;
  const std::int64_t gen_;
  std::uint64_t random_;
  std::vector<RequestId> running_;
  SteadyClock clock_;
};

// How long sequences are when their prompts are timed, and when their decoding is.
struct Lengths {
  std::int64_t prompt;
  std::int64_t depth;
};
struct Round {
  double prompt_rate = 0;  // tokens per second, all sequences together
  double decode_rate = 0;
};
struct Profiles {
  Profile prompt;
  Profile decode;
};

// `profiles` may be null.
Result<Round> RunRound(Engine& engine, Workload workload, const Lengths& lengths,
                       Profiles* profiles) {
  Round round;
  engine.set_profile(profiles == nullptr ? nullptr : &profiles->prompt);
  ASHLAR_TRY(round.prompt_rate, workload.ReadPrompts(lengths.prompt));
  engine.set_profile(nullptr);
  if (lengths.depth != lengths.prompt) {
    ASHLAR_TRY(workload.LetGo());
    ASHLAR_TRY(workload.ReadPrompts(lengths.depth));
  }
  engine.set_profile(profiles == nullptr ? nullptr : &profiles->decode);
  ASHLAR_TRY(round.decode_rate, workload.Decode());
  engine.set_profile(nullptr);
  return round;
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

Status RunBench(Session& session) {
  const Options& options = session.options;
  const bool kernels = options.Text("NET") == "kernels";
  ASHLAR_TRY(CheckBenchOptions(options, kernels));
  if (kernels) {
    return BenchKernels(session);
  }
  if (options.Flag("load")) {
    return BenchLoad(session);
  }
  ASHLAR_TRY(const std::int64_t prompt, options.Integer("prompt", 1, 1 << 20));
  ASHLAR_TRY(const std::int64_t gen, options.Integer("gen", 2, 1 << 20));
  Lengths lengths{.prompt = prompt, .depth = prompt};
  if (options.Has("depth")) {
    ASHLAR_TRY(lengths.depth, options.Integer("depth", 1, 1 << 20));
  }
  const std::int64_t longest = std::max(prompt, lengths.depth);
  ASHLAR_TRY(const std::int64_t batch, options.Integer("batch", 1, 1024));
  ASHLAR_TRY(const std::int64_t rounds, options.Integer("rounds", 1, 1000));
  ASHLAR_TRY(const std::optional<std::int64_t> asked, ReadContext(options));
  const auto context = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    ASHLAR_TRY(const std::int64_t most, networks.front().Context(asked));
    if (longest + gen > most) {
      return Invalid("--{} {} and --gen {} make {} tokens, but the context is {}",
                     longest == prompt ? "prompt" : "depth", longest, gen, longest + gen, most);
    }
    return asked.value_or(longest + gen);
  };
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.measure_positions = context,
                                    .max_sequences = batch,
                                    .max_rows = 512,
                                    .prefix_cache = false,
                                    .as_planned = true}));
  const HostedNetwork& network = host.networks().front();
  const int threads = host.engine().options().threads;
  const KvFormat kv_format = host.engine().options().kv_format;

  std::vector<double> prompt_rates;
  std::vector<double> decode_rates;
  const auto workload = [&](std::int64_t round) {
    return Workload(host.engine(), network, batch, gen, static_cast<std::uint64_t>(round + 2));
  };
  for (std::int64_t round = -1; round < rounds; ++round) {  // one to warm up
    ASHLAR_TRY(const Round times, RunRound(host.engine(), workload(round), lengths, nullptr));
    if (round >= 0) {
      prompt_rates.push_back(times.prompt_rate);
      decode_rates.push_back(times.decode_rate);
    }
  }
  std::optional<Profiles> profiles;
  if (options.Flag("profile")) {
    profiles.emplace();
    ASHLAR_TRY(RunRound(host.engine(), workload(rounds), lengths, &*profiles));
  }
  const double prompt_rate = Median(prompt_rates);
  const double decode_rate = Median(decode_rates);
  const double state = static_cast<double>(StateBytesPerPosition(network.network, kv_format)) *
                           (static_cast<double>(lengths.depth) + static_cast<double>(gen) / 2) +
                       static_cast<double>(CarriedStateBytes(network.network));
  const double read =
      decode_rate * (WeightBytesPerStep(network.network, host.cut().precision, batch) /
                         static_cast<double>(batch) +
                     state);
  const std::uint64_t peak_resident = PeakResidentBytes();  // before the measuring of bandwidth
  const double peak = ReadBytesPerSecond(threads);

  if (session.json) {
    Json report =
        Json::Of({{"network", network.name},
                  {"threads", threads},
                  {"isa", IsaName(host.engine().options().isa)},
                  {"prompt", prompt},
                  {"gen", gen},
                  {"batch", batch},
                  {"rounds", rounds},
                  {"prompt_tokens_per_second", prompt_rate},
                  {"decode_tokens_per_second", decode_rate},
                  {"weight_bytes", host.cut().bytes},
                  {"decode_read_bytes_per_second", read},
                  {"peak_read_bytes_per_second", peak},
                  {"bandwidth_share", read / peak},
                  {"depth", lengths.depth},
                  {"kv_format", KvFormatName(kv_format)},
                  {"state_bytes_per_position", StateBytesPerPosition(network.network, kv_format)},
                  {"plan", PlanJson(host.plan(), peak_resident)}});
    if (profiles) {
      report.Set("profile", Json::Of({{"prompt", ProfileJson(profiles->prompt)},
                                      {"decode", ProfileJson(profiles->decode)}}));
    }
    session.terminal.PrintJson(report);
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
           fmt::format("{:.1f} tokens/s", decode_rate), FormatBytes(host.cut().bytes),
           fmt::format("{:.2f} GB/s", read * 1e-9), fmt::format("{:.0f} %", 100 * read / peak)}});
  if (profiles) {
    session.terminal.PrintLine("");
    PrintProfile(profiles->prompt, "prompt", session.terminal);
    session.terminal.PrintLine("");
    PrintProfile(profiles->decode, "decode", session.terminal);
  }
  session.terminal.Note(fmt::format(
      "{} prompt and {} new tokens, {} sequences, {} threads, {}, median of {}; peak read {:.1f} "
      "GB/s. Weights that fit in the cache can be read faster than memory.",
      prompt, gen, batch, threads, IsaName(host.engine().options().isa), rounds, peak * 1e-9));
  return {};
}

}  // namespace

constinit const Verb kBench{
    .name = "bench",
    .summary = "measure a network's speed and its share of the memory bandwidth, or the kernels",
    .details =
        "Prompts are random, each its own, and nothing is cached. A prompt's rate counts until "
        "every sequence has its first token; the rate of decoding counts the steps in which all "
        "sequences decode, --depth tokens into each. READ is what such steps read: the weights "
        "of every node (of a mixture's experts, as many as so many tokens choose that choose "
        "evenly), and each sequence's state. --profile says where the time of a step goes, as the "
        "thread that runs it sees it; what is in no kernel is overhead.\n\n"
        "--load times loading alone: the manifests, which are read, parsed and checked; the checks "
        "among that, once more by themselves; and the weights, mapped and made resident.\n\n"
        "`bench kernels` times every kernel by itself, on one thread, in each form that this "
        "processor can run, against what it can do at most: the read bandwidth of memory where the "
        "operands come from there, else the arithmetic of the form's instruction set. All of them "
        "take some minutes and 600 MB. (A network that is named \"kernels\" is measured by its "
        "digest.)",
    .examples =
        "  ashlar bench base --prompt 128 --gen 64\n  ashlar bench base --batch 8 --json\n"
        "  ashlar bench base --depth 2048 --kv f16 --profile\n"
        "  ashlar bench base --load\n"
        "  ashlar bench kernels\n"
        "  ashlar bench kernels --kernel linear/q8 --isa avx2 --svg roofline.svg",
    .options = kBenchOptions,
    .run = RunBench,
};

}  // namespace ashlar::cli
