// What the levels of a matrix are worth: how much of the network's loss those that are not there
// would take away, measured on a sample of the calibration.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "ashlar/calibrate/divergence.h"
#include "ashlar/calibrate/targets.h"

namespace ashlar {

// Operations of a row from each node to the end; one more than there are nodes.
std::vector<double> FlopsFrom(const Network& network);

// What is measured.
struct WorthSample {
  std::int64_t rows = 0;        // of the calibration
  std::span<const int> levels;  // the last level that is there, from 0; ascending
  // By target: the one whose measured worth it shares, or itself.
  std::vector<std::size_t> measured_as;
};

// As much of it as is affordable: most rows and levels of small networks; of large ones fewer rows,
// fewer levels, and of matrices of one role (layers.*.moe.experts.*.up) only some.
// `rows`: of the whole calibration; `logits`: how wide its last values are; `flops`: what it may
// cost, though it is never less than 128 rows at one level of one matrix of each role.
WorthSample ChooseSample(const Network& network, std::span<const Target> targets, std::int64_t rows,
                         std::int64_t logits, double flops);

// Losses at levels, where they were measured.
using MeasuredLosses = std::vector<std::pair<int, double>>;

// Those of `levels` that a tensor with so many levels has; its last one, when it has none of them.
std::vector<int> LevelsOf(std::span<const int> levels, std::size_t count);

// The loss that is there when a target has the numbers of prefix(level), at each of `levels`.
// `now`: as Divergence::Of has it.
Result<MeasuredLosses> MeasureLosses(const BlobStore& store, ThreadPool& pool,
                                     const Divergence& divergence, const Target& target,
                                     std::span<const int> levels,
                                     const std::function<TensorManifest(int level)>& prefix,
                                     const WalkingRows& now);

// Losses at all levels, of which errors[l] is the squared error, from those that were measured. In
// between the logarithm of the loss is linear in that of the error; beyond, the loss falls as the
// error does. Never rising. Requires: something was measured.
std::vector<double> LossesFrom(std::span<const double> errors, const MeasuredLosses& measured);

// Those of a matrix with `errors` when another one, with as many levels, had `losses` where its
// errors were `its_errors`: in proportion, at the levels that were measured.
std::vector<double> LossesLike(std::span<const double> losses, std::span<const double> its_errors,
                               std::span<const int> levels, std::span<const double> errors);

// Gives the targets that were not measured, in `statistics`, losses like those of the ones that
// stand for them, by how many rows each was multiplied with; those whose stand-in has none of its
// own, or was never used, are left out.
Status ShareLosses(const BlobStore& store, const WorthSample& sample,
                   std::span<const Target> targets, Statistics& statistics);

}  // namespace ashlar
