#include "ashlar/kinds/moe/router.h"

#include <algorithm>
#include <cmath>

#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/attribute_specs.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kRouteRows = 4;  // rows that a thread chooses for at once

// The place of the largest of ranks[i] with open[i], the first of equal ones (a NaN is below all);
// `count` when none is open.
std::int64_t LargestOpen(const float* ranks, const std::uint8_t* open, std::int64_t count) {
  std::int64_t best = count;
  for (std::int64_t i = 0; i < count; ++i) {
    if (open[i] != 0 && (best == count || ranks[i] > ranks[best] || std::isnan(ranks[best]))) {
      best = i;
    }
  }
  return best;
}

// Sum of the two largest.
float TwoBest(const float* ranks, std::int64_t count) {
  float best = std::max(ranks[0], ranks[1]);
  float second = std::min(ranks[0], ranks[1]);
  for (std::int64_t i = 2; i < count; ++i) {
    second = std::max(second, std::min(best, ranks[i]));
    best = std::max(best, ranks[i]);
  }
  return best + second;
}

}  // namespace

Result<Router> Router::Bind(const Attributes& attributes, const BoundTensors& tensors, Isa isa) {
  Router router;
  router.per_row_ = attributes.Integer("experts_per_token");
  router.groups_ = attributes.Integer("groups");
  router.groups_per_row_ = attributes.Integer("groups_per_token");
  router.by_best_ = attributes.Choice("group_rank") == "best";
  router.sigmoid_ = attributes.Choice("scoring") == "sigmoid";
  router.normalized_ = IsSet(attributes, "normalized");
  router.scaling_ = static_cast<float>(attributes.Real("scaling"));
  ASHLAR_TRY(router.logits_, Projection::Bind(tensors, "router", "router.bias", isa));
  if (const BoundTensor* bias = FindTensor(tensors, "router.selection_bias")) {
    router.selection_bias_ = CopyVector(*bias);
  }
  router.softmax_ = FindForm(SoftmaxForms(), isa).fn;
  return router;
}

Routes Router::Route(const InputRows& x, const Workshop& workshop) const {
  Arena& arena = *workshop.arena;
  const std::int64_t pairs = x.rows * per_row_;
  const Routes routes = {.pairs = pairs,
                         .experts = arena.Take<std::int32_t>(pairs),
                         .weights = arena.Take<float>(pairs),
                         .pair_of = arena.Take<std::int32_t>(pairs),
                         .row_of = arena.Take<std::int32_t>(pairs),
                         .first_pair = arena.Take<std::int32_t>(experts() + 1)};
  const ArenaScope scope(arena);
  const Candidates all = {.scores = arena.Take<float>(x.rows * experts()),
                          .ranks = arena.Take<float>(x.rows * experts()),
                          .open = arena.Take<std::uint8_t>(x.rows * experts())};
  RunProjections(x, {{&logits_, all.scores}}, workshop);
  if (arena.counting()) {
    return routes;
  }
  workshop.pool->ParallelFor(
      x.rows, kRouteRows, [&](std::int64_t begin, std::int64_t end, int thread) {
        KernelTimer timer(workshop.profile, thread);
        for (std::int64_t row = begin; row < end; ++row) {
          const std::int64_t at = row * experts();
          Choose({all.scores + at, all.ranks + at, all.open + at}, routes.experts + row * per_row_,
                 routes.weights + row * per_row_);
        }
        timer.Lap(Kernel::kActivation);
      });
  NumberPairs(x.rows, routes);
  return routes;
}

void Router::Choose(const Candidates& row, std::int32_t* chosen, float* weights) const {
  if (sigmoid_) {
    std::transform(row.scores, row.scores + experts(), row.scores, Sigmoid);
  } else {
    softmax_(row.scores, row.scores, experts());
  }
  for (std::int64_t e = 0; e < experts(); ++e) {
    row.ranks[e] = row.scores[e] + (selection_bias_.empty() ? 0 : selection_bias_[e]);
  }
  std::fill_n(row.open, experts(), std::uint8_t{1});
  if (groups_ > 0) {
    CloseGroups(row);
  }
  for (std::int64_t i = 0; i < per_row_; ++i) {
    const std::int64_t expert = LargestOpen(row.ranks, row.open, experts());
    row.open[expert] = 0;
    chosen[i] = static_cast<std::int32_t>(expert);
  }
  std::sort(chosen, chosen + per_row_);
  float sum = 0;
  for (std::int64_t i = 0; i < per_row_; ++i) {
    weights[i] = row.scores[chosen[i]];
    sum += weights[i];
  }
  // (Sigmoids may all be 0: then so are the weights.)
  const float scale = normalized_ ? scaling_ / std::max(sum, 0x1p-100f) : scaling_;
  for (std::int64_t i = 0; i < per_row_; ++i) {
    weights[i] *= scale;
  }
}

void Router::CloseGroups(const Candidates& row) const {
  const std::int64_t size = experts() / groups_;
  // One after the other: `open` of a group's first expert says whether the group is still closed,
  // which needs no memory.
  std::fill_n(row.open, experts(), std::uint8_t{0});
  for (std::int64_t chosen = 0; chosen < groups_per_row_; ++chosen) {
    std::int64_t best = groups_;
    float best_rank = 0;
    for (std::int64_t group = 0; group < groups_; ++group) {
      const float* const ranks = row.ranks + group * size;
      const float rank = by_best_ ? *std::max_element(ranks, ranks + size) : TwoBest(ranks, size);
      if (row.open[group * size] == 0 &&
          (best == groups_ || rank > best_rank || std::isnan(best_rank))) {
        best = group;
        best_rank = rank;
      }
    }
    std::fill_n(row.open + best * size, size, std::uint8_t{1});
  }
}

void Router::NumberPairs(std::int64_t rows, const Routes& routes) const {
  std::fill_n(routes.first_pair, experts() + 1, 0);
  for (std::int64_t i = 0; i < routes.pairs; ++i) {
    ++routes.first_pair[routes.experts[i] + 1];
  }
  for (std::int64_t e = 0; e < experts(); ++e) {
    routes.first_pair[e + 1] += routes.first_pair[e];
  }
  // Each expert's next pair is counted in its own first_pair, which becomes the next expert's
  // first; moved back one place at the end.
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = row * per_row_; i < (row + 1) * per_row_; ++i) {
      const std::int32_t pair = routes.first_pair[routes.experts[i]]++;
      routes.pair_of[i] = pair;
      routes.row_of[pair] = static_cast<std::int32_t>(row);
    }
  }
  std::copy_backward(routes.first_pair, routes.first_pair + experts(),
                     routes.first_pair + experts() + 1);
  routes.first_pair[0] = 0;
}

float Sigmoid(float x) {
  return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(x))));
}

std::string ExpertName(std::int64_t expert) {
  return fmt::format("experts.{}", expert);
}

}  // namespace ashlar::internal
