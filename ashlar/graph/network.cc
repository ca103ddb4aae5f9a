#include "ashlar/graph/network.h"

#include <algorithm>
#include <set>

#include "ashlar/graph/internal/manifest_json.h"

namespace ashlar {
namespace {

// ---- Writing

Json CombinationToJson(const Combination& combination) {
  Json::Array terms;
  for (const Term& term : Canonical(combination)) {
    terms.emplace_back(Json::Array{Json(term.node), internal::RealText(term.coefficient)});
  }
  return terms;
}

// What is empty or has no value is left out.
Json NodeToJson(const Node& node) {
  Json json = Json::Of({{"block", node.block.ToString()}});
  if (!node.carry.empty()) {
    json.Set("carry", CombinationToJson(node.carry));
  }
  if (!node.inputs.empty()) {
    Json inputs{Json::Object{}};
    for (const auto& [name, combination] : node.inputs) {
      inputs.Set(name, CombinationToJson(combination));
    }
    json.Set("inputs", std::move(inputs));
  }
  if (node.layer) {
    json.Set("layer", *node.layer);
  }
  if (!node.overlays.empty()) {
    Json::Array overlays;
    for (const Digest& overlay : node.overlays) {
      overlays.emplace_back(overlay.ToString());
    }
    json.Set("overlays", std::move(overlays));
  }
  if (!node.slice.empty()) {
    Json slice{Json::Object{}};
    for (const auto& [axis, value] : node.slice) {
      slice.Set(axis, value);
    }
    json.Set("slice", std::move(slice));
  }
  if (node.state_of) {
    json.Set("state_of", *node.state_of);
  }
  return json;
}

Json MetadataToJson(const Metadata& metadata) {
  Json json{Json::Object{}};
  if (metadata.context_length) {
    json.Set("context_length", *metadata.context_length);
  }
  if (metadata.bos_token) {
    json.Set("bos_token", *metadata.bos_token);
  }
  const std::set<std::int64_t> eos(metadata.eos_tokens.begin(), metadata.eos_tokens.end());
  if (!eos.empty()) {
    Json::Array tokens;
    for (const std::int64_t token : eos) {
      tokens.emplace_back(token);
    }
    json.Set("eos_tokens", std::move(tokens));
  }
  return json;
}

// ---- Parsing

// Of the node with index `node`: terms name earlier nodes, each once, ascending.
Result<Combination> ParseCombination(const JsonCursor& json, int node) {
  ASHLAR_TRY(const std::vector<JsonCursor> terms, json.AsArray(internal::kMaxTerms));
  if (terms.empty()) {
    return json.Invalid("an empty combination is left out");
  }
  Combination combination;
  for (const JsonCursor& at : terms) {
    ASHLAR_TRY(const std::vector<JsonCursor> pair, at.AsArray());
    if (pair.size() != 2) {
      return at.Invalid("expected [node, \"coefficient\"], found {} elements", pair.size());
    }
    ASHLAR_TRY(const std::int64_t of, pair[0].AsInteger(0, internal::kMaxInteger));
    if (of >= node) {
      return pair[0].Invalid("node {} refers to node {}; a node refers to earlier ones only", node,
                             of);
    }
    if (!combination.empty() && of <= combination.back().node) {
      return pair[0].Invalid(
          "node {} stands after node {}; terms ascend, and each node stands once", of,
          combination.back().node);
    }
    ASHLAR_TRY(const double coefficient, internal::ParseRealText(pair[1]));
    if (coefficient == 0) {
      return pair[1].Invalid("a term with the coefficient 0 is left out");
    }
    combination.push_back({static_cast<int>(of), coefficient});
  }
  return combination;
}

Result<Slice> ParseSlice(const JsonCursor& json) {
  Slice slice;
  ASHLAR_TRY(const auto members, json.AsObject(internal::kMaxEntries));
  for (const auto& [axis, member] : members) {
    ASHLAR_TRY(internal::CheckName(axis, json.path()));
    ASHLAR_TRY(const std::int64_t value, member.AsInteger(1, internal::kMaxInteger));
    slice.emplace(axis, value);
  }
  return slice;
}

Result<Node> ParseNode(const JsonCursor& json, int index) {
  ASHLAR_TRY(
      json.AllowOnly({"block", "carry", "inputs", "layer", "overlays", "slice", "state_of"}));
  Node node;
  ASHLAR_TRY(const JsonCursor block, json.At("block"));
  ASHLAR_TRY(node.block, internal::ParseDigest(block));
  ASHLAR_TRY(const std::optional<JsonCursor> carry, json.Find("carry"));
  if (carry) {
    ASHLAR_TRY(node.carry, ParseCombination(*carry, index));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> inputs, json.Find("inputs"));
  if (inputs) {
    ASHLAR_TRY(const auto members, inputs->AsObject(internal::kMaxEntries));
    for (const auto& [name, member] : members) {
      ASHLAR_TRY(internal::CheckName(name, inputs->path()));
      ASHLAR_TRY(Combination combination, ParseCombination(member, index));
      node.inputs.emplace(name, std::move(combination));
    }
  }
  ASHLAR_TRY(const std::optional<JsonCursor> overlays, json.Find("overlays"));
  if (overlays) {
    ASHLAR_TRY(const std::vector<JsonCursor> digests, overlays->AsArray(internal::kMaxEntries));
    for (const JsonCursor& at : digests) {
      ASHLAR_TRY(const Digest digest, internal::ParseDigest(at));
      node.overlays.push_back(digest);
    }
  }
  ASHLAR_TRY(const std::optional<JsonCursor> slice, json.Find("slice"));
  if (slice) {
    ASHLAR_TRY(node.slice, ParseSlice(*slice));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> state_of, json.Find("state_of"));
  if (state_of) {
    ASHLAR_TRY(const std::int64_t owner, state_of->AsInteger(0, internal::kMaxInteger));
    if (owner >= index) {
      return state_of->Invalid("node {} refers to node {}; a node refers to earlier ones only",
                               index, owner);
    }
    node.state_of = static_cast<int>(owner);
  }
  ASHLAR_TRY(const std::optional<JsonCursor> layer, json.Find("layer"));
  if (layer) {
    ASHLAR_TRY(const std::int64_t number,
               layer->AsInteger(0, static_cast<std::int64_t>(internal::kMaxNodes)));
    node.layer = static_cast<int>(number);
  }
  return node;
}

Result<Metadata> ParseMetadata(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"context_length", "bos_token", "eos_tokens"}));
  Metadata metadata;
  ASHLAR_TRY(const std::optional<JsonCursor> context, json.Find("context_length"));
  if (context) {
    ASHLAR_TRY(metadata.context_length, context->AsInteger(1, internal::kMaxInteger));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> bos, json.Find("bos_token"));
  if (bos) {
    ASHLAR_TRY(metadata.bos_token, bos->AsInteger(0, internal::kMaxInteger));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> eos, json.Find("eos_tokens"));
  if (eos) {
    ASHLAR_TRY(const std::vector<JsonCursor> tokens, eos->AsArray(internal::kMaxEntries));
    for (const JsonCursor& at : tokens) {
      ASHLAR_TRY(const std::int64_t token, at.AsInteger(0, internal::kMaxInteger));
      metadata.eos_tokens.push_back(token);
    }
  }
  return metadata;
}

