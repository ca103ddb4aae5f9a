// What the parsers of tensors', blocks', overlays' and networks' manifests share.
#pragma once

#include <string>
#include <string_view>

#include "ashlar/base/json_cursor.h"
#include "ashlar/store/digest.h"

namespace ashlar::internal {

// The largest integer that every JSON reader keeps exactly.
inline constexpr std::int64_t kMaxInteger = (std::int64_t{1} << 53) - 1;

// Caps on what one manifest may hold. A large network (1000 layers) is some thousand nodes; these
// bound the memory and time that a hostile manifest can cost.
inline constexpr JsonLimits kManifestLimits = {
    .max_bytes = 32u << 20, .max_depth = 16, .max_values = 1u << 20};
inline constexpr std::size_t kMaxNodes = 1u << 16;
inline constexpr std::size_t kMaxTerms = 4096;    // of one combination
inline constexpr std::size_t kMaxTensors = 4096;  // of one block, or of one target of an overlay
inline constexpr std::size_t kMaxLevels = 64;
inline constexpr std::size_t kMaxEntries = 1024;  // overlays of a node, files, parameters, ...

// Parses a manifest of `type` ("block"): an object with that "type" and the schema that this
// version reads. kUnsupported for another schema.
Result<Json> ParseManifest(std::string_view text, std::string_view type);

// kInvalid unless `text` is byte for byte `canonical`: one content has one digest, so a manifest
// that says the same in another way (white space, a default spelled out, unsorted terms) is
// refused.
Status CheckCanonical(std::string_view text, std::string_view canonical);

Result<Digest> ParseDigest(const JsonCursor& json);

// A real is the ECMAScript form of a finite f64 in quotes.
Json RealText(double value);
Result<double> ParseRealText(const JsonCursor& json);

// A name that comes from outside and is free: 1 to 128 of [A-Za-z0-9._-], a letter, digit or
// underscore first (so it is never a path). `path` says where it stands.
Status CheckName(std::string_view name, std::string_view path);

}  // namespace ashlar::internal
