#include "ashlar/graph/internal/manifest_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ashlar/base/ascii.h"
#include "ashlar/graph/network.h"

namespace ashlar::internal {

Result<Json> ParseManifest(std::string_view text, std::string_view type) {
  ASHLAR_TRY(Json json, ParseJson(text, kManifestLimits));
  const JsonCursor root(json);
  ASHLAR_TRY(const JsonCursor type_at, root.At("type"));
  ASHLAR_TRY(const std::string found, type_at.AsString());
  if (found != type) {
    return type_at.Invalid("expected \"{}\", found {}", type, QuoteForError(found));
  }
  ASHLAR_TRY(const std::int64_t schema, root.Integer("schema", 1, kMaxInteger));
  if (schema != kManifestSchema) {
    return Unsupported("$.schema: this version reads schema {}, found {}", kManifestSchema, schema);
  }
  return json;
}

Status CheckCanonical(std::string_view text, std::string_view canonical) {
  if (text == canonical) {
    return {};
  }
  constexpr std::size_t kContext = 24;
  const auto difference = std::ranges::mismatch(text, canonical);
  const auto at = static_cast<std::size_t>(difference.in1 - text.begin());
  const std::size_t from = at < kContext ? 0 : at - kContext;
  return Invalid("the manifest is not in canonical form: at byte {} it has {}, and should have {}",
                 at, QuoteForError(text.substr(from, 2 * kContext)),
                 QuoteForError(canonical.substr(from, 2 * kContext)));
}

Result<Digest> ParseDigest(const JsonCursor& json) {
  ASHLAR_TRY(const std::string text, json.AsString());
  Result<Digest> digest = Digest::Parse(text);
  if (!digest.ok()) {
    return digest.error().In(json.path());
  }
  return digest;
}

Json RealText(double value) {
  return EcmaScriptNumber(value);
}

Result<double> ParseRealText(const JsonCursor& json) {
  ASHLAR_TRY(const std::string text, json.AsString());
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
    return json.Invalid("expected a finite real number in quotes, found {}", QuoteForError(text));
  }
  if (const std::string canonical = EcmaScriptNumber(value); text != canonical) {
    return json.Invalid("expected the real number in its shortest form \"{}\", found {}", canonical,
                        QuoteForError(text));
  }
  return value;
}

Status CheckName(std::string_view name, std::string_view path) {
  constexpr std::size_t kLongest = 128;
  const auto is_plain = [](char c) { return IsAsciiLetterOrDigit(c) || c == '_'; };
  const bool good =
      !name.empty() && name.size() <= kLongest && is_plain(name.front()) &&
      std::ranges::all_of(name, [&](char c) { return is_plain(c) || c == '.' || c == '-'; });
  if (!good) {
    return Invalid(
        "{}: {} is no name (1 to {} letters, digits, '.', '_' or '-', neither '.' nor "
        "'-' first)",
        path, QuoteForError(name), kLongest);
  }
  return {};
}

}  // namespace ashlar::internal
