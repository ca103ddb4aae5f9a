#include "ashlar/calibrate/shrink.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/ranges.h>

#include "ashlar/base/clock.h"
#include "ashlar/calibrate/calibration_text.h"
#include "ashlar/calibrate/divergence.h"
#include "ashlar/calibrate/input_moments.h"
#include "ashlar/calibrate/quantize/quantize.h"
#include "ashlar/calibrate/unfinished.h"
#include "ashlar/graph/describe.h"
#include "ashlar/graph/stored_tensor.h"
#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {
namespace {

// Moments of inputs at once: those of an ordinary block fit, and the experts of a mixture take
// turns.
constexpr std::uint64_t kMomentBytes = std::uint64_t{512} << 20;

// What measuring the levels' worth may cost, and the sample that it is measured on.
constexpr double kSensitivityFlops = 3e12;
constexpr std::int64_t kMostSampleRows = 1024;
constexpr std::int64_t kGoodSampleRows = 256;
constexpr std::int64_t kLeastSampleRows = 128;
constexpr std::int64_t kMostSampleLogits = std::int64_t{1} << 25;
// The levels (from 0) that are measured, the more the better: those where the loss is large and
// does not yet follow the error. The first of these sets that a good sample can be had for.
constexpr int kFourLevels[] = {0, 1, 2, 3};
constexpr int kTwoLevels[] = {0, 2};
constexpr int kOneLevel[] = {1};
constexpr std::span<const int> kMeasuredLevels[] = {kFourLevels, kTwoLevels, kOneLevel};

// What writing the text and passing it may cost: small networks can have more tokens.
constexpr double kTextFlops = 8e12;
constexpr std::int64_t kFewTokens = 8192;
constexpr std::int64_t kManyTokens = 65536;

// An embedding that is a head too is also read as it is, where all inputs count alike: as if its
// inputs had so much more of their mean square each.
constexpr float kLookupShare = 4;

// A matrix to encode: once for all its uses.
struct Target {
  Digest source;  // of its manifest
  TensorManifest manifest;
  std::shared_ptr<const TensorManifest> base;  // what it is stored as the difference from, or null
  std::string name;                            // of the first use
  Divergence::Uses uses;                       // ascending
  std::optional<TensorManifest> encoded;

  int first_use() const { return uses.front().first; }
  int last_use() const { return uses.back().first; }
};

// Where the time goes, by phase in order of first use.
class Phases {
 public:
  template <class Body>
  auto Run(std::string_view phase, const Body& body) {
    const std::int64_t start = clock_.NowMicros();
    auto result = body();
    auto at = std::ranges::find(seconds, phase, &std::pair<std::string, double>::first);
    if (at == seconds.end()) {
      at = seconds.emplace(at, std::string(phase), 0);
    }
    at->second += static_cast<double>(clock_.NowMicros() - start) * 1e-6;
    return result;
  }
  std::vector<std::pair<std::string, double>> seconds;

 private:
  SteadyClock clock_;
};

Digest DigestOf(const TensorManifest& tensor) {
  return Sha256(CanonicalJson(ToJson(tensor)));
}

// The base's matrices by name.
std::map<std::string, TensorManifest> MatricesOf(const Network& network) {
  std::map<std::string, TensorManifest> matrices;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (tensor.role == TensorRole::kMatrix) {
      matrices.emplace(tensor.name, *tensor.manifest);
    }
  }
  return matrices;
}

