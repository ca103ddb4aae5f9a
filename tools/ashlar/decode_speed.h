// How fast this machine decodes, as far as its weights decide that: measured without a network.
#pragma once

#include <map>
#include <utility>

#include "ashlar/graph/network.h"
#include "ashlar/graph/precision.h"
#include "ashlar/kernels/isa.h"

namespace ashlar::cli {

// Confined to a thread: it measures what it is asked for first.
class DecodeSpeed {
 public:
  DecodeSpeed(Isa isa, int threads);

  // Of one sequence, attention to its context left out: each matrix takes as long as memory takes
  // to give its bytes, or as the kernel takes for its weights, whichever is longer.
  double TokensPerSecond(const Network& network, const Precision& precision);

 private:
  // One thread, a row and a matrix that lies in the cache; 0 when no kernel reads the codec.
  double SecondsPerWeight(const Codec& codec, int levels);
  // Of what a tensor and its base have of a matrix.
  double ComputeSeconds(const TensorManifest& tensor, const Precision& precision);

  const Isa isa_;
  const int threads_;
  const double read_rate_;  // bytes per second, of all threads
  std::map<std::pair<const Codec*, int>, double> seconds_per_weight_;
};

}  // namespace ashlar::cli
