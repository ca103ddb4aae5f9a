// How far a network's answers move when one of its tensors has other numbers: the mean over tokens
// of the Kullback-Leibler divergence of the next token's distribution from what it was, in nats.
// Where the network is right about its text, that is the rise of its loss.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ashlar/runtime/node_walk.h"

namespace ashlar {

class Divergence {
 public:
  // Runs `sample`, which begins at node 0, through the whole network and keeps its distributions:
  // f32 [rows, logits]. Both must outlive this.
  static Result<Divergence> Open(NodeWalk& walk, ThreadPool& pool, const WalkingRows& sample);

  // A matrix wherever the network uses it: (node, name in its block).
  using Uses = std::vector<std::pair<int, std::string>>;

  // When the matrix has these numbers. `now` is the sample further on, before a node that is not
  // after the first use; then only the rest of the network is computed.
  Result<double> Of(const Uses& uses, std::span<const float> values, const WalkingRows& now) const;

  // When the whole network is another one, with the same tokens and logits.
  Result<double> OfNetwork(NodeWalk& other) const;

  // The mean probability of each token: [logits].
  std::span<const float> token_shares() const { return shares_; }

 private:
  Divergence(NodeWalk& walk, ThreadPool& pool, const WalkingRows& sample)
      : walk_(&walk), pool_(&pool), sample_(&sample) {}

  // The mean over the sample's rows when `walk` goes on from `rows`, with these nodes in place of
  // its own.
  Result<double> MeanOf(NodeWalk& walk, WalkingRows rows,
                        const std::map<int, const NodeWalk::Variant*>& at) const;
  // Of the logits of rows first, first + 1, ...: the sum of their divergences.
  double SumOf(std::int64_t first, std::span<const float> logits) const;

  NodeWalk* walk_;
  ThreadPool* pool_;
  const WalkingRows* sample_;
  std::vector<float> logits_;            // of the sample
  std::vector<double> log_normalizers_;  // of each of its rows: ln sum exp
  std::vector<float> shares_;
};

}  // namespace ashlar