// The matrices of a network that the codec can hold; the names of the others go to `kept`.
std::vector<Target> TargetsOf(const Network& network, const Codec& codec, const Network* base,
                              std::vector<std::string>& kept) {
  const std::map<std::string, TensorManifest> bases =
      base == nullptr ? std::map<std::string, TensorManifest>() : MatricesOf(*base);
  std::vector<Target> targets;
  std::map<Digest, std::size_t> known;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (tensor.role != TensorRole::kMatrix) {
      continue;
    }
    if (!PackedBytes(codec, tensor.manifest->shape).ok()) {
      kept.push_back(tensor.name);
      continue;
    }
    const Digest source = DigestOf(*tensor.manifest);
    const auto [at, is_new] = known.emplace(source, targets.size());
    if (is_new) {
      Target target{.source = source, .manifest = *tensor.manifest, .name = tensor.name};
      if (const auto found = bases.find(tensor.name);
          found != bases.end() && found->second.shape == tensor.manifest->shape &&
          found->second.base == nullptr) {
        target.base = std::make_shared<const TensorManifest>(found->second);
      }
      targets.push_back(std::move(target));
    }
    targets[at->second].uses.emplace_back(tensor.node, tensor.tensor);
  }
  return targets;
}

// A tensor's name without numbers: tensors of one role are alike.
std::string RoleOf(std::string_view name) {
  std::string role;
  for (const char c : name) {
    if (c < '0' || c > '9') {
      role += c;
    } else if (role.empty() || role.back() != '#') {
      role += '#';
    }
  }
  return role;
}

// Operations of a row from each node to the end.
std::vector<double> FlopsFrom(const Network& network) {
  std::vector<double> from(network.nodes.size() + 1);
  for (int node = static_cast<int>(network.nodes.size()) - 1; node >= 0; --node) {
    from[node] =
        from[node + 1] + network.BlockOf(node).kind->cost(EffectiveAttributes(network, node)).flops;
  }
  return from;
}

// What is measured: `rows` of the calibration at `levels`, for one of `every` matrices of a role.
struct Sample {
  std::int64_t rows;
  std::span<const int> levels;
  std::int64_t every;
};

// As much as the work allows. A row that is measured for a matrix passes the nodes from its first
// use to the end.
Sample ChooseSample(const Network& network, std::span<const Target> targets, std::int64_t rows,
                    std::int64_t logits) {
  const std::vector<double> from = FlopsFrom(network);
  double flops = 1;  // of one row at one level
  for (const Target& target : targets) {
    flops += from[target.first_use()];
  }
  const std::int64_t room = std::max<std::int64_t>(1, kMostSampleLogits / logits);
  Sample sample{};
  std::int64_t affordable = 0;
  for (const std::span<const int> levels : kMeasuredLevels) {
    affordable =
        static_cast<std::int64_t>(kSensitivityFlops / (flops * static_cast<double>(levels.size())));
    sample.levels = levels;
    if (affordable >= kGoodSampleRows) {
      break;
    }
  }
  sample.rows = std::min({std::clamp(affordable, kLeastSampleRows, kMostSampleRows), rows, room});
  sample.every = 1 + sample.rows / std::max<std::int64_t>(2 * affordable, 1);
  return sample;
}

std::int64_t TokensFor(const Network& network) {
  return std::clamp(static_cast<std::int64_t>(kTextFlops / std::max(1.0, FlopsFrom(network)[0])),
                    kFewTokens, kManyTokens);
}

class Shrinker {
 public:
  Shrinker(Catalog& catalog, std::string_view name, const ShrinkOptions& options)
      : catalog_(catalog),
        store_(catalog.store()),
        name_(name),
        options_(options),
        pool_(options.threads),
        moments_(pool_, kMomentBytes) {}

  Result<Shrunk> Run(std::string_view from);

 private:
  Status Open(std::string_view from);
  Result<CalibrationText> Text();
  Status Walk(const CalibrationText& text);
  Status PassNode(WalkingRows& rows, std::int64_t sample_rows, const Divergence& divergence);
  Status Encode(Target& target, const WalkingRows& sample, const Divergence& divergence);
  std::vector<float> OutputWeights(const Target& target, const Divergence& divergence);
  Result<std::vector<double>> Losses(const Target& target, const TensorManifest& encoded,
                                     const std::vector<double>& errors, const WalkingRows& sample,
                                     const Divergence& divergence);
  void Finish(Target& target, TensorManifest encoded);
  Status KeepDone(bool now);
  Result<Network> Assemble() const;
  Json ProvenanceStep() const;
  void Tell(std::string_view remark) const {
    if (options_.remark) {
      options_.remark(remark);
    }
  }

