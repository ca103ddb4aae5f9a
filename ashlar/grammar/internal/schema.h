// What a JSON schema says about one value, gathered from all the places that say something.
//
// A value may be under several schemas at once: those of allOf, of a $ref with neighbours, of two
// patterns that match its name. So what is compiled is never one schema but a set of them, all of
// which hold: Parts. Merging is then nothing but a union, and recursion ends, since there are
// finitely many sets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/grammar/json_reference.h"
#include "ashlar/grammar/source_work.h"

namespace ashlar::grammar {

using Types = std::uint8_t;
enum Type : Types {
  kNull = 1,
  kBoolean = 2,
  kString = 4,
  kInteger = 8,
  kFraction = 16,  // a number that is no integer
  kArray = 32,
  kObject = 64,
  kNumber = kInteger | kFraction,
  kAnyType = 127,
};
Types TypeOf(const Json& value);

// The two keywords of choice, as bits.
enum Choice : std::uint8_t { kAnyOf = 1, kOneOf = 2 };
const char* ChoiceName(Choice choice);

struct Part {
  const Json* schema;
  std::uint8_t chosen = 0;  // choices of it that were made: another part says which
  friend auto operator<=>(const Part&, const Part&) = default;
};
using Parts = std::vector<Part>;

struct Facts {
  Parts parts;                       // all, also those that others refer to; no $ref and allOf left
  std::vector<const Json*> schemas;  // those that are objects
  bool impossible = false;           // one is `false`
  Types types = kAnyType;            // by `type`, or else by the keywords that are there
  bool typed = false;                // by `type`
  // A choice that is still to be made: the branches of `choices_at` (by its keyword).
  const Json* choices_at = nullptr;
  Choice choice = kAnyOf;
};

// Every keyword that is honoured, or says nothing of what is valid.
std::vector<std::string_view> AllSchemaKeywords();

// A schema and what leads about in it. Views: the schema must outlive it.
class SchemaSource {
 public:
  explicit SchemaSource(const Json& root) : root_(root), places_(root) {}

  JsonPlaces& places() { return places_; }

  // What `schema` is, where all that it does is to refer: the same rules serve all who refer there.
  // Each is followed once.
  const Json& Meant(const Json& schema);

  // Follows allOf and $ref, checks every keyword. kUnsupported for a keyword that is not known,
  // kExhausted when it takes too much work.
  Result<Facts> Gather(const Parts& parts, SourceWork& work);

  // "#/properties/a/minLength": where `value`, which is a part of the schema, stands in it.
  std::string PointerTo(const Json& value) const;

  // Errors that begin with the place: "schema at #/properties/a: ...".
  template <class... Args>
  Error InvalidAt(const Json& value, fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("schema at {}: {}", PointerTo(value),
                   fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  Error UnsupportedAt(const Json& value, fmt::format_string<Args...> format, Args&&... args) const {
    return Unsupported("schema at {}: {}", PointerTo(value),
                       fmt::format(format, std::forward<Args>(args)...));
  }

  // The values of `keyword` in those of `schemas` that have it, each checked to be of that type.
  Result<std::vector<const Json*>> Find(const Facts& facts, std::string_view keyword,
                                        Types types) const;
  // The largest (or, `least`, the smallest) of the counts that `keyword` gives; nothing: none does.
  Result<std::optional<std::uint32_t>> Count(const Facts& facts, std::string_view keyword,
                                             bool least) const;

 private:
  Status GatherOne(const Part& part, Facts& facts, Types& hints, std::vector<Part>& open,
                   SourceWork& work);
  Result<Types> TypesOf(const Json& schema, const Json& type) const;
  Result<const Json*> Resolve(const Json& reference);
  // Where `schema` leads when it does nothing but refer; null: it says something, or leads nowhere.
  const Json* OnlyRefersTo(const Json& schema);
  // kUnsupported when `schema` holds itself by $ref, allOf, anyOf and oneOf alone: it says nothing.
  Status CheckGuarded(const Json& schema, int depth);

  const Json& root_;
  JsonPlaces places_;
  std::map<const Json*, const Json*> meant_;  // by each that was passed on the way
  std::map<const Json*, bool> guarded_;       // false: being looked at
};

}  // namespace ashlar::grammar
