// A TagIndex is the content of a store's index.json: the tags, which we change, and everything else
// that stands in the file, which we keep as it stands. A value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

class TagIndex {
 public:
  // The index of a new store.
  static TagIndex Empty();
  // kInvalid with the JSON path of what is wrong, kUnsupported for another schema version. Entries
  // whose digest is of an algorithm that we lack are not ours to judge: they are kept.
  static Result<TagIndex> Parse(std::string_view text);

  Tags tags() const;
  // Every entry whose digest we can read, tags included.
  std::vector<Root> roots() const;
  // Makes tags() equal `tags`. Entries that do not change keep their place and their bytes; new
  // ones come last. kInvalid for a bad name; kConflict for a name that an entry we can't read has.
  Status Replace(const Tags& tags);
  std::string ToText() const;

 private:
  struct Entry {
    Json json;                             // as it stands in the file
    std::string name;                      // its org.opencontainers.image.ref.name, or empty
    std::optional<Descriptor> descriptor;  // without that annotation; nothing: not SHA-256

    bool is_tag() const { return descriptor.has_value() && CheckTagName(name).ok(); }
  };
  static Result<Entry> ParseEntry(const JsonCursor& json);
  static Entry MakeEntry(const std::string& name, const Descriptor& descriptor);

  Json document_;  // the file, with an empty "manifests"
  std::vector<Entry> entries_;
};

}  // namespace ashlar::internal