  Catalog& catalog_;
  BlobStore& store_;
  const std::string name_;
  const ShrinkOptions& options_;
  ThreadPool pool_;
  InputMoments moments_;
  Phases phases_;
  SteadyClock clock_;

  // What was measured of the last matrix of a role: (level, loss / error).
  struct Role {
    std::int64_t seen = 0;
    std::vector<std::pair<int, double>> loss_of_error;
  };

  Network network_;
  Provenance provenance_;
  std::optional<Network> base_;
  std::vector<Target> targets_;
  std::map<std::pair<int, std::string>, int> target_of_;  // by use
  std::int64_t weights_ = 0, weights_done_ = 0;
  std::optional<Digest> tokens_blob_;
  Statistics done_;
  std::int64_t kept_at_us_ = 0;
  Sample sample_{};
  std::int64_t tokens_ = 0;  // of the text, at most
  std::map<std::string, Role> roles_;
  Shrunk result_;
  std::unique_ptr<NodeWalk> walk_;
};

Status Shrinker::Open(std::string_view from) {
  ASHLAR_TRY(CheckNetworkName(name_));
  ASHLAR_TRY(const Tags tags, store_.ReadTags());
  if (tags.contains(name_)) {
    return Conflict(
        "there is a network named \"{}\" already; remove it first, or choose another "
        "name",
        name_);
  }
  ASHLAR_TRY(network_, catalog_.Load(from));
  ASHLAR_TRY(provenance_, catalog_.LoadProvenance(from));
  for (const NamedTensor& tensor : NamedTensors(network_)) {
    if (tensor.manifest->codec->residual != nullptr) {
      return Invalid("network \"{}\" is shrunk already: {} is in {}", from, tensor.name,
                     tensor.manifest->codec->name);
    }
  }
  if (options_.base) {
    ASHLAR_TRY(base_, catalog_.Load(*options_.base));
  }
  std::vector<std::string> kept;
  targets_ = TargetsOf(network_, *options_.codec, base_ ? &*base_ : nullptr, kept);
  if (!kept.empty()) {
    const std::size_t listed = std::min<std::size_t>(kept.size(), 8);
    Tell(fmt::format(
        "kept as they are, since their shapes do not fit {}: {}{}", options_.codec->name,
        fmt::join(std::span(kept).first(listed), ", "),
        listed == kept.size() ? "" : fmt::format(", and {} more", kept.size() - listed)));
  }
  if (targets_.empty()) {
    return Invalid("network \"{}\" has no matrix that {} can hold", from, options_.codec->name);
  }
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    weights_ += targets_[i].manifest.shape.elements();
    for (const auto& use : targets_[i].uses) {
      target_of_.emplace(use, static_cast<int>(i));
    }
  }

  tokens_ = options_.tokens.value_or(TokensFor(network_));
  Json job = Json::Of({{"codec", options_.codec->name},
                       {"kernels", KernelForm(options_.isa)},
                       {"max_bits", options_.max_bits},
                       {"network", network_.digest().ToString()},
                       {"seed", std::to_string(options_.seed)},
                       {"tokens", tokens_}});
  if (base_) {
    job.Set("base", base_->digest().ToString());
  }
  if (options_.text) {
    job.Set("text", Sha256(std::as_bytes(std::span(*options_.text))).ToString());
  }
  done_.job = Sha256(CanonicalJson(job));
  return {};
}