Result<FileReference> ParseFile(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"blob", "length"}));
  FileReference file;
  ASHLAR_TRY(const JsonCursor blob, json.At("blob"));
  ASHLAR_TRY(file.blob, internal::ParseDigest(blob));
  ASHLAR_TRY(const std::int64_t length, json.Integer("length", 0, internal::kMaxInteger));
  file.length = static_cast<std::uint64_t>(length);
  return file;
}

}  // namespace

// ---- Combinations

Combination Canonical(Combination terms) {
  std::ranges::stable_sort(terms, {}, &Term::node);
  Combination canonical;
  for (const Term& term : terms) {
    if (!canonical.empty() && canonical.back().node == term.node) {
      canonical.back().coefficient += term.coefficient;
    } else {
      canonical.push_back(term);
    }
  }
  std::erase_if(canonical, [](const Term& term) { return term.coefficient == 0; });
  return canonical;
}

// ---- Identity

Network::Network() = default;
Network::Network(const Network&) = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(const Network&) = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

std::string Network::CanonicalManifest() const {
  Json json = Json::Of({{"schema", kManifestSchema}, {"type", "network"}});
  Json::Array nodes_json;
  for (const Node& node : nodes) {
    nodes_json.push_back(NodeToJson(node));
  }
  json.Set("nodes", std::move(nodes_json));
  if (!files.empty()) {
    Json files_json{Json::Object{}};
    for (const auto& [name, file] : files) {
      files_json.Set(name, Json::Of({{"blob", file.blob.ToString()}, {"length", file.length}}));
    }
    json.Set("files", std::move(files_json));
  }
  if (Json metadata_json = MetadataToJson(metadata); !metadata_json.object()->empty()) {
    json.Set("metadata", std::move(metadata_json));
  }
  if (vocabulary != 0) {
    json.Set("vocabulary", vocabulary);
  }
  return CanonicalJson(json);
}

Digest Network::digest() const {
  return Sha256(CanonicalManifest());
}

