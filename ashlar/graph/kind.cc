#include "ashlar/graph/kind.h"

#include "ashlar/base/json.h"

namespace ashlar {

Result<const BlockKind*> Kinds::Find(std::string_view name) const {
  std::string known;
  for (const BlockKind* kind : kinds_) {
    if (kind->name == name) {
      return kind;
    }
    known += known.empty() ? "" : ", ";
    known += kind->name;
  }
  return Unsupported("unknown block kind {}; known kinds: {}", QuoteForError(name), known);
}

}  // namespace ashlar
