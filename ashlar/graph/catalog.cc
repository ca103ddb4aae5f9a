#include "ashlar/graph/catalog.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/join.h"
#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/internal/near_names.h"
#include "ashlar/store/housekeeping.h"
#include "ashlar/store/oci.h"

namespace ashlar {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";

// ---- Reading

// A manifest's bytes, hashed. They are small, and all else rests on them.
Result<Blob> GetManifest(const BlobStore& store, const Digest& digest) {
  ASHLAR_TRY(Blob blob, store.Get(digest));
  if (blob.bytes().size() > internal::kManifestLimits.max_bytes) {
    return Corrupt("manifest {} has {} bytes; at most {} are supported", digest.ToString(),
                   blob.bytes().size(), internal::kManifestLimits.max_bytes);
  }
  ASHLAR_TRY(Verify(digest, blob));
  return blob;
}

// A stored manifest that says what it may not is damage, and no fault of whoever asked for it.
Error AsDamage(Error error) {
  if (error.code == ErrorCode::kInvalid) {
    error.code = ErrorCode::kCorrupt;
  }
  return error;
}

template <class Parse>
auto ParseStored(const BlobStore& store, const Digest& digest, const Parse& parse)
    -> decltype(parse(std::string_view())) {
  ASHLAR_TRY(const Blob blob, GetManifest(store, digest));
  const BlobGuard guard(digest, blob);
  auto parsed = parse(AsText(blob.bytes()));
  ASHLAR_TRY(guard.CheckIntact());
  if (!parsed.ok()) {
    return AsDamage(parsed.error().In(digest.ToString()));
  }
  return parsed;
}

Result<OciIndex> ReadIndex(const BlobStore& store, const Digest& digest) {
  return ParseStored(store, digest, ParseOciIndex);
}

// The network's own manifest behind an index; nothing when the index is no network's. Tools that do
// not know artifactType (skopeo 1.9) drop it from the indexes that they copy; then the manifests,
// which they leave alone, tell what they are.
Result<std::optional<Descriptor>> OwnManifest(const BlobStore& store, const OciIndex& index) {
  const bool told = index.artifact_type == kNetworkArtifact;
  if (!told && !index.artifact_type.empty()) {
    return std::optional<Descriptor>();
  }
  for (const Descriptor& entry : index.manifests) {
    if (entry.artifact_type == kNetworkArtifact) {
      return std::optional(entry);
    }
    if (entry.artifact_type.empty() && IsOciManifestType(entry.media_type)) {
      const auto manifest = ParseStored(store, entry.digest, ParseOciManifest);
      if (manifest.ok() && manifest->artifact_type == kNetworkArtifact) {
        return std::optional(entry);
      }
    }
  }
  if (told) {
    return Corrupt("the index holds no network manifest");
  }
  return std::optional<Descriptor>();
}

Result<Digest> NetworkDigest(const BlobStore& store, const Descriptor& own) {
  ASHLAR_TRY(const OciManifest manifest, ParseStored(store, own.digest, ParseOciManifest));
  return manifest.config.digest;
}

Error NotANetwork(const OciIndex& index) {
  return Invalid("an artifact of type {} and not a network", QuoteForError(index.artifact_type));
}

// What `ls` tells of a network without loading it.
struct Summary {
  Digest digest;
  std::optional<std::int64_t> parameters;
};

// Of the network that a tag names; nothing when it names something else: other tools' artifacts may
// stand beside ours.
Result<std::optional<Summary>> Summarize(const BlobStore& store, const Descriptor& tag) {
  if (tag.media_type != kOciIndex) {
    return std::optional<Summary>();
  }
  ASHLAR_TRY(const OciIndex index, ReadIndex(store, tag.digest));
  ASHLAR_TRY(const std::optional<Descriptor> own, OwnManifest(store, index));
  if (!own) {
    return std::optional<Summary>();
  }
  Summary summary;
  ASHLAR_TRY(summary.digest, NetworkDigest(store, *own));
  const auto annotation = index.annotations.find(std::string(kParametersAnnotation));
  if (annotation != index.annotations.end()) {
    ASHLAR_TRY(const Json parameters, ParseJson(annotation->second));
    ASHLAR_TRY(summary.parameters, JsonCursor(parameters, std::string(kParametersAnnotation))
                                       .AsInteger(0, internal::kMaxInteger));
  }
  return std::optional<Summary>(summary);
}

// What keeps a network from being used, as far as its references show.
std::optional<Error> DamageOf(const Reach& reach) {
  if (!reach.unreadable.empty()) {
    return AsDamage(reach.unreadable.front());
  }
  if (!reach.missing.empty()) {
    return Corrupt("blob {} is missing", reach.missing.front().digest.ToString());
  }
  return std::nullopt;
}

// ---- Writing

// Puts manifests, and counts what the store did not have.
class ManifestWriter {
 public:
  explicit ManifestWriter(BlobStore& store) : store_(store) {}

