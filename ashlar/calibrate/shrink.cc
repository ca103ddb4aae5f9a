#include "ashlar/calibrate/shrink.h"

#include <algorithm>
#include <map>

#include "ashlar/base/join.h"
#include "ashlar/calibrate/blas.h"
#include "ashlar/calibrate/calibration_text.h"
#include "ashlar/calibrate/divergence.h"
#include "ashlar/calibrate/joint_losses.h"
#include "ashlar/calibrate/matrix_encoder.h"
#include "ashlar/calibrate/targets.h"
#include "ashlar/calibrate/unfinished.h"
#include "ashlar/calibrate/worth.h"
#include "ashlar/graph/describe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/losses.h"

namespace ashlar {
namespace {

// Moments of inputs at once: those of an ordinary block fit, and the experts of a mixture take
// turns.
constexpr std::uint64_t kMomentBytes = std::uint64_t{512} << 20;

// What writing the text and passing it may cost: small networks can have more tokens.
constexpr double kTextFlops = 8e12;
constexpr std::int64_t kFewTokens = 8192;
constexpr std::int64_t kManyTokens = 65536;

std::int64_t TokensFor(const Network& network) {
  return std::clamp(static_cast<std::int64_t>(kTextFlops / std::max(1.0, FlopsFrom(network)[0])),
                    kFewTokens, kManyTokens);
}

TensorManifest FirstLevels(TensorManifest tensor, int levels) {
  tensor.levels.resize(static_cast<std::size_t>(levels));
  return tensor;
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
  Status OpenBase();
  Digest Job() const;
  // The text, and what another run had done of this job.
  Result<CalibrationText> Text();
  Status KeepDone(bool now);

  Status Walk(const CalibrationText& text);
  Status PassNode(WalkingRows& rows, const WalkingRows& sample, const Divergence& divergence);
  Status Encode(std::size_t index, const WalkingRows& sample, const Divergence& divergence);
  MatrixUse UseOf(std::size_t index, const Divergence& divergence);
  // Of a target that does not differ from its base.
  Status KeepBase(std::size_t index, const WalkingRows& sample, const Divergence& divergence);
  // What the levels are worth that its base has, when it has any.
  Status WeighBase(std::size_t index, const WalkingRows& sample, const Divergence& divergence);
  Result<std::vector<double>> Measure(const Target& target, const TensorStatistics& statistics,
                                      const std::function<TensorManifest(int level)>& prefix,
                                      const WalkingRows& sample, const Divergence& divergence);
  // What all tensors lose together at some sizes, beside the sums of what each loses.
  Result<std::vector<JointLoss>> JointLosses(const Divergence& divergence);
  void Finish(Target& target, TensorManifest encoded);
  void Add(TensorStatistics statistics);

  Json ProvenanceStep() const;
  void ShowProgress(const ShrinkProgress& now) const {
    if (options_.progress) {
      options_.progress(now);
    }
  }
  void ShowShrinking() const {
    ShowProgress({"shrinking", static_cast<std::uint64_t>(weights_done_),
                  static_cast<std::uint64_t>(weights_), "weights"});
  }
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
  InputMoments moments_;  // by index of the target
  Phases phases_;
  SteadyClock clock_;

  Network network_;
  Provenance provenance_;
  std::optional<FineTuneBase> base_;
  std::vector<Target> targets_;
  std::map<std::pair<int, std::string>, std::size_t> target_of_;  // by use
  std::int64_t weights_ = 0, weights_done_ = 0;
  std::int64_t tokens_ = 0;  // of the text, at most
  std::unique_ptr<NodeWalk> walk_;
  std::optional<Digest> tokens_blob_;
  WorthSample sample_;
  Statistics done_;
  std::int64_t kept_at_us_ = 0;
  Shrunk result_;
};

// ---- What is to be done

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
  ASHLAR_TRY(OpenBase());
  Targets found = FindTargets(network_, *options_.codec, base_ ? &*base_ : nullptr);
  if (!found.kept.empty()) {
    Tell(fmt::format("kept as they are, since their shapes do not fit {}: {}", options_.codec->name,
                     JoinSome(found.kept)));
  }
  targets_ = std::move(found.matrices);
  if (targets_.empty()) {
    return Invalid("network \"{}\" has no matrix that {} can hold", from, options_.codec->name);
  }
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    weights_ += targets_[i].manifest.shape.elements();
    for (const auto& use : targets_[i].uses) {
      target_of_.emplace(use, i);
    }
  }
  tokens_ = options_.tokens.value_or(TokensFor(network_));
  done_.job = Job();
  return LoadBlas();
}

