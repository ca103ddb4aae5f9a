#include "ashlar/store/internal/tag_index.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ashlar/base/json_cursor.h"
#include "ashlar/store/oci.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr std::int64_t kSchemaVersion = 2;

}  // namespace

TagIndex TagIndex::Empty() {
  TagIndex index;
  index.document_ = Json::Of(
      {{"schemaVersion", kSchemaVersion}, {"mediaType", kOciIndex}, {"manifests", Json::Array()}});
  return index;
}

Result<TagIndex> TagIndex::Parse(std::string_view text) {
  TagIndex index;
  ASHLAR_TRY(index.document_, ParseJson(text));
  const JsonCursor root(index.document_);
  ASHLAR_TRY(const std::int64_t version, root.Integer("schemaVersion", 0, 1 << 30));
  if (version != kSchemaVersion) {
    return Unsupported("$.schemaVersion: this version of ashlar reads {}, not {}", kSchemaVersion,
                       version);
  }
  ASHLAR_TRY(const JsonCursor manifests, root.At("manifests"));
  ASHLAR_TRY(const std::vector<JsonCursor> elements, manifests.AsArray());
  std::set<std::string> names;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(Entry entry, ParseEntry(element));
    if (!entry.name.empty() && !names.insert(entry.name).second) {
      return element.Invalid("the name {} stands in two entries", QuoteForError(entry.name));
    }
    index.entries_.push_back(std::move(entry));
  }
  index.document_.Set("manifests", Json::Array());
  return index;
}

Result<TagIndex::Entry> TagIndex::ParseEntry(const JsonCursor& json) {
  Entry entry{.json = json.value()};
  Result<Descriptor> descriptor = Descriptor::FromJson(json);
  if (descriptor.ok()) {
    if (const auto name = descriptor->annotations.find(std::string(kRefName));
        name != descriptor->annotations.end()) {
      entry.name = std::move(name->second);
      descriptor->annotations.erase(name);
    }
    entry.descriptor = *std::move(descriptor);
    return entry;
  }
  if (descriptor.error().code != ErrorCode::kUnsupported) {
    return std::move(descriptor).error();
  }
  ASHLAR_TRY(const auto annotations, json.Find("annotations"));
  if (annotations) {
    ASHLAR_TRY(entry.name, annotations->StringOr(kRefName, ""));
  }
  return entry;
}

TagIndex::Entry TagIndex::MakeEntry(const std::string& name, const Descriptor& descriptor) {
  Descriptor named = descriptor;
  named.annotations[std::string(kRefName)] = name;
  return {.json = named.ToJson(), .name = name, .descriptor = descriptor};
}

Tags TagIndex::tags() const {
  Tags tags;
  for (const Entry& entry : entries_) {
    if (entry.is_tag()) {
      tags.emplace(entry.name, *entry.descriptor);
    }
  }
  return tags;
}

std::vector<Root> TagIndex::roots() const {
  std::vector<Root> roots;
  for (const Entry& entry : entries_) {
    if (entry.descriptor) {
      roots.push_back({.name = entry.name, .descriptor = *entry.descriptor});
    }
  }
  return roots;
}

Status TagIndex::Replace(const Tags& tags) {
  std::erase_if(entries_,
                [&](const Entry& entry) { return entry.is_tag() && !tags.contains(entry.name); });
  for (const auto& [name, descriptor] : tags) {
    ASHLAR_TRY(CheckTagName(name));
    if (descriptor.annotations.contains(std::string(kRefName))) {
      return Invalid("the tag {} cannot have an annotation {}: that is its name", name, kRefName);
    }
    const auto entry = std::ranges::find(entries_, name, &Entry::name);
    if (entry == entries_.end()) {
      entries_.push_back(MakeEntry(name, descriptor));
    } else if (!entry->descriptor) {
      return Conflict(
          "another tool has given the name {} to an entry whose digest is not SHA-256; choose "
          "another name, or remove that entry with the tool that made it",
          name);
    } else if (*entry->descriptor != descriptor) {
      *entry = MakeEntry(name, descriptor);
    }
  }
  return {};
}

std::string TagIndex::ToText() const {
  Json document = document_;
  Json::Array manifests;
  for (const Entry& entry : entries_) {
    manifests.push_back(entry.json);
  }
  document.Set("manifests", std::move(manifests));
  return WriteJsonPretty(document) + "\n";
}

}  // namespace ashlar::internal
