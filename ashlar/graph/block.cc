// Blocks and overlays: their canonical manifests, parsing, and checks.
#include <algorithm>
#include <set>

#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

using TensorMap = std::map<std::string, TensorManifest, std::less<>>;

Json TensorsToJson(const TensorMap& tensors) {
  Json json{Json::Object{}};
  for (const auto& [name, tensor] : tensors) {
    json.Set(name, ToJson(tensor));
  }
  return json;
}

Result<TensorMap> ParseTensors(const JsonCursor& json) {
  TensorMap tensors;
  ASHLAR_TRY(const auto members, json.AsObject(internal::kMaxTensors));
  for (const auto& [name, member] : members) {
    ASHLAR_TRY(internal::CheckName(name, json.path()));
    ASHLAR_TRY(TensorManifest tensor, ParseTensorManifest(member));
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

Status CheckTensor(const TensorSpec& spec, const TensorManifest& tensor) {
  if (tensor.shape != spec.shape) {
    return Invalid("tensor \"{}\" has shape {}, and the block's attributes make it {}", spec.name,
                   tensor.shape.ToString(), spec.shape.ToString());
  }
  if (spec.role == TensorRole::kVector && tensor.base != nullptr) {
    return Invalid("tensor \"{}\" is a vector, and only matrices are differences from a base",
                   spec.name);
  }
  if (spec.role == TensorRole::kVector && !tensor.codec->vectors) {
    return Invalid("tensor \"{}\" is a vector, and codec {} holds matrices only", spec.name,
                   tensor.codec->name);
  }
  return {};
}

}  // namespace

// ---- Blocks

std::string Block::CanonicalManifest() const {
  return CanonicalJson(Json::Of({{"attributes", attributes.ToJson()},
                                 {"kind", kind->name},
                                 {"schema", kManifestSchema},
                                 {"tensors", TensorsToJson(tensors)},
                                 {"type", "block"}}));
}

Digest Block::digest() const {
  return Sha256(CanonicalManifest());
}

std::uint64_t Block::bytes() const {
  std::set<Level> levels;
  std::uint64_t sum = 0;
  for (const auto& [name, tensor] : tensors) {
    for (const Level& level : tensor.all_levels()) {
      sum += levels.insert(level).second ? level.length : 0;
    }
  }
  return sum;
}

std::int64_t Block::parameters() const {
  std::int64_t sum = 0;
  for (const auto& [name, tensor] : tensors) {
    sum += tensor.shape.elements();
  }
  return sum;
}

Status CheckBlock(const Block& block) {
  ASHLAR_TRY(const std::vector<TensorSpec> specs, block.kind->tensors(block.attributes));
  for (const TensorSpec& spec : specs) {
    const auto tensor = block.tensors.find(spec.name);
    if (tensor == block.tensors.end()) {
      return Invalid("tensor \"{}\" {} is missing", spec.name, spec.shape.ToString());
    }
    ASHLAR_TRY(CheckTensor(spec, tensor->second));
  }
  if (block.tensors.size() == specs.size()) {
    return {};
  }
  for (const auto& [name, tensor] : block.tensors) {
    if (std::ranges::find(specs, name, &TensorSpec::name) == specs.end()) {
      return Invalid("tensor {} is unknown to blocks of kind {} with these attributes",
                     QuoteForError(name), block.kind->name);
    }
  }
  return {};
}

Result<Block> ParseBlock(std::string_view manifest, const Kinds& kinds) {
  ASHLAR_TRY(const Json json, internal::ParseManifest(manifest, "block"));
  const JsonCursor root(json);
  ASHLAR_TRY(root.AllowOnly({"attributes", "kind", "schema", "tensors", "type"}));
  Block block;
  ASHLAR_TRY(const std::string kind_name, root.String("kind"));
  const Result<const BlockKind*> kind = kinds.Find(kind_name);
  if (!kind.ok()) {
    return kind.error().In("$.kind");
  }
  block.kind = *kind;
  ASHLAR_TRY(const JsonCursor attributes, root.At("attributes"));
  ASHLAR_TRY(block.attributes, Attributes::Parse(block.kind->attributes, attributes));
  ASHLAR_TRY(const JsonCursor tensors, root.At("tensors"));
  ASHLAR_TRY(block.tensors, ParseTensors(tensors));
  if (const Status checked = CheckBlock(block); !checked.ok()) {
    return checked.error().In("$");
  }
  ASHLAR_TRY(internal::CheckCanonical(manifest, block.CanonicalManifest()));
  return block;
}

// ---- Overlays

std::string Overlay::CanonicalManifest() const {
  Json parameters_json{Json::Object{}};
  for (const auto& [name, value] : parameters) {
    if (const std::int64_t* integer = std::get_if<std::int64_t>(&value)) {
      parameters_json.Set(name, *integer);
    } else if (const double* real = std::get_if<double>(&value)) {
      parameters_json.Set(name, internal::RealText(*real));
    } else {
      parameters_json.Set(name, std::get<std::string>(value));
    }
  }
  Json targets_json{Json::Object{}};
  for (const auto& [target, tensors] : targets) {
    targets_json.Set(target, TensorsToJson(tensors));
  }
  return CanonicalJson(Json::Of({{"kind", kind},
                                 {"parameters", std::move(parameters_json)},
                                 {"schema", kManifestSchema},
                                 {"targets", std::move(targets_json)},
                                 {"type", "overlay"}}));
}

Digest Overlay::digest() const {
  return Sha256(CanonicalManifest());
}

Result<Overlay> ParseOverlay(std::string_view manifest) {
  ASHLAR_TRY(const Json json, internal::ParseManifest(manifest, "overlay"));
  const JsonCursor root(json);
  ASHLAR_TRY(root.AllowOnly({"kind", "parameters", "schema", "targets", "type"}));
  Overlay overlay;
  ASHLAR_TRY(overlay.kind, root.String("kind"));
  ASHLAR_TRY(internal::CheckName(overlay.kind, "$.kind"));

  ASHLAR_TRY(const JsonCursor parameters_at, root.At("parameters"));
  ASHLAR_TRY(const auto parameters, parameters_at.AsObject(internal::kMaxEntries));
  for (const auto& [name, member] : parameters) {
    ASHLAR_TRY(internal::CheckName(name, parameters_at.path()));
    if (member.value().integer() != nullptr) {
      ASHLAR_TRY(const std::int64_t integer,
                 member.AsInteger(-internal::kMaxInteger, internal::kMaxInteger));
      overlay.parameters.emplace(name, integer);
    } else if (member.value().string() != nullptr) {
      ASHLAR_TRY(std::string text, member.AsString());
      overlay.parameters.emplace(name, std::move(text));
    } else {
      return member.Invalid("expected an integer or a string, found {}",
                            member.value().type_name());
    }
  }

  ASHLAR_TRY(const JsonCursor targets_at, root.At("targets"));
  ASHLAR_TRY(const auto targets, targets_at.AsObject(internal::kMaxTensors));
  if (targets.empty()) {
    return targets_at.Invalid("an overlay has at least one target");
  }
  for (const auto& [target, member] : targets) {
    ASHLAR_TRY(internal::CheckName(target, targets_at.path()));
    ASHLAR_TRY(TensorMap tensors, ParseTensors(member));
    overlay.targets.emplace(target, std::move(tensors));
  }
  ASHLAR_TRY(internal::CheckCanonical(manifest, overlay.CanonicalManifest()));
  return overlay;
}

}  // namespace ashlar
