#include "ashlar/store/oci.h"

#include <algorithm>
#include <utility>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"

namespace ashlar {
namespace {

// Docker's names for the same two shapes, which OCI layouts made from Docker images contain.
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerIndex =
    "application/vnd.docker.distribution.manifest.list.v2+json";

constexpr std::int64_t kSchemaVersion = 2;
// The largest integer that JSON carries exactly everywhere (RFC 8785, section 3.2.2.3).
constexpr std::int64_t kMaxSize = (std::int64_t{1} << 53) - 1;

Json AnnotationsToJson(const std::map<std::string, std::string>& annotations) {
  Json::Object members;
  for (const auto& [key, value] : annotations) {
    members.emplace_back(key, value);
  }
  return members;
}

Result<std::map<std::string, std::string>> ReadAnnotations(const JsonCursor& owner) {
  std::map<std::string, std::string> annotations;
  ASHLAR_TRY(const auto found, owner.Find("annotations"));
  if (found) {
    ASHLAR_TRY(const auto members, found->AsObject());
    for (const auto& [key, value] : members) {
      ASHLAR_TRY(annotations[key], value.AsString());
    }
  }
  return annotations;
}

Result<std::vector<Descriptor>> ReadDescriptors(const JsonCursor& owner, std::string_view key) {
  ASHLAR_TRY(const JsonCursor array, owner.At(key));
  ASHLAR_TRY(const std::vector<JsonCursor> elements, array.AsArray());
  std::vector<Descriptor> descriptors;
  descriptors.reserve(elements.size());
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(descriptors.emplace_back(), Descriptor::FromJson(element));
  }
  return descriptors;
}

Result<std::optional<Descriptor>> ReadSubject(const JsonCursor& owner) {
  ASHLAR_TRY(const auto found, owner.Find("subject"));
  if (!found) {
    return std::optional<Descriptor>();
  }
  ASHLAR_TRY(Descriptor subject, Descriptor::FromJson(*found));
  return std::optional<Descriptor>(std::move(subject));
}

// What manifests and indexes have in common. `media_type` may be absent, but must not be another.
Status CheckHead(const JsonCursor& root, std::string_view oci_type, std::string_view docker_type) {
  ASHLAR_TRY(const std::int64_t version, root.Integer("schemaVersion", 0, kMaxSize));
  if (version != kSchemaVersion) {
    return Unsupported("{}.schemaVersion: this version of ashlar reads {}, not {}", root.path(),
                       kSchemaVersion, version);
  }
  ASHLAR_TRY(const std::string media_type, root.StringOr("mediaType", oci_type));
  if (media_type != oci_type && media_type != docker_type) {
    return root.Invalid("mediaType is {}, but {} was expected", QuoteForError(media_type),
                        oci_type);
  }
  return {};
}

Json ToJson(const std::vector<Descriptor>& descriptors) {
  Json::Array array;
  for (const Descriptor& descriptor : descriptors) {
    array.push_back(descriptor.ToJson());
  }
  return array;
}

// The members that manifests and indexes share.
Json WriteHead(std::string_view media_type, const std::string& artifact_type,
               const std::optional<Descriptor>& subject,
               const std::map<std::string, std::string>& annotations) {
  Json json = Json::Of({{"schemaVersion", kSchemaVersion}, {"mediaType", media_type}});
  if (!artifact_type.empty()) {
    json.Set("artifactType", artifact_type);
  }
  if (subject) {
    json.Set("subject", subject->ToJson());
  }
  if (!annotations.empty()) {
    json.Set("annotations", AnnotationsToJson(annotations));
  }
  return json;
}

}  // namespace

Json Descriptor::ToJson() const {
  CHECK_LE(size, static_cast<std::uint64_t>(kMaxSize));
  Json json = Json::Of({{"mediaType", media_type}, {"digest", digest.ToString()}, {"size", size}});
  if (!artifact_type.empty()) {
    json.Set("artifactType", artifact_type);
  }
  if (!annotations.empty()) {
    json.Set("annotations", AnnotationsToJson(annotations));
  }
  return json;
}