Result<CalibrationText> Shrinker::Text() {
  const Network& network = network_;
  const std::int64_t length =
      std::min(kCalibrationLength, network.metadata.context_length.value_or(kCalibrationLength));
  ASHLAR_TRY(const std::optional<Unfinished> before, FindUnfinished(store_, name_));
  CalibrationText text;
  if (before && before->done.job == done_.job) {
    ASHLAR_TRY(std::vector<std::int32_t> tokens,
               LoadTokens(store_, before->tokens, walk_->token_limit()));
    text = CutIntoSequences(std::move(tokens), length);
    for (const TensorStatistics& tensor : before->done.tensors) {
      const auto target = std::ranges::find(targets_, tensor.source, &Target::source);
      if (target != targets_.end() && !target->encoded) {
        Finish(*target, tensor.tensor);
        done_.tensors.push_back(tensor);
        ++result_.taken_over;
      }
    }
  } else if (before) {
    Tell(fmt::format("forgetting the unfinished work on \"{}\", which had other options", name_));
  }
  if (text.tokens.empty() && options_.text) {
    ASHLAR_TRY(text, TakeEvenly(*options_.text, tokens_, length));
  } else if (text.tokens.empty()) {
    ASHLAR_TRY(text, WriteOwnText(store_, network,
                                  {.tokens = tokens_,
                                   .length = length,
                                   .seed = options_.seed,
                                   .threads = options_.threads,
                                   .isa = options_.isa,
                                   .progress = [&](std::uint64_t done, std::uint64_t total) {
                                     if (options_.progress) {
                                       options_.progress("writing text", done, total);
                                     }
                                   }}));
  }
  done_.tokens = static_cast<std::int64_t>(text.tokens.size());
  ASHLAR_TRY(tokens_blob_, PutTokens(store_, text.tokens));
  ASHLAR_TRY(KeepDone(/*now=*/true));
  return text;
}

void Shrinker::Finish(Target& target, TensorManifest encoded) {
  target.encoded = std::move(encoded);
  weights_done_ += target.manifest.shape.elements();
  if (options_.progress) {
    options_.progress("shrinking", static_cast<std::uint64_t>(weights_done_),
                      static_cast<std::uint64_t>(weights_));
  }
}

Status Shrinker::KeepDone(bool now) {
  const std::int64_t at = clock_.NowMicros();
  if (!now && static_cast<double>(at - kept_at_us_) * 1e-6 < options_.keep_every_seconds) {
    return {};
  }
  Sort(done_);
  ASHLAR_TRY(KeepUnfinished(store_, name_, {.done = done_, .tokens = *tokens_blob_}));
  kept_at_us_ = clock_.NowMicros();
  return {};
}

Status Shrinker::Walk(const CalibrationText& text) {
  WalkingRows rows(text.tokens, text.lengths);
  const Sample chosen = ChooseSample(network_, targets_, rows.rows(), walk_->logits());
  result_.sample_rows = chosen.rows;
  sample_ = chosen;
  const WalkingRows sample = rows.First(chosen.rows);
  ASHLAR_TRY(const Divergence divergence,
             phases_.Run("sensitivities", [&] { return Divergence::Open(*walk_, pool_, sample); }));
  while (true) {
    ASHLAR_TRY(PassNode(rows, chosen.rows, divergence));
    if (rows.node() + 1 == walk_->nodes() ||
        std::ranges::all_of(targets_, [](const Target& t) { return t.encoded.has_value(); })) {
      return {};
    }
    walk_->Leave(rows);
  }
}