  Result<Descriptor> Put(std::string_view text, std::string_view media_type) {
    const Digest digest = Sha256(text);
    ASHLAR_TRY(const std::optional<std::uint64_t> size, store_.Stat(digest));
    if (size != text.size()) {  // absent, or cut short by damage: Put mends it
      ASHLAR_TRY(store_.Put(AsBytes(text)));
      added_bytes_ += text.size();
    }
    return Descriptor{.media_type = std::string(media_type), .digest = digest, .size = text.size()};
  }

  // An OCI manifest of `config` over `layers`.
  Result<Descriptor> PutArtifact(std::string_view artifact_type, std::string_view config,
                                 std::vector<Descriptor> layers,
                                 std::optional<Descriptor> subject = std::nullopt) {
    OciManifest manifest;
    manifest.artifact_type = artifact_type;
    manifest.subject = std::move(subject);
    ASHLAR_TRY(manifest.config, Put(config, artifact_type));
    if (layers.empty()) {
      ASHLAR_TRY(Put(kOciEmptyBlob, kOciEmpty));
    }
    manifest.layers = std::move(layers);
    ASHLAR_TRY(Descriptor descriptor, Put(WriteOciManifest(manifest), kOciManifest));
    descriptor.artifact_type = artifact_type;
    return descriptor;
  }

  std::uint64_t added_bytes() const { return added_bytes_; }

 private:
  BlobStore& store_;
  std::uint64_t added_bytes_ = 0;
};

using TensorsByName = std::vector<std::pair<std::string, const TensorManifest*>>;

// The blobs of some tensors, each once, ordered by digest so that equal blocks have equal OCI
// manifests. All must be in the store and hold the tensors' ranges.
Result<std::vector<Descriptor>> TensorLayers(const BlobStore& store, const TensorsByName& tensors) {
  std::map<Digest, std::vector<std::string>> names;
  for (const auto& [name, tensor] : tensors) {
    for (const Level& level : tensor->all_levels()) {
      std::vector<std::string>& users = names[level.blob];
      if (users.empty() || users.back() != name) {
        users.push_back(name);
      }
      ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(level.blob));
      if (!size) {
        return Invalid("tensor \"{}\": its blob {} is not in the store", name,
                       level.blob.ToString());
      }
      if (level.offset > *size || level.length > *size - level.offset) {
        return Invalid("tensor \"{}\": bytes {} to {} of blob {}, which has {}", name, level.offset,
                       level.offset + level.length, level.blob.ToString(), *size);
      }
    }
  }
  std::vector<Descriptor> layers;
  for (const auto& [blob, users] : names) {
    ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(blob));
    layers.push_back({.media_type = std::string(kTensorMediaType),
                      .digest = blob,
                      .size = size.value_or(0),
                      .annotations = {{std::string(kTensorsAnnotation), Join(users, " ")}}});
  }
  return layers;
}

Result<std::vector<Descriptor>> FileLayers(const BlobStore& store, const Network& network) {
  std::vector<Descriptor> layers;
  for (const auto& [name, file] : network.files) {
    ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(file.blob));
    if (!size) {
      return Invalid("file \"{}\": its blob {} is not in the store", name, file.blob.ToString());
    }
    if (*size != file.length) {
      return Invalid("file \"{}\" has {} bytes, and its blob {} has {}", name, file.length,
                     file.blob.ToString(), *size);
    }
    layers.push_back({.media_type = std::string(kFileMediaType),
                      .digest = file.blob,
                      .size = file.length,
                      .annotations = {{std::string(kFileAnnotation), name}}});
  }
  return layers;
}

