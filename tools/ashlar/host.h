// A Host is what the verbs that run networks stand on: the store, one engine with the networks
// loaded, and their tokenizers. It refuses with numbers what does not fit the memory asked for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/plan/losses.h"
#include "ashlar/plan/plan.h"
#include "ashlar/plan/stack.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/text/tokenizer.h"
#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// Options of every verb that runs networks; see HostOptions.
inline constexpr OptionSpec kThreadsOption = {
    .name = "--threads", .value = "N", .doc = "threads (default: the cores this process may use)"};
inline constexpr OptionSpec kMemoryOption = {
    .name = "--memory",
    .value = "BYTES",
    .doc =
        "the whole process stays below this (300M, 1.5GiB): tensors with levels get as many as "
        "fit; what does not fit with one level each is refused with numbers"};
inline constexpr OptionSpec kWeightsOption = {
    .name = "--weights",
    .value = "BYTES",
    .doc =
        "the weights alone stay below this (10M): of tensors with levels, those that are worth "
        "most"};
inline constexpr OptionSpec kKvOption = {
    .name = "--kv",
    .value = "FORMAT",
    .otherwise = "f32",
    .doc = "of cached keys and values: f32, f16 (half the bytes) or q8 (about a quarter)"};
inline constexpr OptionSpec kVerifyOption = {
    .name = "--verify", .kind = OptionKind::kFlag, .doc = "hash every blob while loading"};

// Sampling; see ReadSampling.
inline constexpr OptionSpec kTemperatureOption = {
    .name = "--temperature", .value = "T", .otherwise = "0", .doc = "0: the likeliest token"};
inline constexpr OptionSpec kTopKOption = {
    .name = "--top-k", .value = "K", .otherwise = "0", .doc = "keep the K likeliest; 0: all"};
inline constexpr OptionSpec kTopPOption = {
    .name = "--top-p", .value = "P", .otherwise = "1", .doc = "smallest set of this probability"};
inline constexpr OptionSpec kMinPOption = {
    .name = "--min-p", .value = "P", .otherwise = "0", .doc = "of the likeliest's probability"};
inline constexpr OptionSpec kTypicalPOption = {
    .name = "--typical-p", .value = "P", .otherwise = "1", .doc = "locally typical set"};
inline constexpr OptionSpec kRepetitionOption = {
    .name = "--repetition-penalty", .value = "R", .otherwise = "1", .doc = "above 1: repeat less"};
inline constexpr OptionSpec kPresenceOption = {
    .name = "--presence-penalty", .value = "P", .otherwise = "0", .doc = "once per token"};
inline constexpr OptionSpec kFrequencyOption = {
    .name = "--frequency-penalty", .value = "P", .otherwise = "0", .doc = "per occurrence"};
inline constexpr OptionSpec kLogitBiasOption = {.name = "--logit-bias",
                                                .kind = OptionKind::kValues,
                                                .value = "ID=B",
                                                .doc = "added to a token's logit, -100 to 100"};
inline constexpr OptionSpec kSeedOption = {
    .name = "--seed", .value = "N", .otherwise = "0", .doc = "of the draws; same seed, same text"};

Result<SamplingOptions> ReadSampling(const Options& options);

// The longest sequences that the engine takes.
inline constexpr std::int64_t kMaxContext = std::int64_t{1} << 24;
// --context, when it was typed.
Result<std::optional<std::int64_t>> ReadContext(const Options& options);

// --threads, or the cores that this process may use.
Result<int> ReadThreads(const Options& options);
// The instruction set that $ASHLAR_ISA forces, or the fastest one.
Result<Isa> ReadIsa();
// The network's tokenizer; nothing when it has none.
Result<std::optional<Tokenizer>> LoadTokenizer(const Network& network, const BlobStore& store,
                                               bool verify);

struct HostedNetwork {
  std::string name;
  Network network;
  NetworkId id{};
  std::optional<Tokenizer> tokenizer;
  std::int64_t logits = 0;  // width of a row of logits

  // The tokens that a sequence may grow to, prompt and answer: what --context asked for, which is
  // kInvalid beyond the positions that the network was made for, or else those. (A network that
  // does not say sets no limit: kMaxContext.)
  Result<std::int64_t> Context(std::optional<std::int64_t> asked) const;
  // kInvalid when the network has no tokenizer.
  Result<const Tokenizer*> RequireTokenizer() const;
};