Status Shrinker::PassNode(WalkingRows& rows, std::int64_t sample_rows,
                          const Divergence& divergence) {
  const int node = rows.node();
  const WalkingRows sample = rows.First(sample_rows);
  const auto key_of = [&](std::string_view tensor) {
    const auto target = target_of_.find({node, std::string(tensor)});
    const bool wanted =
        target != target_of_.end() && !targets_[static_cast<std::size_t>(target->second)].encoded;
    return wanted ? target->second : -1;
  };
  bool again = false;
  do {
    moments_.BeginPass(key_of, again);
    ASHLAR_TRY(
        phases_.Run("passing rows", [&] { return walk_->Compute(rows, {.observer = &moments_}); }));
    // What has its last use here, and is not waiting for another pass.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      Target& target = targets_[i];
      if (!target.encoded && target.last_use() == node && !moments_.Left(static_cast<int>(i))) {
        if (const Status status = Encode(target, sample, divergence); !status.ok()) {
          return status.error().In(target.name);
        }
        ASHLAR_TRY(phases_.Run("storing", [&] { return KeepDone(/*now=*/false); }));
      }
    }
    again = true;
  } while (moments_.left_some());
  return {};
}

std::vector<float> Shrinker::OutputWeights(const Target& target, const Divergence& divergence) {
  // How often each row is looked up, and how likely each token is where rows are logits; half of it
  // evenly, since the calibration has not seen all.
  const auto rows = static_cast<std::size_t>(target.manifest.shape[0]);
  std::vector<double> shares(rows);
  int kinds = 0;
  const auto& lookups = moments_.LookupsOf(target_of_.at(target.uses.front()));
  if (!lookups.empty()) {
    std::int64_t total = 0;
    for (const auto& [row, count] : lookups) {
      total += count;
    }
    for (const auto& [row, count] : lookups) {
      shares[static_cast<std::size_t>(row)] +=
          static_cast<double>(count) / static_cast<double>(total);
    }
    ++kinds;
  }
  if (target.last_use() + 1 == walk_->nodes() && divergence.token_shares().size() == rows) {
    for (std::size_t row = 0; row < rows; ++row) {
      shares[row] += divergence.token_shares()[row];
    }
    ++kinds;
  }
  std::vector<float> weights;
  for (std::size_t row = 0; kinds > 0 && row < rows; ++row) {
    weights.push_back(
        static_cast<float>(0.5 + 0.5 * static_cast<double>(rows) * shares[row] / kinds));
  }
  return weights;
}

std::vector<float> WithLookups(const Moments& moments) {
  std::vector<float> sums = moments.sums;
  double mean = 0;
  for (const float square : moments.Diagonal()) {
    mean += square / static_cast<double>(moments.width);
  }
  for (std::int64_t i = 0; i < moments.width; ++i) {
    sums[static_cast<std::size_t>(i * moments.width + i)] +=
        kLookupShare * static_cast<float>(mean);
  }
  return sums;
}

// The sum of a level's errors over all bands.
double Total(const std::vector<double>& bands) {
  double sum = 0;
  for (const double band : bands) {
    sum += band;
  }
  return sum;
}

Status CheckFinite(std::span<const float> values, std::int64_t columns) {
  const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
  if (bad == values.end()) {
    return {};
  }
  const std::int64_t index = bad - values.begin();
  return Invalid("row {}, column {} is {}: only finite numbers can be encoded", index / columns,
                 index % columns, *bad);
}

// All numbers of a stored tensor, on all threads.
Result<std::vector<float>> ReadAll(const BlobStore& store, const TensorManifest& tensor,
                                   ThreadPool& pool) {
  ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, tensor));
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
  constexpr std::int64_t kRowsAtOnce = 32;
  pool.ParallelFor(tensor.shape[0], kRowsAtOnce, [&](std::int64_t begin, std::int64_t end, int) {
    stored.Decode(begin, end, values.data() + begin * tensor.shape[1]);
  });
  ASHLAR_TRY(stored.CheckWhole());
  return values;
}