// Descriptors of all blocks and overlays that the nodes name, in order of first use.
Result<std::vector<Descriptor>> PutParts(ManifestWriter& writer, const BlobStore& store,
                                         const Network& network) {
  std::vector<Descriptor> parts;
  std::set<Digest> written;
  const std::vector<std::string> names = NodeNames(network);
  const auto put = [&](std::size_t node, std::string_view artifact_type, const std::string& config,
                       const TensorsByName& tensors) -> Status {
    Result<std::vector<Descriptor>> layers = TensorLayers(store, tensors);
    if (!layers.ok()) {
      return layers.error().In(names[node]);
    }
    ASHLAR_TRY(Descriptor part, writer.PutArtifact(artifact_type, config, *std::move(layers)));
    part.annotations.emplace(kNodeAnnotation, names[node]);
    parts.push_back(std::move(part));
    return {};
  };
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    const Node& node = network.nodes[i];
    if (written.insert(node.block).second) {
      const Block& block = *network.blocks.at(node.block);
      TensorsByName tensors;
      for (const auto& [name, tensor] : block.tensors) {
        tensors.emplace_back(name, &tensor);
      }
      ASHLAR_TRY(put(i, kBlockArtifact, block.CanonicalManifest(), tensors));
    }
    for (const Digest& digest : node.overlays) {
      if (!written.insert(digest).second) {
        continue;
      }
      const Overlay& overlay = *network.overlays.at(digest);
      TensorsByName tensors;
      for (const auto& [target, roles] : overlay.targets) {
        for (const auto& [role, tensor] : roles) {
          tensors.emplace_back(fmt::format("{}.{}", target, role), &tensor);
        }
      }
      ASHLAR_TRY(put(i, kOverlayArtifact, overlay.CanonicalManifest(), tensors));
    }
  }
  return parts;
}

}  // namespace

Status CheckNetworkName(std::string_view name) {
  ASHLAR_TRY(CheckTagName(name));
  if (name.starts_with(kDigestPrefix)) {
    return Invalid("{} is no name for a network: names that begin with \"{}\" are digests",
                   QuoteForError(name), kDigestPrefix);
  }
  return {};
}

namespace {

Error UnknownNetwork(std::string_view name, const Tags& tags) {
  std::vector<std::string> known;
  for (const auto& [tag, descriptor] : tags) {
    known.push_back(tag);
  }
  return NotFound("no network named {}{}", QuoteForError(name),
                  internal::SuggestNames(name, known));
}

}  // namespace

Result<Descriptor> Catalog::Find(std::string_view name) const {
  ASHLAR_TRY(const Tags tags, store_.ReadTags());
  if (const auto tag = tags.find(name); tag != tags.end()) {
    return tag->second;
  }
  if (!name.starts_with(kDigestPrefix)) {
    return UnknownNetwork(name, tags);
  }
  ASHLAR_TRY(const Digest digest, Digest::Parse(name));
  std::vector<std::string> damaged;
  for (const auto& [tag, descriptor] : tags) {
    const Result<std::optional<Summary>> found = Summarize(store_, descriptor);
    if (!found.ok()) {
      damaged.push_back(tag);
    } else if (*found && (*found)->digest == digest) {
      return descriptor;
    }
  }
  return NotFound(
      "no tag names the network {}{}", name,
      damaged.empty()
          ? ""
          : fmt::format("; tags that are damaged, and may have named it: {}", Join(damaged, ", ")));
}

