#include "ashlar/calibrate/worth.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "ashlar/base/check.h"
#include "ashlar/calibrate/matrix_encoder.h"

namespace ashlar {
namespace {

// Of the sample.
constexpr std::int64_t kMostSampleRows = 1024;
constexpr std::int64_t kGoodSampleRows = 256;
constexpr std::int64_t kLeastSampleRows = 128;
constexpr std::int64_t kMostSampleLogits = std::int64_t{1} << 25;
// The levels that are measured, the more the better: those where the loss is large and does not yet
// follow the error. The first of these sets that a good sample can be had for.
constexpr int kFourLevels[] = {0, 1, 2, 3};
constexpr int kTwoLevels[] = {0, 2};
constexpr int kOneLevel[] = {1};
constexpr std::span<const int> kMeasuredLevels[] = {kFourLevels, kTwoLevels, kOneLevel};

// Below these a loss or an error is none: ratios of them mean nothing.
constexpr double kNoLoss = 1e-12;
constexpr double kNoError = 1e-30;

// A tensor's name without numbers.
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

// Each one of `every` of a role stands for those after it. What is unchanged brings its own worth.
std::vector<std::size_t> StandIns(std::span<const Target> targets, std::int64_t every) {
  struct Role {
    std::int64_t seen = 0;
    std::size_t measured = 0;
  };
  std::map<std::tuple<std::string, std::int64_t, bool>, Role> roles;
  std::vector<std::size_t> stand_ins;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    Role& role =
        roles[{RoleOf(targets[i].name), targets[i].manifest.shape[1], targets[i].unchanged}];
    if (role.seen++ % every == 0) {
      role.measured = i;
    }
    stand_ins.push_back(role.measured);
  }
  return stand_ins;
}

double ErrorAt(std::span<const double> errors, int level) {
  return std::max(errors[static_cast<std::size_t>(level)], kNoError);
}

}  // namespace

std::vector<double> FlopsFrom(const Network& network) {
  std::vector<double> from(network.nodes.size() + 1);
  for (int node = static_cast<int>(network.nodes.size()) - 1; node >= 0; --node) {
    const auto at = static_cast<std::size_t>(node);
    from[at] =
        from[at + 1] + network.BlockOf(node).kind->cost(EffectiveAttributes(network, node)).flops;
  }
  return from;
}

WorthSample ChooseSample(const Network& network, std::span<const Target> targets, std::int64_t rows,
                         std::int64_t logits, double flops) {
  // A row that is measured for a matrix passes the nodes from its first use to the end.
  const std::vector<double> from = FlopsFrom(network);
  double of_row = 1;  // at one level
  for (const Target& target : targets) {
    const bool with_base = target.base != nullptr && !target.unchanged;
    of_row += (with_base ? 2 : 1) * from[static_cast<std::size_t>(target.first_use())];
  }
  const std::int64_t room = std::max<std::int64_t>(1, kMostSampleLogits / logits);
  WorthSample sample;
  std::int64_t affordable = 0;
  for (const std::span<const int> levels : kMeasuredLevels) {
    affordable = static_cast<std::int64_t>(flops / (of_row * static_cast<double>(levels.size())));
    sample.levels = levels;
    if (affordable >= kGoodSampleRows) {
      break;
    }
  }
  sample.rows = std::min({std::clamp(affordable, kLeastSampleRows, kMostSampleRows), rows, room});
  const std::int64_t every = 1 + sample.rows / std::max<std::int64_t>(2 * affordable, 1);
  sample.measured_as = StandIns(targets, every);
  return sample;
}

std::vector<int> LevelsOf(std::span<const int> levels, std::size_t count) {
  std::vector<int> there;
  for (const int level : levels) {
    if (level < static_cast<int>(count)) {
      there.push_back(level);
    }
  }
  return there.empty() ? std::vector<int>{static_cast<int>(count) - 1} : there;
}