Result<Descriptor> Descriptor::FromJson(const JsonCursor& json) {
  Descriptor descriptor;
  ASHLAR_TRY(descriptor.media_type, json.String("mediaType"));
  if (descriptor.media_type.empty()) {
    return json.Invalid("mediaType is empty");
  }
  ASHLAR_TRY(const std::string digest, json.String("digest"));
  Result<Digest> parsed = Digest::Parse(digest);
  if (!parsed.ok()) {
    return parsed.error().In(json.path() + ".digest");
  }
  descriptor.digest = *parsed;
  ASHLAR_TRY(const std::int64_t size, json.Integer("size", 0, kMaxSize));
  descriptor.size = static_cast<std::uint64_t>(size);
  ASHLAR_TRY(descriptor.artifact_type, json.StringOr("artifactType", ""));
  ASHLAR_TRY(descriptor.annotations, ReadAnnotations(json));
  return descriptor;
}

std::string WriteOciManifest(const OciManifest& manifest) {
  Json json =
      WriteHead(kOciManifest, manifest.artifact_type, manifest.subject, manifest.annotations);
  json.Set("config", manifest.config.ToJson());
  json.Set("layers",
           ToJson(manifest.layers.empty() ? std::vector{OciEmptyDescriptor()} : manifest.layers));
  return CanonicalJson(json);
}

std::string WriteOciIndex(const OciIndex& index) {
  Json json = WriteHead(kOciIndex, index.artifact_type, index.subject, index.annotations);
  json.Set("manifests", ToJson(index.manifests));
  return CanonicalJson(json);
}

Descriptor OciEmptyDescriptor() {
  return {.media_type = std::string(kOciEmpty),
          .digest = Sha256(kOciEmptyBlob),
          .size = kOciEmptyBlob.size()};
}

Result<OciManifest> ParseOciManifest(std::string_view text) {
  ASHLAR_TRY(const Json json, ParseJson(text));
  const JsonCursor root(json);
  ASHLAR_TRY(CheckHead(root, kOciManifest, kDockerManifest));
  OciManifest manifest;
  ASHLAR_TRY(manifest.artifact_type, root.StringOr("artifactType", ""));
  ASHLAR_TRY(const JsonCursor config, root.At("config"));
  ASHLAR_TRY(manifest.config, Descriptor::FromJson(config));
  ASHLAR_TRY(manifest.layers, ReadDescriptors(root, "layers"));
  ASHLAR_TRY(manifest.subject, ReadSubject(root));
  ASHLAR_TRY(manifest.annotations, ReadAnnotations(root));
  return manifest;
}

Result<OciIndex> ParseOciIndex(std::string_view text) {
  ASHLAR_TRY(const Json json, ParseJson(text));
  const JsonCursor root(json);
  ASHLAR_TRY(CheckHead(root, kOciIndex, kDockerIndex));
  OciIndex index;
  ASHLAR_TRY(index.artifact_type, root.StringOr("artifactType", ""));
  ASHLAR_TRY(index.manifests, ReadDescriptors(root, "manifests"));
  ASHLAR_TRY(index.subject, ReadSubject(root));
  ASHLAR_TRY(index.annotations, ReadAnnotations(root));
  return index;
}

bool IsOciManifestType(std::string_view media_type) {
  return media_type == kOciManifest || media_type == kDockerManifest;
}

bool IsOciIndexType(std::string_view media_type) {
  return media_type == kOciIndex || media_type == kDockerIndex;
}

Result<std::vector<Descriptor>> References(const BlobStore& store, const Descriptor& descriptor) {
  if (!IsOciManifestType(descriptor.media_type) && !IsOciIndexType(descriptor.media_type)) {
    return std::vector<Descriptor>();
  }
  ASHLAR_TRY(const Blob blob, store.Get(descriptor.digest));
  const BlobGuard guard(descriptor.digest, blob);
  if (IsOciIndexType(descriptor.media_type)) {
    Result<OciIndex> index = ParseOciIndex(AsText(blob.bytes()));
    ASHLAR_TRY(guard.CheckIntact());
    if (!index.ok()) {
      return index.error().In("index " + descriptor.digest.ToString());
    }
    ASHLAR_TRY(Verify(descriptor.digest, blob));
    return std::move(index->manifests);
  }
  Result<OciManifest> manifest = ParseOciManifest(AsText(blob.bytes()));
  ASHLAR_TRY(guard.CheckIntact());
  if (!manifest.ok()) {
    return manifest.error().In("manifest " + descriptor.digest.ToString());
  }
  ASHLAR_TRY(Verify(descriptor.digest, blob));
  std::vector<Descriptor> references = std::move(manifest->layers);
  references.insert(references.begin(), std::move(manifest->config));
  return references;
}

}  // namespace ashlar