Status Shrinker::OpenBase() {
  if (options_.base) {
    base_.emplace();
    ASHLAR_TRY(base_->network, catalog_.Load(*options_.base));
    ASHLAR_TRY(base_->statistics, LoadTensorStatistics(catalog_, *options_.base));
  }
  return {};
}

Digest Shrinker::Job() const {
  Json job = Json::Of({{"codec", options_.codec->name},
                       {"judged", "on text of its own"},
                       {"kernels", KernelForm(options_.isa)},
                       {"max_bits", options_.max_bits},
                       {"measuring", static_cast<std::int64_t>(options_.measuring_flops)},
                       {"network", network_.digest().ToString()},
                       {"seed", std::to_string(options_.seed)},
                       {"tokens", tokens_}});
  if (base_) {
    job.Set("base", base_->network.digest().ToString());
  }
  if (options_.text) {
    job.Set("text", Sha256(std::as_bytes(std::span(*options_.text))).ToString());
  }
  return Sha256(CanonicalJson(job));
}

Result<CalibrationText> Shrinker::Text() {
  const std::int64_t length =
      std::min(kCalibrationLength, network_.metadata.context_length.value_or(kCalibrationLength));
  ASHLAR_TRY(const std::optional<Unfinished> before, FindUnfinished(store_, name_));
  CalibrationText text;
  if (before && before->done.job == done_.job) {
    ASHLAR_TRY(std::vector<std::int32_t> tokens,
               LoadTokens(store_, before->tokens, walk_->token_limit()));
    text = CutIntoSequences(std::move(tokens), length);
    for (const TensorStatistics& tensor : before->done.tensors) {
      const auto target = std::ranges::find(targets_, tensor.source, &Target::source);
      if (target != targets_.end() && !target->encoded && target->Has(tensor.tensor)) {
        Finish(*target, tensor.tensor);
        ++result_.taken_over;
      }
      done_.tensors.push_back(tensor);
    }
    Tell(fmt::format("going on where another run ended: its text is there, and {} of {} matrices",
                     result_.taken_over, targets_.size()));
  } else if (before) {
    Tell(fmt::format("forgetting the unfinished work on \"{}\", which had other options", name_));
  }
  if (text.tokens.empty() && options_.text) {
    ASHLAR_TRY(text, TakeEvenly(*options_.text, tokens_, length));
  } else if (text.tokens.empty()) {
    ASHLAR_TRY(text, WriteOwnText(store_, network_,
                                  {.tokens = tokens_,
                                   .length = length,
                                   .seed = options_.seed,
                                   .threads = options_.threads,
                                   .isa = options_.isa,
                                   .progress = [&](std::uint64_t done, std::uint64_t total) {
                                     ShowProgress({"writing text", done, total, "tokens"});
                                   }}));
  }
  done_.tokens = static_cast<std::int64_t>(text.tokens.size());
  ASHLAR_TRY(tokens_blob_, PutTokens(store_, text.tokens));
  ASHLAR_TRY(KeepDone(/*now=*/true));
  return text;
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

// ---- The walk

Status Shrinker::Walk(const CalibrationText& text) {
  ShowShrinking();
  sample_ = ChooseSample(network_, targets_, std::ssize(text.tokens) / kTokensPerJudge,
                         walk_->logits(), options_.measuring_flops);
  const auto [fitting, judging] = SplitText(text, sample_.rows);
  WalkingRows rows(fitting.tokens, fitting.lengths);
  const WalkingRows begin(judging.tokens, judging.lengths);
  result_.sample_rows = begin.rows();
  ASHLAR_TRY(const Divergence divergence,
             phases_.Run("sensitivities", [&] { return Divergence::Open(*walk_, pool_, begin); }));
  WalkingRows sample = begin;
  const auto encoded = [](const Target& target) { return target.encoded.has_value(); };
  while (true) {
    ASHLAR_TRY(PassNode(rows, sample, divergence));
    if (rows.node() + 1 == walk_->nodes() || std::ranges::all_of(targets_, encoded)) {
      break;
    }
    walk_->Leave(rows);
    ASHLAR_TRY(phases_.Run("sensitivities", [&] { return walk_->Compute(sample, {}); }));
    walk_->Leave(sample);
  }
  ASHLAR_TRY(ShareLosses(store_, sample_, targets_, done_));
  ASHLAR_TRY(result_.network, WithEncoded(network_, targets_));
  ASHLAR_TRY(done_.joint, phases_.Run("adding up", [&] { return JointLosses(divergence); }));
  return {};
}

Result<std::vector<JointLoss>> Shrinker::JointLosses(const Divergence& divergence) {
  LevelLosses losses;
  const auto add = [&](const TensorStatistics& measured) -> Status {
    ASHLAR_TRY(TensorLosses loaded, LoadTensorLosses(store_, measured));
    losses.emplace(measured.tensor.levels.front(), std::move(loaded));
    return {};
  };
  for (const TensorStatistics& measured : done_.tensors) {
    ASHLAR_TRY(add(measured));
  }
  if (base_) {
    for (const auto& [first, measured] : base_->statistics) {
      ASHLAR_TRY(add(measured));
    }
  }
  return MeasureJointLosses(
      store_, result_.network, losses, divergence,
      {.pool = pool_, .isa = options_.isa, .max_positions = kCalibrationLength});
}

Status Shrinker::PassNode(WalkingRows& rows, const WalkingRows& sample,
                          const Divergence& divergence) {
  const int node = rows.node();
  const auto key_of = [&](std::string_view tensor) {
    const auto found = target_of_.find({node, std::string(tensor)});
    if (found == target_of_.end()) {
      return -1;
    }
    const Target& target = targets_[found->second];
    return target.encoded || target.unchanged ? -1 : static_cast<int>(found->second);
  };
  bool again = false;
  do {
    moments_.BeginPass(key_of, again);
    ASHLAR_TRY(
        phases_.Run("passing rows", [&] { return walk_->Compute(rows, {.observer = &moments_}); }));
    // What has its last use here, and is not waiting for another pass.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const Target& target = targets_[i];
      if (!target.encoded && target.last_use() == node && !moments_.Left(static_cast<int>(i))) {
        if (const Status status = Encode(i, sample, divergence); !status.ok()) {
          return status.error().In(target.name);
        }
        ASHLAR_TRY(phases_.Run("storing", [&] { return KeepDone(/*now=*/false); }));
      }
    }
    again = true;
  } while (moments_.left_some());
  return {};
}

