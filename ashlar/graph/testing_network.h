// Small networks of the toy kinds, with random weights in a store. Tests only.
#pragma once

#include <string>
#include <vector>

#include "ashlar/base/test_floats.h"
#include "ashlar/graph/network.h"
#include "ashlar/graph/testing_kinds.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::testing {

struct ToyOptions {
  int layers = 6;
  std::int64_t width = 64;
  std::int64_t channels = 128;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 16;
  std::int64_t vocabulary = 96;
  bool tied = true;        // whether the head uses the embedding's tensor
  std::uint32_t seed = 1;  // of the weights
};

// Blocks with random f32 weights.
class ToyBlocks {
 public:
  ToyBlocks(BlobStore& store, std::uint32_t seed) : store_(store), random_(seed) {}

  TensorManifest Tensor(const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& value : values) {
      value = random_.Next(0, 0.1f);
    }
    const auto bytes = std::as_bytes(std::span<const float>(values));
    const Result<Digest> blob = store_.Put(bytes);
    CHECK(blob.ok());
    return {.shape = shape, .codec = *FindCodec("f32"), .levels = {{*blob, 0, bytes.size()}}};
  }

  Block Make(const BlockKind& kind, std::map<std::string, AttributeValue, std::less<>> values) {
    Result<Attributes> attributes = Attributes::Make(kind.attributes, std::move(values));
    CHECK(attributes.ok());
    Block block = {.kind = &kind, .attributes = *std::move(attributes)};
    const auto specs = kind.tensors(block.attributes);
    CHECK(specs.ok());
    for (const TensorSpec& spec : *specs) {
      block.tensors.emplace(spec.name, Tensor(spec.shape));
    }
    return block;
  }

 private:
  BlobStore& store_;
  TestFloats random_;
};

// A node that reads and carries (when `residual`) the value of the node before it.
inline Node ChainNode(const Digest& block, int previous, bool residual, std::optional<int> layer) {
  Node node = {.block = block, .layer = layer};
  node.inputs["x"] = {{previous, 1.0}};
  if (residual) {
    node.carry = {{previous, 1.0}};
  }
  return node;
}

// embed, layers of attention and mlp, norm, head; each layer with weights of its own.
inline Network ToyNetwork(BlobStore& store, const ToyOptions& options = {}) {
  ToyBlocks blocks(store, options.seed);
  Network network;
  network.vocabulary = options.vocabulary;
  network.metadata = {.context_length = 512, .bos_token = 0, .eos_tokens = {1, 2}};
  const auto append = [&](Block block, bool residual, std::optional<int> layer) {
    const int previous = static_cast<int>(network.nodes.size()) - 1;
    network.nodes.push_back(
        ChainNode(network.AddBlock(std::move(block)), previous, residual, layer));
  };
  const Block embed =
      blocks.Make(kToyEmbed, {{"width", options.width}, {"vocabulary", options.vocabulary}});
  network.nodes.push_back({.block = network.AddBlock(embed)});
  for (int layer = 0; layer < options.layers; ++layer) {
    append(blocks.Make(kToyAttention, {{"width", options.width},
                                       {"heads", options.heads},
                                       {"kv_heads", options.kv_heads},
                                       {"head_dim", options.head_dim}}),
           true, layer);
    append(blocks.Make(kToyMlp, {{"width", options.width}, {"channels", options.channels}}), true,
           layer);
  }
  append(blocks.Make(kToyNorm, {{"width", options.width}, {"eps", 1e-5}}), false, std::nullopt);
  Block head =
      blocks.Make(kToyHead, {{"width", options.width}, {"vocabulary", options.vocabulary}});
  if (options.tied) {
    head.tensors = embed.tensors;
  }
  append(std::move(head), false, std::nullopt);
  const Result<Digest> file = store.Put(std::as_bytes(std::span<const char>("{}", 2)));
  CHECK(file.ok());
  network.files["tokenizer.json"] = {*file, 2};
  return network;
}

}  // namespace ashlar::testing
