// Small random Llama-like networks, for tests: embedding, layers of attention and MLP with RMS
// norms and rotary positions, last norm, head. Deterministic in their seeds.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/test_floats.h"
#include "ashlar/graph/network.h"
#include "ashlar/graph/precision.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::testing_networks {

struct LlamaSpec {
  int layers = 4;
  std::string_view codec = "f32";  // of the matrices; vectors are f32
  std::uint64_t seed = 1;
  std::int64_t width = 64;
  std::int64_t channels = 128;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 16;
  std::int64_t vocabulary = 96;
  std::int64_t window = 0;
  std::int64_t experts = 0;    // of mixtures instead of MLPs, two to a token, with one shared
  bool latent = false;         // attention that keeps latents
  bool recurrent = false;      // layers 0, 2, 4 and so on have a selective state space instead
  std::int64_t positions = 0;  // learned ones; 0: none
};

namespace internal {

// A tensor of random numbers that keep the size of what flows through; its bytes go to the store.
inline TensorManifest RandomTensor(BlobStore& store, const TensorSpec& spec,
                                   std::string_view codec_name, std::mt19937_64& random) {
  const bool matrix = spec.shape.rank() == 2;
  const Codec* const codec = *FindCodec(spec.role == TensorRole::kMatrix ? codec_name : "f32");
  const std::int64_t rows = matrix ? spec.shape[0] : 1;
  const std::int64_t columns = spec.shape[matrix ? 1 : 0];
  const float spread = matrix ? 1 / std::sqrt(static_cast<float>(columns)) : 0.1f;
  TestFloats floats(random());
  std::vector<float> values(rows * columns);
  for (float& value : values) {
    value = floats.Next(matrix ? 0 : 1, spread);
  }
  if (codec->residual != nullptr) {  // a blob for each level
    std::vector<std::vector<std::byte>> levels;
    std::vector<std::byte*> out;
    for (int level = 0; level < codec->levels(); ++level) {
      levels.emplace_back(*LevelBytes(*codec, spec.shape, level));
      out.push_back(levels.back().data());
    }
    codec->residual->encode(values.data(), rows, columns, out);
    TensorManifest tensor{.shape = spec.shape, .codec = codec};
    for (const std::vector<std::byte>& level : levels) {
      tensor.levels.push_back({*store.Put(level), 0, level.size()});
    }
    return tensor;
  }
  std::vector<std::byte> packed(*PackedBytes(*codec, spec.shape));
  codec->encode(values.data(), rows, columns, packed.data());
  const Digest blob = *store.Put(packed);
  return {.shape = spec.shape, .codec = codec, .levels = {{blob, 0, packed.size()}}};
}

inline Digest AddRandomBlock(Network& network, BlobStore& store, std::string_view kind_name,
                             std::map<std::string, AttributeValue, std::less<>> attributes,
                             std::string_view codec, std::mt19937_64& random) {
  const BlockKind* const kind = *AllKinds().Find(kind_name);
  Block block{.kind = kind, .attributes = *Attributes::Make(kind->attributes, attributes)};
  const std::vector<TensorSpec> specs = *kind->tensors(block.attributes);
  for (const TensorSpec& spec : specs) {
    block.tensors.emplace(spec.name, RandomTensor(store, spec, codec, random));
  }
  return network.AddBlock(std::move(block));
}

}  // namespace internal

// A chain of nodes over blocks of `network`: each reads the one before it, and those of a layer
// carry it too.
inline void SetChain(Network& network, const Digest& embed,
                     std::span<const std::pair<Digest, Digest>> layers, const Digest& norm,
                     const Digest& head) {
  network.nodes.clear();
  const auto append = [&](const Digest& block, bool carries, std::optional<int> layer) {
    Node node{.block = block, .layer = layer};
    if (!network.nodes.empty()) {
      const Combination before = {{static_cast<int>(network.nodes.size()) - 1, 1}};
      node.inputs = {{"x", before}};
      node.carry = carries ? before : Combination{};
    }
    network.nodes.push_back(std::move(node));
  };
  append(embed, false, {});
  for (int layer = 0; layer < static_cast<int>(layers.size()); ++layer) {
    append(layers[layer].first, true, layer);
    append(layers[layer].second, true, layer);
  }
  append(norm, false, {});
  append(head, false, {});
  network.Prune();
}