Result<Network> Catalog::Load(std::string_view name) const {
  ASHLAR_TRY(const Descriptor descriptor, Find(name));
  const auto load = [&]() -> Result<Network> {
    ASHLAR_TRY(const OciIndex index, ReadIndex(store_, descriptor.digest));
    ASHLAR_TRY(const std::optional<Descriptor> own, OwnManifest(store_, index));
    if (!own) {
      return NotANetwork(index);
    }
    ASHLAR_TRY(const Digest network_digest, NetworkDigest(store_, *own));
    ASHLAR_TRY(Network network, ParseStored(store_, network_digest, ParseNetwork));
    for (const Descriptor& entry : index.manifests) {
      if (entry.digest == own->digest) {
        continue;
      }
      ASHLAR_TRY(const OciManifest manifest, ParseStored(store_, entry.digest, ParseOciManifest));
      const Digest& digest = manifest.config.digest;
      if (manifest.artifact_type == kBlockArtifact) {
        ASHLAR_TRY(Block block, ParseStored(store_, digest, [&](std::string_view text) {
                     return ParseBlock(text, kinds_);
                   }));
        network.blocks.emplace(digest, std::make_shared<const Block>(std::move(block)));
      } else if (manifest.artifact_type == kOverlayArtifact) {
        ASHLAR_TRY(Overlay overlay, ParseStored(store_, digest, ParseOverlay));
        network.overlays.emplace(digest, std::make_shared<const Overlay>(std::move(overlay)));
      } else {
        return Unsupported("the network's index holds an artifact of unknown type {}",
                           QuoteForError(manifest.artifact_type));
      }
    }
    network.Prune();
    if (const Status valid = Validate(network); !valid.ok()) {
      return AsDamage(valid.error());
    }
    return network;
  };
  Result<Network> network = load();
  if (!network.ok()) {
    return network.error().In(fmt::format("network \"{}\"", name));
  }
  return network;
}

Result<Provenance> Catalog::LoadProvenance(std::string_view name) const {
  ASHLAR_TRY(const Descriptor descriptor, Find(name));
  ASHLAR_TRY(const OciIndex index, ReadIndex(store_, descriptor.digest));
  const auto annotation = index.annotations.find(std::string(kProvenanceAnnotation));
  if (annotation == index.annotations.end()) {
    return Provenance(Json::Array{});
  }
  Result<Json> provenance = ParseJson(annotation->second, internal::kManifestLimits);
  if (!provenance.ok()) {
    return provenance.error().In(fmt::format("provenance of \"{}\"", name));
  }
  if (provenance->array() == nullptr) {
    return Invalid("provenance of \"{}\": expected an array, found {}", name,
                   provenance->type_name());
  }
  return provenance;
}

Result<Catalog::Saved> Catalog::Save(const Network& network, std::string_view name,
                                     const Provenance& provenance, Saving saving) {
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(Validate(network));
  ManifestWriter writer(store_);
  OciIndex index;
  index.artifact_type = kNetworkArtifact;
  index.annotations = {{std::string(kProvenanceAnnotation), CanonicalJson(provenance)},
                       {std::string(kParametersAnnotation), std::to_string(network.parameters())}};
  ASHLAR_TRY(std::vector<Descriptor> files, FileLayers(store_, network));
  const std::string manifest = network.CanonicalManifest();
  ASHLAR_TRY(Descriptor self, writer.PutArtifact(kNetworkArtifact, manifest, std::move(files)));
  index.manifests.push_back(std::move(self));
  ASHLAR_TRY(std::vector<Descriptor> parts, PutParts(writer, store_, network));
  std::ranges::move(parts, std::back_inserter(index.manifests));
  ASHLAR_TRY(Descriptor descriptor, writer.Put(WriteOciIndex(index), kOciIndex));
  descriptor.artifact_type = kNetworkArtifact;
  ASHLAR_TRY(store_.UpdateTags([&](Tags& tags) -> Status {
    if (saving == Saving::kNew && tags.contains(std::string(name))) {
      return Conflict("{} is the name of another network", QuoteForError(name));
    }
    tags.insert_or_assign(std::string(name), descriptor);
    return {};
  }));
  return Saved{Sha256(manifest), writer.added_bytes()};
}

Result<Descriptor> Catalog::FindManifest(std::string_view name) const {
  ASHLAR_TRY(const Descriptor descriptor, Find(name));
  ASHLAR_TRY(const OciIndex index, ReadIndex(store_, descriptor.digest));
  ASHLAR_TRY(const std::optional<Descriptor> own, OwnManifest(store_, index));
  if (!own) {
    return NotANetwork(index).In(fmt::format("network \"{}\"", name));
  }
  return Descriptor{.media_type = own->media_type, .digest = own->digest, .size = own->size};
}