MatrixUse Shrinker::UseOf(std::size_t index, const Divergence& divergence) {
  const Target& target = targets_[index];
  const int key = static_cast<int>(index);
  const Shape& shape = target.manifest.shape;
  MatrixUse use{.moments = moments_.Take(key), .lookups = moments_.LookupsOf(key)};
  if (use.moments != nullptr && use.moments->width != shape[1]) {
    use.moments = nullptr;
  }
  const std::span<const float> shares = divergence.token_shares();
  if (target.last_use() + 1 == walk_->nodes() && std::ssize(shares) == shape[0]) {
    use.likely.assign(shares.begin(), shares.end());
  }
  return use;
}

Status Shrinker::Encode(std::size_t index, const WalkingRows& sample,
                        const Divergence& divergence) {
  Target& target = targets_[index];
  if (target.unchanged) {
    return KeepBase(index, sample, divergence);
  }
  const Shape& shape = target.manifest.shape;
  TensorStatistics made;
  {
    ASHLAR_TRY(std::vector<float> values, ReadMatrix(store_, target.manifest, pool_));
    if (target.base != nullptr) {
      ASHLAR_TRY(const std::vector<float> base, ReadMatrix(store_, *target.base, pool_));
      std::ranges::transform(values, base, values.begin(), std::minus<>());
      if (std::ranges::all_of(values, [](float v) { return v == 0; })) {
        return KeepBase(index, sample, divergence);  // the same numbers, stored in another way
      }
    }
    ASHLAR_TRY(made, EncodeMatrix(store_, *options_.codec, shape,
                                  LevelsWithin(*options_.codec, shape, options_.max_bits), values,
                                  UseOf(index, divergence), pool_, phases_));
  }
  made.source = target.source;
  made.tensor.base = target.base;
  made.losses.resize(made.tensor.levels.size());
  if (sample_.measured_as[index] == index) {
    ASHLAR_TRY(made.losses,
               Measure(
                   target, made, [&](int level) { return FirstLevels(made.tensor, level + 1); },
                   sample, divergence));
  }
  Finish(target, made.tensor);
  if (target.base != nullptr) {
    ASHLAR_TRY(WeighBase(index, sample, divergence));
  }
  Add(std::move(made));
  return {};
}