inline Network RandomLlama(BlobStore& store, const LlamaSpec& spec) {
  std::mt19937_64 random(spec.seed);
  Network network;
  network.vocabulary = spec.vocabulary;
  const auto add = [&](std::string_view kind,
                       std::map<std::string, AttributeValue, std::less<>> attributes) {
    return internal::AddRandomBlock(network, store, kind, std::move(attributes), spec.codec,
                                    random);
  };
  const Digest embed =
      add("embed",
          {{"width", spec.width}, {"vocabulary", spec.vocabulary}, {"positions", spec.positions}});
  std::vector<std::pair<Digest, Digest>> layers;
  for (int layer = 0; layer < spec.layers; ++layer) {
    std::map<std::string, AttributeValue, std::less<>> attention = {
        {"width", spec.width},        {"heads", spec.heads},        {"value_dim", spec.head_dim},
        {"rope_dims", spec.head_dim}, {"norm", std::string("rms")}, {"norm_eps", 1e-5}};
    if (spec.latent) {
      attention.insert({{"latent_dim", std::int64_t{32}},
                        {"plain_dim", std::int64_t{32}},
                        {"latent_norm_eps", 1e-6}});
    } else {
      attention.insert(
          {{"kv_heads", spec.kv_heads}, {"key_dim", spec.head_dim}, {"window", spec.window}});
    }
    const bool carries = spec.recurrent && layer % 2 == 0;
    if (carries) {  // pages of 32 positions, unlike those of attention
      attention = {{"width", spec.width},
                   {"heads", spec.heads},
                   {"head_dim", spec.head_dim},
                   {"groups", std::int64_t{2}},
                   {"state_dim", std::int64_t{32}},
                   {"conv_taps", std::int64_t{3}},
                   {"activation", std::string("silu")},
                   {"gate_norm", std::string("rms")},
                   {"norm", std::string("rms")},
                   {"norm_eps", 1e-5}};
    }
    std::map<std::string, AttributeValue, std::less<>> mlp = {
        {"width", spec.width},          {"channels", spec.channels},
        {"form", std::string("gated")}, {"activation", std::string("silu")},
        {"norm", std::string("rms")},   {"norm_eps", 1e-5}};
    if (spec.experts > 0) {
      mlp.insert({{"experts", spec.experts},
                  {"experts_per_token", std::int64_t{2}},
                  {"normalized", std::int64_t{1}},
                  {"shared_channels", spec.channels}});
    }
    const Digest first = add(carries       ? "ssm"
                             : spec.latent ? "latent_attention"
                                           : "attention",
                             attention);
    layers.emplace_back(first, add(spec.experts > 0 ? "moe" : "mlp", mlp));
  }
  const Digest norm =
      add("norm", {{"width", spec.width}, {"type", std::string("rms")}, {"eps", 1e-5}});
  const Digest head = add("head", {{"width", spec.width}, {"vocabulary", spec.vocabulary}});
  SetChain(network, embed, layers, norm, head);
  return network;
}

// So many levels of each residual tensor of the network.
inline Precision WithLevels(const Network& network, int levels) {
  Precision precision;
  for (const auto& [digest, block] : network.blocks) {
    for (const auto& [name, tensor] : block->tensors) {
      if (tensor.codec->residual != nullptr) {
        precision[tensor.levels.front()] = {{tensor.shape[0], levels}};
      }
    }
  }
  return precision;
}

// A network of the given layers of `base` (from RandomLlama or this function), in that order:
// {0, 3} drops two of four, {0, 1, 1, 2, 3} repeats one.
inline Network WithLayers(const Network& base, std::span<const int> layers) {
  Network network = base;
  std::vector<std::pair<Digest, Digest>> blocks;
  for (const int layer : layers) {
    blocks.emplace_back(base.nodes[1 + 2 * layer].block, base.nodes[2 + 2 * layer].block);
  }
  const std::size_t count = base.nodes.size();
  SetChain(network, base.nodes[0].block, blocks, base.nodes[count - 2].block,
           base.nodes[count - 1].block);
  return network;
}

// `base` with the layers from `first` on replaced by those of `donor`, and its last norm and head:
// a partial fine-tune.
inline Network WithUpperLayersOf(const Network& base, int first, const Network& donor) {
  Network network = base;
  for (const auto& [digest, block] : donor.blocks) {
    network.blocks.emplace(digest, block);
  }
  for (std::size_t i = 1 + 2 * first; i < network.nodes.size(); ++i) {
    network.nodes[i].block = donor.nodes[i].block;
  }
  network.Prune();
  return network;
}

inline std::vector<std::int32_t> RandomTokens(std::mt19937_64& random, std::int64_t count,
                                              std::int64_t vocabulary) {
  std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(vocabulary) - 1);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& each : tokens) {
    each = token(random);
  }
  return tokens;
}

inline std::span<const Delivery> StepOf(Engine& engine) {
  const Result<std::span<const Delivery>> deliveries = engine.Step();
  CHECK(deliveries.ok());
  return *deliveries;
}

}  // namespace ashlar::testing_networks