Status Shrinker::Encode(Target& target, const WalkingRows& sample, const Divergence& divergence) {
  const Shape& shape = target.manifest.shape;
  const Codec& codec = *options_.codec;
  const int levels = LevelsWithin(codec, shape, options_.max_bits);
  const int key = target_of_.at(target.uses.front());
  TensorStatistics statistics{.source = target.source,
                              .tensor = {.shape = shape, .codec = &codec, .base = target.base}};
  const std::shared_ptr<const Moments> moments = moments_.Take(key);
  std::vector<double> errors;
  {
    ASHLAR_TRY(std::vector<float> values, ReadAll(store_, target.manifest, pool_));
    ASHLAR_TRY(CheckFinite(values, shape[1]));
    if (target.base != nullptr) {
      ASHLAR_TRY(const std::vector<float> base, ReadAll(store_, *target.base, pool_));
      std::ranges::transform(values, base, values.begin(), std::minus<>());
      if (std::ranges::all_of(values, [](float v) { return v == 0; })) {
        Finish(target, *target.base);  // nothing differs: it is the base's
        return {};
      }
    }
    std::vector<std::vector<std::byte>> packed(static_cast<std::size_t>(levels));
    std::vector<std::byte*> out;
    for (int level = 0; level < levels; ++level) {
      ASHLAR_TRY(const std::uint64_t bytes, LevelBytes(codec, shape, level));
      packed[static_cast<std::size_t>(level)].resize(bytes);
      out.push_back(packed[static_cast<std::size_t>(level)].data());
    }
    const std::vector<float> outputs = OutputWeights(target, divergence);
    std::vector<float> with_lookups;
    InputStatistics inputs{.outputs = outputs};
    if (moments != nullptr && moments->width == shape[1]) {
      inputs.moments = moments->sums;
      if (!moments_.LookupsOf(key).empty()) {
        with_lookups = WithLookups(*moments);
        inputs.moments = with_lookups;
      }
    }
    const Quantized quantized = phases_.Run("encoding", [&] {
      return Quantize(codec, values.data(), shape[0], shape[1], inputs, out, pool_);
    });
    std::vector<float> band_errors;
    for (const std::vector<double>& bands : quantized.errors) {
      errors.push_back(Total(bands));
      band_errors.insert(band_errors.end(), bands.begin(), bands.end());
    }
    ASHLAR_TRY(statistics.bands, store_.Put(std::as_bytes(std::span(band_errors))));
    for (const std::vector<std::byte>& level : packed) {
      ASHLAR_TRY(const Digest blob, phases_.Run("storing", [&] { return store_.Put(level); }));
      statistics.tensor.levels.push_back({blob, 0, level.size()});
    }
  }
  if (moments != nullptr) {
    statistics.rows = moments->rows;
    const std::vector<float> diagonal = moments->Diagonal();
    ASHLAR_TRY(statistics.inputs, store_.Put(std::as_bytes(std::span(diagonal))));
  }
  if (const auto& lookups = moments_.LookupsOf(key); !lookups.empty()) {
    std::vector<float> shares(static_cast<std::size_t>(shape[0]));
    std::int64_t total = 0;
    for (const auto& [row, count] : lookups) {
      total += count;
    }
    for (const auto& [row, count] : lookups) {
      shares[static_cast<std::size_t>(row)] =
          static_cast<float>(static_cast<double>(count) / static_cast<double>(total));
    }
    statistics.rows = std::max(statistics.rows, total);
    ASHLAR_TRY(statistics.lookups, store_.Put(std::as_bytes(std::span(shares))));
  }
  ASHLAR_TRY(statistics.losses, phases_.Run("sensitivities", [&] {
    return Losses(target, statistics.tensor, errors, sample, divergence);
  }));
  Finish(target, statistics.tensor);
  // Equal numbers that were stored in two ways are one tensor now.
  if (std::ranges::none_of(done_.tensors, [&](const TensorStatistics& known) {
        return known.tensor.levels.front() == statistics.tensor.levels.front();
      })) {
    done_.tensors.push_back(std::move(statistics));
  }
  return {};
}

