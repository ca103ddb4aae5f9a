// Any bytes are a manifest or a named error; a manifest that parses is its own canonical form; and
// a network that is valid can be described, keyed and compared, whatever its graph is.
#include <string_view>

#include "ashlar/graph/describe.h"
#include "ashlar/graph/diff.h"
#include "ashlar/graph/testing_kinds.h"

namespace ashlar {
namespace {

template <class T>
void CheckFixpoint(const Result<T>& parsed, std::string_view text) {
  if (parsed.ok()) {
    CHECK(parsed->CanonicalManifest() == text);
  } else {
    CHECK(!parsed.error().message.empty());
  }
}

// The blocks that the networks in the corpus name. Their weights are nowhere: none are read.
void AddToyBlock(const BlockKind& kind, std::map<std::string, AttributeValue, std::less<>> values,
                 Network& network) {
  const Codec* const codec = *FindCodec("f32");
  Block block = {.kind = &kind, .attributes = *Attributes::Make(kind.attributes, values)};
  const Result<std::vector<TensorSpec>> specs = kind.tensors(block.attributes);
  for (const TensorSpec& spec : *specs) {
    block.tensors[spec.name] = {
        .shape = spec.shape,
        .codec = codec,
        .levels = {{Sha256(spec.name), 0, *PackedBytes(*codec, spec.shape)}}};
  }
  network.AddBlock(std::move(block));
}

void UseNetwork(Network network) {
  AddToyBlock(testing::kToyEmbed, {{"width", 64}, {"vocabulary", 96}}, network);
  AddToyBlock(testing::kToyAttention,
              {{"width", 64}, {"heads", 4}, {"kv_heads", 2}, {"head_dim", 16}}, network);
  AddToyBlock(testing::kToyMlp, {{"width", 64}, {"channels", 128}}, network);
  AddToyBlock(testing::kToyNorm, {{"width", 64}, {"eps", 1e-5}}, network);
  AddToyBlock(testing::kToyHead, {{"width", 64}, {"vocabulary", 96}}, network);
  CHECK(NodeNames(network).size() == network.nodes.size());
  if (!Validate(network).ok()) {
    return;
  }
  CHECK(network.parameters() > 0);
  CHECK(ComputeMerkleKeys(network, {}).value.size() == network.nodes.size());
  CHECK(DescribeRows(network, Fold::kYes).size() <= network.nodes.size());
  CHECK(Diff(network, network).same);
  RenumberLayers(network);
  CHECK(Validate(network).ok());
}

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ashlar::CheckFixpoint(ashlar::ParseBlock(text, ashlar::testing::ToyKinds()), text);
  ashlar::CheckFixpoint(ashlar::ParseOverlay(text), text);
  auto network = ashlar::ParseNetwork(text);
  ashlar::CheckFixpoint(network, text);
  if (network.ok()) {
    ashlar::UseNetwork(*std::move(network));
  }
  return 0;
}
