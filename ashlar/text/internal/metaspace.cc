#include "ashlar/text/internal/metaspace.h"

#include <array>

#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {
namespace {

struct PrependName {
  std::string_view name;
  Metaspace::Prepend prepend;
};
constexpr std::array<PrependName, 3> kPrependNames = {{
    {"always", Metaspace::Prepend::kAlways},
    {"first", Metaspace::Prepend::kFirst},
    {"never", Metaspace::Prepend::kNever},
}};

}  // namespace

Result<Metaspace> ParseMetaspace(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly(
      {"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"}));
  Metaspace metaspace;
  ASHLAR_TRY(metaspace.replacement, ParseCharacter(json, "replacement"));
  ASHLAR_TRY(const std::string copy, json.StringOr("str_rep", metaspace.replacement));
  if (copy != metaspace.replacement) {
    return json.Invalid("\"str_rep\" is {}, but \"replacement\" is {}", QuoteForError(copy),
                        QuoteForError(metaspace.replacement));
  }
  ASHLAR_TRY(metaspace.split, json.BoolOr("split", true));
  ASHLAR_TRY(const bool add_prefix_space, json.BoolOr("add_prefix_space", true));
  ASHLAR_TRY(const std::string name,
             json.StringOr("prepend_scheme", add_prefix_space ? "always" : "never"));
  if (!add_prefix_space && name != "never") {
    return json.Invalid("\"add_prefix_space\" is false, but \"prepend_scheme\" is {}",
                        QuoteForError(name));
  }
  for (const PrependName& row : kPrependNames) {
    if (row.name == name) {
      metaspace.prepend = row.prepend;
      return metaspace;
    }
  }
  return Unsupported("{}.prepend_scheme: {} is not supported", json.path(), QuoteForError(name));
}

}  // namespace ashlar::internal