Status Catalog::Attach(std::string_view name, std::string_view artifact_type,
                       std::string_view config, std::vector<Descriptor> layers) {
  ASHLAR_TRY(Descriptor subject, FindManifest(name));
  ManifestWriter writer(store_);
  const auto put = writer.PutArtifact(artifact_type, config, std::move(layers), std::move(subject));
  return put.ok() ? Status() : put.error();
}

Result<std::vector<std::string>> Catalog::Attached(std::string_view name,
                                                   std::string_view artifact_type) const {
  ASHLAR_TRY(const Descriptor subject, FindManifest(name));
  ASHLAR_TRY(const std::vector<Descriptor> referrers, Referrers(store_, subject.digest));
  std::vector<std::string> configs;
  for (const Descriptor& referrer : referrers) {
    if (referrer.artifact_type != artifact_type || !IsOciManifestType(referrer.media_type)) {
      continue;
    }
    ASHLAR_TRY(const OciManifest manifest, ParseStored(store_, referrer.digest, ParseOciManifest));
    ASHLAR_TRY(const Blob config, GetManifest(store_, manifest.config.digest));
    const BlobGuard guard(manifest.config.digest, config);
    configs.emplace_back(AsText(config.bytes()));
    ASHLAR_TRY(guard.CheckIntact());
  }
  return configs;
}

Result<std::vector<std::string>> Catalog::Names() const {
  ASHLAR_TRY(const Tags tags, store_.ReadTags());
  std::vector<std::string> names;
  for (const auto& [name, descriptor] : tags) {
    bool is_network = descriptor.artifact_type == kNetworkArtifact;
    if (descriptor.artifact_type.empty()) {  // another tool's tag
      const Result<std::optional<Summary>> summary = Summarize(store_, descriptor);
      is_network = !summary.ok() || *summary;
    }
    if (is_network) {
      names.push_back(name);
    }
  }
  return names;
}

Result<std::vector<NetworkInfo>> Catalog::List() const {
  ASHLAR_TRY(const Tags tags, store_.ReadTags());
  std::vector<Descriptor> roots;
  for (const auto& [name, descriptor] : tags) {
    roots.push_back(descriptor);
  }
  // What any tag reaches is shared, also when that tag names something else than a network.
  ASHLAR_TRY(const std::vector<Reach> reaches, ReachFrom(store_, roots));
  std::map<Digest, int> reached_by;
  for (const Reach& reach : reaches) {
    for (const auto& [digest, size] : reach.blobs) {
      ++reached_by[digest];
    }
  }
  std::vector<NetworkInfo> infos;
  auto reach = reaches.begin();
  for (const auto& [name, descriptor] : tags) {
    const Reach& reached = *reach++;
    NetworkInfo info{.name = name, .damage = DamageOf(reached)};
    const Result<std::optional<Summary>> summary = Summarize(store_, descriptor);
    if (!summary.ok()) {
      info.damage = summary.error();
    } else if (!*summary) {
      continue;
    } else {
      info.digest = (*summary)->digest;
      info.parameters = (*summary)->parameters;
    }
    for (const auto& [digest, size] : reached.blobs) {
      (reached_by.at(digest) == 1 ? info.unique_bytes : info.shared_bytes) += size;
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

Status Catalog::Tag(std::string_view existing, std::string_view name) {
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(const Descriptor descriptor, Find(existing));
  return store_.UpdateTags([&](Tags& tags) -> Status {
    tags.insert_or_assign(std::string(name), descriptor);
    return {};
  });
}

Status Catalog::Remove(const std::set<std::string>& names) {
  return store_.UpdateTags([&](Tags& tags) -> Status {
    for (const std::string& name : names) {
      if (!tags.contains(name)) {
        return UnknownNetwork(name, tags);
      }
    }
    std::erase_if(tags, [&](const auto& tag) { return names.contains(tag.first); });
    return {};
  });
}

}  // namespace ashlar