Status Shrinker::KeepBase(std::size_t index, const WalkingRows& sample,
                          const Divergence& divergence) {
  Target& target = targets_[index];
  target.unchanged = true;
  static_cast<void>(moments_.Take(static_cast<int>(index)));  // nobody needs them
  ASHLAR_TRY(WeighBase(index, sample, divergence));
  Finish(target, *target.base);
  return {};
}

Status Shrinker::WeighBase(std::size_t index, const WalkingRows& sample,
                           const Divergence& divergence) {
  const Target& target = targets_[index];
  const auto known = base_->statistics.find(target.base->levels.front());
  if (known == base_->statistics.end() || !(known->second.tensor == *target.base)) {
    return {};
  }
  TensorStatistics statistics = known->second;
  if (sample_.measured_as[index] == index) {
    const auto prefix = [&](int level) {
      TensorManifest shorter = FirstLevels(*target.base, level + 1);
      if (target.unchanged) {
        return shorter;
      }
      TensorManifest sum = *target.encoded;
      sum.base = std::make_shared<const TensorManifest>(std::move(shorter));
      return sum;
    };
    ASHLAR_TRY(statistics.losses, Measure(target, statistics, prefix, sample, divergence));
  }
  Add(std::move(statistics));
  return {};
}

Result<std::vector<double>> Shrinker::Measure(
    const Target& target, const TensorStatistics& statistics,
    const std::function<TensorManifest(int level)>& prefix, const WalkingRows& sample,
    const Divergence& divergence) {
  ASHLAR_TRY(const std::vector<double> errors, ErrorsOf(store_, statistics));
  ASHLAR_TRY(const MeasuredLosses measured, phases_.Run("sensitivities", [&] {
    return MeasureLosses(store_, pool_, divergence, target, LevelsOf(sample_.levels, errors.size()),
                         prefix, sample);
  }));
  return LossesFrom(errors, measured);
}

void Shrinker::Finish(Target& target, TensorManifest encoded) {
  target.encoded = std::move(encoded);
  weights_done_ += target.manifest.shape.elements();
  ShowShrinking();
}

// Equal numbers that were stored in two ways are one tensor now, and two may differ from one.
void Shrinker::Add(TensorStatistics statistics) {
  if (std::ranges::none_of(done_.tensors, [&](const TensorStatistics& known) {
        return known.tensor.levels.front() == statistics.tensor.levels.front();
      })) {
    done_.tensors.push_back(std::move(statistics));
  }
}

// ---- What comes of it

Json Shrinker::ProvenanceStep() const {
  Json arguments = Json::Of({{"codec", options_.codec->short_name},
                             {"max-bits", std::to_string(options_.max_bits)},
                             {"tokens", std::to_string(tokens_)},
                             {"text", options_.text ? "given" : "own"},
                             {"seed", std::to_string(options_.seed)}});
  Json::Array from = {network_.digest().ToString()};
  if (base_) {
    arguments.Set("base", *options_.base);
    from.emplace_back(base_->network.digest().ToString());
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
