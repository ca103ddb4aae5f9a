#include "ashlar/grammar/internal/schema.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/schema_numbers.h"
#include "ashlar/grammar/schema_keywords.h"

namespace ashlar::grammar {
namespace {

struct Keyword {
  std::string_view name;
  Types hints = 0;  // types of which it says something
};

// Every keyword that is honoured. Any other is refused, unless it SaysNothing.
constexpr Keyword kKeywords[] = {
    {"$ref"},
    {"allOf"},
    {"anyOf"},
    {"oneOf"},
    {"type"},
    {"nullable"},
    {"enum"},
    {"const"},
    {"minLength", kString},
    {"maxLength", kString},
    {"pattern", kString},
    {"format", kString},
    {"minimum", kNumber},
    {"maximum", kNumber},
    {"exclusiveMinimum", kNumber},
    {"exclusiveMaximum", kNumber},
    {"multipleOf", kNumber},
    {"properties", kObject},
    {"required", kObject},
    {"additionalProperties", kObject},
    {"patternProperties", kObject},
    {"propertyNames", kObject},
    {"minProperties", kObject},
    {"maxProperties", kObject},
    {"items", kArray},
    {"prefixItems", kArray},
    {"additionalItems", kArray},
    {"minItems", kArray},
    {"maxItems", kArray},
    {"uniqueItems", kArray},
};

struct TypeName {
  std::string_view name;
  Types types;
};
constexpr TypeName kTypeNames[] = {
    {"null", kNull},     {"boolean", kBoolean}, {"string", kString}, {"integer", kInteger},
    {"number", kNumber}, {"array", kArray},     {"object", kObject}};

std::string NamesOf(Types types) {
  std::string names;
  for (const TypeName& known : kTypeNames) {
    if ((known.types & types) != 0) {
      names += (names.empty() ? "" : " or ") + std::string(known.name);
    }
  }
  return names;
}

// "a/b~c" as a step of a JSON pointer (RFC 6901).
std::string PointerStep(std::string_view key) {
  std::string step = "/";
  for (const char c : key) {
    if (c == '~' || c == '/') {
      step += c == '~' ? "~0" : "~1";
    } else {
      step += c;
    }
  }
  return step;
}

// Appends the way from `from` to `value`; false when it does not stand below.
bool FindBelow(const Json& from, const Json& value, std::string& way) {
  if (&from == &value) {
    return true;
  }
  const std::size_t size = way.size();
  if (const Json::Object* members = from.object()) {
    for (const auto& [key, member] : *members) {
      way += PointerStep(key);
      if (FindBelow(member, value, way)) {
        return true;
      }
      way.resize(size);
    }
  } else if (const Json::Array* elements = from.array()) {
    for (std::size_t i = 0; i < elements->size(); ++i) {
      way += fmt::format("/{}", i);
      if (FindBelow((*elements)[i], value, way)) {
        return true;
      }
      way.resize(size);
    }
  }
  return false;
}

constexpr Choice kChoices[] = {kAnyOf, kOneOf};

}  // namespace

Types TypeOf(const Json& value) {
  if (value.real() != nullptr) {
    return *value.real() == std::trunc(*value.real()) ? kInteger : kFraction;
  }
  return value.is_null()              ? kNull
         : value.boolean() != nullptr ? kBoolean
         : value.string() != nullptr  ? kString
         : value.integer() != nullptr ? kInteger
         : value.array() != nullptr   ? kArray
                                      : kObject;
}

const char* ChoiceName(Choice choice) {
  return choice == kAnyOf ? "anyOf" : "oneOf";
}

std::string SchemaSource::PointerTo(const Json& value) const {
  std::string way = "#";
  return FindBelow(root_, value, way) ? way : "#";
}

Result<std::vector<const Json*>> SchemaSource::Find(const Facts& facts, std::string_view keyword,
                                                    Types types) const {
  std::vector<const Json*> found;
  for (const Json* schema : facts.schemas) {
    if (const Json* value = schema->Find(keyword)) {
      if ((TypeOf(*value) & types) == 0) {
        return InvalidAt(*value, "expected {}, found {}", NamesOf(types), value->type_name());
      }
      found.push_back(value);
    }
  }
  return found;
}

Result<std::optional<std::uint32_t>> SchemaSource::Count(const Facts& facts,
                                                         std::string_view keyword,
                                                         bool least) const {
  ASHLAR_TRY(const std::vector<const Json*> values, Find(facts, keyword, kNumber));
  std::optional<std::uint32_t> count;
  for (const Json* value : values) {
    const double number =
        value->real() != nullptr ? *value->real() : static_cast<double>(*value->integer());
    if (number < 0 || (TypeOf(*value) & kInteger) == 0) {
      return InvalidAt(*value, "expected an integer that is not negative, found {}", number);
    }
    // More than this a grammar cannot count to: Builder refuses it.
    const auto bounded = static_cast<std::uint32_t>(std::min(number, 1e9));
    count = !count ? bounded : least ? std::min(*count, bounded) : std::max(*count, bounded);
  }
  return count;
}

Result<Types> SchemaSource::TypesOf(const Json& schema, const Json& type) const {
  const auto type_named = [](const Json& name) -> Types {
    const auto known = name.string() == nullptr
                           ? std::end(kTypeNames)
                           : std::ranges::find(kTypeNames, *name.string(), &TypeName::name);
    return known == std::end(kTypeNames) ? Types{0} : known->types;
  };
  Types types = type_named(type);
  if (const Json::Array* names = type.array()) {
    for (const Json& name : *names) {
      if (type_named(name) == 0) {
        return InvalidAt(name, "expected the name of a type");
      }
      types |= type_named(name);
    }
  }
  if (types == 0) {
    return InvalidAt(type, "expected the name of a type, or a list of such");
  }
  if (const Json* nullable = schema.Find("nullable")) {  // OpenAPI 3.0
    const bool* may_be_null = nullable->boolean();
    if (may_be_null == nullptr) {
      return InvalidAt(*nullable, "expected a boolean, found {}", nullable->type_name());
    }
    types |= *may_be_null ? Types{kNull} : Types{0};
  }
  return types;
}

Result<const Json*> SchemaSource::Resolve(const Json& reference) {
  const std::string* uri = reference.string();
  if (uri == nullptr) {
    return InvalidAt(reference, "expected a string, found {}", reference.type_name());
  }
  if (*uri != "#" && !uri->starts_with("#/")) {
    return UnsupportedAt(reference, "$ref {}: only places in this schema (#/...) are supported",
                         QuoteForError(*uri));
  }
  const Json* const place = places_.Referred(reference);
  if (place == nullptr) {
    return InvalidAt(reference, "$ref {}: there is no such place in the schema",
                     QuoteForError(*uri));
  }
  return place;
}

const Json* SchemaSource::OnlyRefersTo(const Json& schema) {
  const Json* const reference = schema.Find("$ref");
  const bool only = reference != nullptr && reference->string() != nullptr &&
                    std::ranges::all_of(*schema.object(), [](const Json::Member& member) {
                      return member.first == "$ref" || SaysNothing(member.first);
                    });
  return only ? places_.Referred(*reference) : nullptr;  // that it leads nowhere, Gather will say
}

const Json& SchemaSource::Meant(const Json& schema) {
  std::vector<const Json*> way;  // to what is meant, or to where that is known
  const Json* meant = &schema;
  while (true) {
    const auto [known, is_new] = meant_.try_emplace(meant, meant);
    if (!is_new) {
      meant = known->second;  // itself, in a circle of references, which Gather will say
      break;
    }
    way.push_back(meant);
    const Json* const target = OnlyRefersTo(*meant);
    if (target == nullptr) {
      break;
    }
    meant = target;
  }
  for (const Json* passed : way) {
    meant_[passed] = meant;
  }
  return *meant;
}

std::vector<std::string_view> AllSchemaKeywords() {
  const auto silent = SilentKeywords();
  std::vector<std::string_view> names(silent.begin(), silent.end());
  std::ranges::transform(kKeywords, std::back_inserter(names), &Keyword::name);
  return names;
}

Status SchemaSource::CheckGuarded(const Json& schema, int depth) {
  if (schema.object() == nullptr) {
    return {};
  }
  const auto [place, is_new] = guarded_.try_emplace(&schema, false);
  if (!is_new) {
    return place->second ? Status()
                         : UnsupportedAt(schema,
                                         "it refers to itself without a property or an item "
                                         "between, which says nothing");
  }
  if (depth > Grammar::kMaxNesting) {
    return UnsupportedAt(schema, "references and choices are nested deeper than {}",
                         Grammar::kMaxNesting);
  }
  if (const Json* reference = schema.Find("$ref")) {
    ASHLAR_TRY(const Json* target, Resolve(*reference));
    ASHLAR_TRY(CheckGuarded(*target, depth + 1));
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    if (const Json* branches = schema.Find(keyword)) {
      if (branches->array() == nullptr || branches->array()->empty()) {
        return InvalidAt(*branches, "expected a list of schemas");
      }
      for (const Json& branch : *branches->array()) {
        ASHLAR_TRY(CheckGuarded(branch, depth + 1));
      }
    }
  }
  guarded_[&schema] = true;
  return {};
}

Result<Facts> SchemaSource::Gather(const Parts& parts, SourceWork& work) {
  Facts facts;
  std::map<const Json*, std::size_t> places;  // in facts.parts
  Types hints = 0;
  for (const Part& part : parts) {
    ASHLAR_TRY(CheckGuarded(*part.schema, 0));
  }
  // In the order in which they are written, so that properties are too.
  std::vector<Part> open(parts.rbegin(), parts.rend());
  while (!open.empty()) {
    const Part part = open.back();
    open.pop_back();
    ASHLAR_TRY(work.Take(SourceWork::kPart));
    const auto [known, is_new] = places.try_emplace(part.schema, facts.parts.size());
    if (!is_new) {
      facts.parts[known->second].chosen |= part.chosen;
      continue;
    }
    facts.parts.push_back(part);
    ASHLAR_TRY(GatherOne(part, facts, hints, open, work));
  }
  if (!facts.typed && hints != 0) {
    facts.types = hints;
  }
  for (const Part& part : facts.parts) {
    for (const Choice choice : kChoices) {
      if ((part.chosen & choice) == 0 && part.schema->Find(ChoiceName(choice)) != nullptr) {
        facts.choices_at = part.schema;
        facts.choice = choice;
        return facts;
      }
    }
  }
  return facts;
}

Status SchemaSource::GatherOne(const Part& part, Facts& facts, Types& hints,
                               std::vector<Part>& open, SourceWork& work) {
  const Json& schema = *part.schema;
  if (const bool* anything = schema.boolean()) {
    facts.impossible |= !*anything;
    return {};
  }
  if (schema.object() == nullptr) {
    return InvalidAt(schema, "expected a schema (an object, true or false), found {}",
                     schema.type_name());
  }
  facts.schemas.push_back(&schema);
  for (const auto& [key, value] : *schema.object()) {
    // An identifier of the whole does not change what "#" means; one within would.
    if (SaysNothing(key) || (key == "$id" && &schema == &root_)) {
      continue;
    }
    const auto known = std::ranges::find(kKeywords, key, &Keyword::name);
    if (known == std::end(kKeywords)) {
      return UnsupportedAt(value, "the keyword {} is not supported", QuoteForError(key));
    }
    const bool of_numbers =
        key == "format" && value.string() != nullptr && IsNumberFormat(*value.string());
    hints |= of_numbers ? Types{kNumber} : known->hints;
  }
  if (const Json* type = schema.Find("type")) {
    ASHLAR_TRY(work.Take(type->array() != nullptr ? type->array()->size() : 0));
    ASHLAR_TRY(const Types types, TypesOf(schema, *type));
    facts.types &= types;
    facts.typed = true;
  } else if (const Json* nullable = schema.Find("nullable")) {
    return UnsupportedAt(*nullable, "the keyword \"nullable\" without a \"type\" is not supported");
  }
  // Pushed in reverse, since the last is looked at first.
  if (const Json* all = schema.Find("allOf")) {
    for (auto branch = all->array()->rbegin(); branch != all->array()->rend(); ++branch) {
      open.push_back({&*branch});
    }
  }
  if (const Json* reference = schema.Find("$ref")) {
    ASHLAR_TRY(const Json* target, Resolve(*reference));
    open.push_back({target});
  }
  return {};
}

}  // namespace ashlar::grammar