Result<MeasuredLosses> MeasureLosses(const BlobStore& store, ThreadPool& pool,
                                     const Divergence& divergence, const Target& target,
                                     std::span<const int> levels,
                                     const std::function<TensorManifest(int level)>& prefix,
                                     const WalkingRows& now) {
  MeasuredLosses measured;
  for (const int level : levels) {
    const TensorManifest tensor = prefix(level);
    ASHLAR_TRY(const std::vector<float> values, ReadMatrix(store, tensor, pool));
    ASHLAR_TRY(const double loss, divergence.Of(target.uses, values, now));
    measured.emplace_back(level, loss);
  }
  return measured;
}

std::vector<double> LossesFrom(std::span<const double> errors, const MeasuredLosses& measured) {
  CHECK(!measured.empty());
  std::vector<double> losses;
  for (int level = 0; level < static_cast<int>(errors.size()); ++level) {
    const auto after =
        std::ranges::find_if(measured, [&](const auto& point) { return point.first >= level; });
    double loss = 0;
    if (after != measured.end() && after->first == level) {
      loss = after->second;
    } else if (after == measured.end() || after == measured.begin()) {
      const auto& nearest = after == measured.end() ? measured.back() : measured.front();
      loss = nearest.second * ErrorAt(errors, level) / ErrorAt(errors, nearest.first);
    } else {
      const auto& before = *std::prev(after);
      const double from = std::log(std::max(before.second, kNoLoss));
      const double to = std::log(std::max(after->second, kNoLoss));
      const double whole =
          std::log(ErrorAt(errors, after->first)) - std::log(ErrorAt(errors, before.first));
      const double part =
          std::log(ErrorAt(errors, level)) - std::log(ErrorAt(errors, before.first));
      loss = std::exp(whole == 0 ? from : from + (to - from) * std::clamp(part / whole, 0.0, 1.0));
    }
    losses.push_back(losses.empty() ? loss : std::min(loss, losses.back()));
  }
  return losses;
}

std::vector<double> LossesLike(std::span<const double> losses, std::span<const double> its_errors,
                               std::span<const int> levels, std::span<const double> errors) {
  CHECK_EQ(losses.size(), errors.size());
  MeasuredLosses scaled;
  for (const int level : levels) {
    const auto at = static_cast<std::size_t>(level);
    scaled.emplace_back(level, losses[at] / ErrorAt(its_errors, level) * errors[at]);
  }
  return LossesFrom(errors, scaled);
}

Status ShareLosses(const BlobStore& store, const WorthSample& sample,
                   std::span<const Target> targets, Statistics& statistics) {
  const auto own = [&](const Target& target) -> TensorStatistics* {
    for (TensorStatistics& tensor : statistics.tensors) {
      if (tensor.source == target.source && tensor.tensor == *target.encoded) {
        return target.unchanged ? nullptr : &tensor;
      }
    }
    return nullptr;
  };
  std::set<Digest> unknown;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (sample.measured_as[i] == i) {
      continue;
    }
    const TensorStatistics* const like = own(targets[sample.measured_as[i]]);
    TensorStatistics* const shared = own(targets[i]);
    if (shared != nullptr && like != nullptr && like->rows > 0) {
      ASHLAR_TRY(const std::vector<double> its_errors, ErrorsOf(store, *like));
      ASHLAR_TRY(std::vector<double> errors, ErrorsOf(store, *shared));
      for (double& error : errors) {  // of a row: an expert that few rows pass costs little
        error *= static_cast<double>(shared->rows) / static_cast<double>(like->rows);
      }
      shared->losses =
          LossesLike(like->losses, its_errors, LevelsOf(sample.levels, errors.size()), errors);
    } else if (shared != nullptr) {
      unknown.insert(shared->source);
    }
  }
  std::erase_if(statistics.tensors,
                [&](const TensorStatistics& tensor) { return unknown.contains(tensor.source); });
  return {};
}

}  // namespace ashlar
