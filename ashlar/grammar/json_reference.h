// Where a "$ref" of a JSON schema leads to.
#pragma once

#include <map>
#include <string_view>
#include <unordered_map>

#include "ashlar/base/json.h"

namespace ashlar {

// The places in a JSON value. Schemas come from outside, so an object with many members is gone
// through once, and not by each who refers to what it has; and so is a reference that is long,
// which many may come by. Confined; `root` must outlive it, unchanged.
class JsonPlaces {
 public:
  explicit JsonPlaces(const Json& root) : root_(root) {}

  const Json& root() const { return root_; }
  // The value that the text `reference` names: "#", which is the root itself, or "#/$defs/a", a
  // JSON pointer (RFC 6901) in a URI's fragment. Null where there is none, for other URIs, and
  // where it is no text. Requires: it is in the root.
  const Json* Referred(const Json& reference);
  // What object.Find(key) finds. Requires: `object` is in the root.
  const Json* Member(const Json& object, std::string_view key);

 private:
  const Json* Read(std::string_view reference);

  const Json& root_;
  std::unordered_map<const Json*, const Json*> referred_;  // where references lead
  std::map<const Json*, std::unordered_map<std::string_view, const Json*>> large_;
};

}  // namespace ashlar