Result<Network> ParseNetwork(std::string_view manifest) {
  ASHLAR_TRY(const Json json, internal::ParseManifest(manifest, "network"));
  const JsonCursor root(json);
  ASHLAR_TRY(root.AllowOnly({"files", "metadata", "nodes", "schema", "type", "vocabulary"}));
  Network network;
  ASHLAR_TRY(const JsonCursor nodes_at, root.At("nodes"));
  ASHLAR_TRY(const std::vector<JsonCursor> nodes, nodes_at.AsArray(internal::kMaxNodes));
  for (const JsonCursor& at : nodes) {
    ASHLAR_TRY(Node node, ParseNode(at, static_cast<int>(network.nodes.size())));
    network.nodes.push_back(std::move(node));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> files_at, root.Find("files"));
  if (files_at) {
    ASHLAR_TRY(const auto files, files_at->AsObject(internal::kMaxEntries));
    for (const auto& [name, member] : files) {
      ASHLAR_TRY(internal::CheckName(name, files_at->path()));
      ASHLAR_TRY(const FileReference file, ParseFile(member));
      network.files.emplace(name, file);
    }
  }
  ASHLAR_TRY(const std::optional<JsonCursor> metadata, root.Find("metadata"));
  if (metadata) {
    ASHLAR_TRY(network.metadata, ParseMetadata(*metadata));
  }
  ASHLAR_TRY(network.vocabulary, root.IntegerOr("vocabulary", 0, internal::kMaxInteger, 0));
  ASHLAR_TRY(internal::CheckCanonical(manifest, network.CanonicalManifest()));
  return network;
}

// ---- Contents

Digest Network::AddBlock(Block block) {
  const Digest digest = block.digest();
  if (!blocks.contains(digest)) {
    blocks.emplace(digest, std::make_shared<const Block>(std::move(block)));
  }
  return digest;
}

void Network::Prune() {
  std::set<Digest> used_blocks;
  std::set<Digest> used_overlays;
  for (const Node& node : nodes) {
    used_blocks.insert(node.block);
    used_overlays.insert(node.overlays.begin(), node.overlays.end());
  }
  std::erase_if(blocks, [&](const auto& entry) { return !used_blocks.contains(entry.first); });
  std::erase_if(overlays, [&](const auto& entry) { return !used_overlays.contains(entry.first); });
}

int Network::layers() const {
  std::set<int> layers;
  for (const Node& node : nodes) {
    if (node.layer) {
      layers.insert(*node.layer);
    }
  }
  return static_cast<int>(layers.size());
}

std::int64_t Network::parameters() const {
  // Of one stored tensor that several nodes use, sliced or whole, the largest part counts: slices
  // are nested.
  std::map<std::vector<Level>, std::int64_t> used;
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    const Block& block = BlockOf(i);
    const auto specs = block.kind->tensors(EffectiveAttributes(*this, i));
    CHECK(specs.ok());
    for (const TensorSpec& spec : *specs) {
      std::int64_t& elements = used[block.tensors.find(spec.name)->second.levels];
      elements = std::max(elements, spec.shape.elements());
    }
  }
  std::int64_t sum = 0;
  for (const auto& [levels, elements] : used) {
    sum += elements;
  }
  return sum;
}

Attributes EffectiveAttributes(const Network& network, int node) {
  const Block& block = network.BlockOf(node);
  const Slice& slice = network.nodes[node].slice;
  return slice.empty() ? block.attributes : block.kind->apply_slice(block.attributes, slice);
}

void RenumberLayers(Network& network) {
  std::map<int, int> numbers;
  for (Node& node : network.nodes) {
    if (node.layer) {
      node.layer = numbers.emplace(*node.layer, static_cast<int>(numbers.size())).first->second;
    }
  }
}

// ---- Names

std::vector<std::string> NodeNames(const Network& network) {
  const auto kind_of = [&](const Node& node) -> std::string_view {
    const auto block = network.blocks.find(node.block);
    return block == network.blocks.end() ? "unknown" : block->second->kind->name;
  };
  std::map<std::string_view, int> outside_layers;  // how often each kind stands there
  for (const Node& node : network.nodes) {
    outside_layers[kind_of(node)] += node.layer ? 0 : 1;
  }
  std::map<std::pair<int, std::string_view>, int> in_layer;  // how often so far
  std::vector<std::string> names;
  for (const Node& node : network.nodes) {
    const std::string_view kind = kind_of(node);
    if (node.layer) {
      const int count = ++in_layer[{*node.layer, kind}];
      names.push_back(fmt::format("layers.{}.{}", *node.layer, kind));
      if (count > 1) {
        names.back() += fmt::format("_{}", count);
      }
    } else if (outside_layers[kind] == 1) {
      names.emplace_back(kind);
    } else {
      names.push_back(fmt::format("node {} ({})", names.size(), kind));
    }
  }
  return names;
}

std::string NodeName(const Network& network, int node) {
  return NodeNames(network)[node];
}

}  // namespace ashlar
