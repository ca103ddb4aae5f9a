#include "ashlar/calibrate/divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ashlar {
namespace {

double LogNormalizer(std::span<const float> logits) {
  const float largest = std::ranges::max(logits);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(logit - largest);
  }
  return std::log(sum) + largest;
}

// Walks on to the end.
Status Finish(NodeWalk& walk, WalkingRows& rows, const std::map<int, const NodeWalk::Variant*>& at,
              const std::function<void(std::int64_t, std::span<const float>)>& take) {
  while (true) {
    const auto variant = at.find(rows.node());
    ASHLAR_TRY(walk.Compute(
        rows, {.variant = variant == at.end() ? nullptr : variant->second, .take = take}));
    if (rows.node() + 1 == walk.nodes()) {
      return {};
    }
    walk.Leave(rows);
  }
}

}  // namespace

Result<Divergence> Divergence::Open(NodeWalk& walk, ThreadPool& pool, const WalkingRows& sample) {
  Divergence opened(walk, pool, sample);
  const std::int64_t width = walk.logits();
  opened.logits_.resize(static_cast<std::size_t>(sample.rows() * width));
  opened.log_normalizers_.resize(static_cast<std::size_t>(sample.rows()));
  WalkingRows rows = sample;
  ASHLAR_TRY(Finish(walk, rows, {}, [&](std::int64_t first, std::span<const float> logits) {
    std::ranges::copy(logits, opened.logits_.begin() + first * width);
  }));
  pool.ParallelFor(sample.rows(), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      opened.log_normalizers_[static_cast<std::size_t>(row)] =
          LogNormalizer({opened.logits_.data() + row * width, static_cast<std::size_t>(width)});
    }
  });
  std::vector<double> shares(static_cast<std::size_t>(width));
  for (std::int64_t row = 0; row < sample.rows(); ++row) {
    const double normalizer = opened.log_normalizers_[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < width; ++i) {
      shares[static_cast<std::size_t>(i)] +=
          std::exp(opened.logits_[static_cast<std::size_t>(row * width + i)] - normalizer);
    }
  }
  for (const double share : shares) {
    opened.shares_.push_back(static_cast<float>(share / static_cast<double>(sample.rows())));
  }
  return opened;
}

double Divergence::SumOf(std::int64_t first, std::span<const float> logits) const {
  const std::int64_t width = walk_->logits();
  const std::int64_t rows = static_cast<std::int64_t>(logits.size()) / width;
  std::vector<double> parts(static_cast<std::size_t>(rows));
  pool_->ParallelFor(rows, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      // sum p (ln p - ln q) = sum p (z_p - z_q) - ln Z_p + ln Z_q
      const float* const p = logits_.data() + (first + row) * width;
      const std::span<const float> q(logits.data() + row * width, static_cast<std::size_t>(width));
      const double log_p = log_normalizers_[static_cast<std::size_t>(first + row)];
      double sum = 0;
      for (std::int64_t i = 0; i < width; ++i) {
        const float difference = p[i] - q[static_cast<std::size_t>(i)];
        sum += std::exp(static_cast<float>(p[i] - log_p)) * difference;
      }
      parts[static_cast<std::size_t>(row)] = sum - log_p + LogNormalizer(q);
    }
  });
  double sum = 0;
  for (const double part : parts) {
    sum += part;
  }
  return sum;
}

Result<double> Divergence::Of(const Uses& uses, std::span<const float> values,
                              const WalkingRows& now) const {
  std::map<int, NodeWalk::Matrices> matrices;
  int first_use = std::numeric_limits<int>::max();
  for (const auto& [node, name] : uses) {
    matrices[node].emplace(name, values);
    first_use = std::min(first_use, node);
  }
  std::map<int, std::shared_ptr<const NodeWalk::Variant>> variants;
  std::map<int, const NodeWalk::Variant*> at;
  for (const auto& [node, changed] : matrices) {
    ASHLAR_TRY(variants[node], walk_->MakeVariant(node, changed));
    at[node] = variants[node].get();
  }
  return MeanOf(*walk_, first_use < now.node() ? *sample_ : now, at);
}

Result<double> Divergence::OfNetwork(NodeWalk& other) const {
  CHECK_EQ(other.logits(), walk_->logits());
  return MeanOf(other, *sample_, {});
}

Result<double> Divergence::MeanOf(NodeWalk& walk, WalkingRows rows,
                                  const std::map<int, const NodeWalk::Variant*>& at) const {
  double sum = 0;
  ASHLAR_TRY(Finish(walk, rows, at, [&](std::int64_t first, std::span<const float> logits) {
    sum += SumOf(first, logits);
  }));
  return std::max(0.0, sum / static_cast<double>(sample_->rows()));
}

}  // namespace ashlar