Result<std::vector<double>> Shrinker::Losses(const Target& target, const TensorManifest& encoded,
                                             const std::vector<double>& errors,
                                             const WalkingRows& sample,
                                             const Divergence& divergence) {
  Role& role = roles_[RoleOf(target.name)];
  if (role.seen++ % sample_.every != 0) {
    std::vector<std::pair<int, double>> scaled = role.loss_of_error;
    for (auto& [level, ratio] : scaled) {
      ratio *= errors[static_cast<std::size_t>(level)];
    }
    return LossesFrom(errors, scaled);
  }
  std::vector<std::pair<int, double>> measured;
  role.loss_of_error.clear();
  for (const int level : sample_.levels) {
    if (level < static_cast<int>(encoded.levels.size())) {
      TensorManifest prefix = encoded;
      prefix.levels.resize(static_cast<std::size_t>(level) + 1);
      ASHLAR_TRY(const std::vector<float> values, ReadAll(store_, prefix, pool_));
      ASHLAR_TRY(const double loss, divergence.Of(target.uses, values, sample));
      measured.emplace_back(level, loss);
      const double error = errors[static_cast<std::size_t>(level)];
      role.loss_of_error.emplace_back(level, error > 0 ? loss / error : 0);
    }
  }
  return LossesFrom(errors, measured);
}

Result<Network> Shrinker::Assemble() const {
  std::map<int, Block> changed;
  for (const Target& target : targets_) {
    CHECK(target.encoded.has_value());
    for (const auto& [node, name] : target.uses) {
      const auto block = changed.try_emplace(node, network_.BlockOf(node)).first;
      block->second.tensors.find(name)->second = *target.encoded;
    }
  }
  Network network = network_;
  for (auto& [node, block] : changed) {
    network.nodes[node].block = network.AddBlock(std::move(block));
  }
  network.Prune();
  ASHLAR_TRY(Validate(network));
  return network;
}

Json Shrinker::ProvenanceStep() const {
  Json arguments = Json::Of({{"codec", options_.codec->short_name},
                             {"max-bits", std::to_string(options_.max_bits)},
                             {"tokens", std::to_string(tokens_)},
                             {"text", options_.text ? "given" : "own"},
                             {"seed", std::to_string(options_.seed)}});
  Json::Array from = {network_.digest().ToString()};
  if (base_) {
    arguments.Set("base", *options_.base);
    from.emplace_back(base_->digest().ToString());
  }
  return Json::Of(
      {{"transform", "shrink"}, {"arguments", std::move(arguments)}, {"from", std::move(from)}});
}

Result<Shrunk> Shrinker::Run(std::string_view from) {
  ASHLAR_TRY(const auto lease, store_.BeginWriting());
  ASHLAR_TRY(Open(from));
  ASHLAR_TRY(walk_, NodeWalk::Open(
                        store_, network_,
                        {.pool = pool_, .isa = options_.isa, .max_positions = kCalibrationLength}));
  ASHLAR_TRY(const CalibrationText text, phases_.Run("text", [&] { return Text(); }));
  ASHLAR_TRY(Walk(text));
  ASHLAR_TRY(result_.network, Assemble());
  Sort(done_);
  ASHLAR_TRY(phases_.Run("storing", [&]() -> Status {
    provenance_.Append(ProvenanceStep());
    ASHLAR_TRY(const Catalog::Saved saved, catalog_.Save(result_.network, name_, provenance_));
    result_.digest = saved.digest;
    ASHLAR_TRY(AttachStatistics(catalog_, name_, done_));
    return ForgetUnfinished(store_, name_);
  }));
  result_.from = std::move(network_);
  result_.statistics = std::move(done_);
  result_.seconds = std::move(phases_.seconds);
  return std::move(result_);
}

}  // namespace

Result<Shrunk> Shrink(Catalog& catalog, std::string_view name, std::string_view from,
                      const ShrinkOptions& options) {
  CHECK(options.codec != nullptr && options.codec->residual != nullptr);
  return Shrinker(catalog, name, options).Run(from);
}

}  // namespace ashlar
