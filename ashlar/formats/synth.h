// Networks of well-known shapes with random weights: what speed and memory are measured on, where
// only the sizes of the weights matter and not what they say.
//
// The same shape, layers, codec and seed give the same network, to the bit, on every machine and
// for any number of threads. A weight is nearly normal with a spread of 1 / sqrt(inputs), less for
// those that add to the residual stream, so that activations keep their size however deep the
// network is. The tokenizer is made with it: one token for each byte, the end of a text, and
// fillers up to the vocabulary that no text gives. Every engine that reads the GPT-2 kind of
// tokenizer can run it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/graph/catalog.h"

namespace ashlar {

struct SynthShape {
  std::string_view name;     // "llama-1b"
  std::string_view summary;  // whose shape it is
  std::int64_t layers;
  std::int64_t width;
  std::int64_t channels;  // between the MLP's matrices
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t vocabulary;
  bool tied;  // the head uses the embedding's weights
  double rope_theta;
  std::int64_t positions;    // it is said to be trained for
  std::int64_t experts = 0;  // of a mixture instead of each MLP; 0: there is none
  std::int64_t experts_per_token = 0;
};

std::span<const SynthShape> AllSynthShapes();
// kInvalid, listing the known ones.
Result<const SynthShape*> FindSynthShape(std::string_view name);

struct SynthOptions {
  const SynthShape* shape = nullptr;
  const Codec* codec = nullptr;        // of the matrices; vectors are f32
  std::optional<std::int64_t> layers;  // instead of the shape's
  std::uint64_t seed = 0;
  int threads = 1;
};

struct SynthReport {
  Digest network;
  std::int64_t parameters = 0;
  std::uint64_t weight_bytes = 0;
};

// Makes the network and tags it `name`. Streams a few megabytes at a time, whatever the size.
// `progress` is told the bytes of weights that are stored, and of all; may be null.
Result<SynthReport> Synthesize(
    const SynthOptions& options, std::string_view name, Catalog& catalog,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = nullptr);

}  // namespace ashlar
