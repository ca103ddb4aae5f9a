// Shrinking stores a network's matrices in a residual codec, each level chosen by what the matrix
// is multiplied with, and measures what each level is worth: the network that comes of it is one
// stored thing that runs at any size.
//
// One walk over the calibration's rows does all of it, node by node: the rows pass a block while
// the moments of its inputs are added up; its matrices are encoded by them; and each is put into
// the network alone, at few levels, to see how far the answers move. At once in memory are the
// values of the rows at one depth, the moments of a block's inputs, and one matrix.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/graph/catalog.h"
#include "ashlar/graph/statistics.h"
#include "ashlar/kernels/isa.h"

namespace ashlar {

struct ShrinkProgress {
  std::string_view phase;  // "writing text", "shrinking"
  std::uint64_t done;
  std::uint64_t total;
  std::string_view unit;  // of both: "tokens", "weights"
};

struct ShrinkOptions {
  const Codec* codec = nullptr;  // a residual one
  int max_bits = 8;              // per weight, scales apart: what levels are stored
  // The ids of a text to calibrate with. None: the network writes its own, from `seed`.
  std::optional<std::vector<std::int32_t>> text;
  // Of the text, at most. None: 8,192, and up to 65,536 where the network is small.
  std::optional<std::int64_t> tokens;
  std::uint64_t seed = 0;
  // A network that this one is a fine-tune of: where it has a matrix of the same name and shape,
  // only the difference is stored; where nothing differs, nothing. A base that is shrunk itself is
  // the one to name: the levels of both then make room for each other.
  std::optional<std::string> base;
  int threads = 1;
  Isa isa = Isa::kReference;
  double measuring_flops = 3e12;  // what it may cost to see what levels are worth
  double keep_every_seconds = 5;  // what is done is kept for another run no less often
  std::function<void(const ShrinkProgress& now)> progress = nullptr;
  std::function<void(std::string_view remark)> remark = nullptr;
};

struct Shrunk {
  Network from;
  Network network;
  Digest digest;
  Statistics statistics;
  std::int64_t sample_rows = 0;                         // that the worth of levels was measured on
  std::int64_t taken_over = 0;                          // tensors that another run had finished
  std::vector<std::pair<std::string, double>> seconds;  // that each phase took, in their order
};

// Shrinks the network `from` and saves it as `name`, with the source's provenance and a step of its
// own; its statistics are attached to it. Holds a writing lease. What it had finished when it died
// it takes over when it is called with the same network and options again.
// kInvalid: the network is shrunk already, or its text too short; kConflict: the name is taken;
// kNotFound: there is no such network, or no OpenBLAS.
Result<Shrunk> Shrink(Catalog& catalog, std::string_view name, std::string_view from,
                      const ShrinkOptions& options);

}  // namespace ashlar