struct HostOptions {
  std::int64_t max_positions = 1;  // of any one sequence
  // Asked instead when set, once the networks and their tokenizers are there.
  std::function<Result<std::int64_t>(std::span<const HostedNetwork>)> measure_positions = nullptr;
  std::int64_t max_sequences = 1;
  std::int64_t max_rows = 256;
  std::int64_t max_logit_rows = 64;
  bool prefix_cache = true;
  std::optional<std::uint64_t> weight_bytes = {};  // in place of --weights
  bool as_planned = false;  // all that was planned is resident from the start, as with --memory
};

// What is typed for every verb that runs networks.
struct HostSettings {
  Isa isa = Isa::kReference;
  int threads = 1;
  KvFormat kv_format = KvFormat::kF32;
  bool verify = false;
  std::optional<std::uint64_t> memory_bytes = {};  // of the whole process
  std::optional<std::uint64_t> weight_bytes = {};
  std::optional<std::uint64_t> page_bytes = {};  // of state; none: what the sequences need
};
// --threads and ASHLAR_ISA, of a verb that has the option.
Status ReadMachine(const Options& options, HostSettings& settings);

// Networks that could be run: all is known of what that takes, and no weight has been read.
struct HostPlan {
  std::unique_ptr<BlobStore> store;
  std::vector<HostedNetwork> networks;               // not loaded
  std::vector<LevelLosses> losses;                   // of each, where they were measured
  std::vector<std::vector<JointLoss>> joint_losses;  // of each: LoadJointLosses
  EngineOptions engine;
  Stack stack{{}};
  PlanRequest request;  // but for the networks, at the cut's precision
  StackCut cut;         // what is resident of the weights
  MemoryPlan memory;

  std::vector<const Network*> Views() const;
  // At another cut. Requires: of this stack.
  MemoryPlan MemoryAt(const StackCut& other) const;
};
// Opens the store and loads the manifests of `names` (each once). `shares`: the weights that they
// divide a budget by, as many as names; empty: all alike. kExhausted, with numbers, when they do
// not fit.
Result<HostPlan> PlanHost(const Session& session, std::span<const std::string> names,
                          const HostOptions& options, const HostSettings& settings,
                          std::span<const double> shares = {});

class Host {
 public:
  // Plans within --memory and --weights, and loads the networks.
  static Result<Host> Open(const Session& session, std::span<const std::string> names,
                           HostOptions options);

  Engine& engine() { return *engine_; }
  const std::vector<HostedNetwork>& networks() const { return networks_; }
  const MemoryPlan& plan() const { return plan_; }
  // Of the weights, what is resident.
  const StackCut& cut() const { return cut_; }
  // What so many bytes of weights hold, of what was resident at first. kExhausted, with numbers.
  Result<StackCut> Cut(std::uint64_t weight_bytes) const;
  // The next step runs at such a cut.
  Status Resize(StackCut cut);
  // A file that came with the network; nothing when there was none.
  Result<std::optional<std::string>> ReadFile(const HostedNetwork& network,
                                              std::string_view name) const;
  std::int64_t max_positions() const { return engine_->options().max_positions; }

 private:
  std::unique_ptr<BlobStore> store_;
  std::vector<HostedNetwork> networks_;
  std::unique_ptr<Engine> engine_;
  Stack stack_{{}};
  std::size_t most_entries_ = 0;
  StackCut cut_;
  MemoryPlan plan_;
};

// One completion, with its text.
struct Generation {
  std::string text;
  // Those whose text is wholly in `text`: where a stop string ended it, neither the tokens of the
  // stop string nor one inside which it begins.
  std::vector<std::int32_t> token_ids;
  std::vector<SampledToken> tokens;   // the same, with log-probabilities when asked for
  std::int64_t generated_tokens = 0;  // those of the stop string too
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of those, for which some work was spared
  FinishReason finish = FinishReason::kNone;
  bool stopped_by_string = false;
  double seconds = 0;         // from submission to the last token
  double prompt_seconds = 0;  // to the first one
};

struct GenerationRequest {
  const HostedNetwork* network = nullptr;
  std::vector<std::int32_t> prompt;
  std::int64_t max_tokens = 128;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_tokens;  // besides the network's own
  bool ignore_eos = false;
  // Called with each piece of text as soon as it is certain; may be null.
  std::function<void(std::string_view)> on_text;
};

// Runs all requests side by side, in the same steps.
Result<std::vector<Generation>> Generate(Engine& engine,
                                         std::span<const GenerationRequest> requests);

std::string_view FinishName(const Generation& generation);  // "stop" or "length"

}  // namespace ashlar::cli
