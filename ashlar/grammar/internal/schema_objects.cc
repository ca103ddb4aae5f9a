#include <algorithm>

#include "ashlar/grammar/internal/schema_compiler.h"

namespace ashlar::grammar {
namespace {

// So many patterns for names may overlap: each set of them is a case of its own.
constexpr std::size_t kMaxPatterns = 6;

}  // namespace

Status SchemaCompiler::DrawObject(const Facts& facts, Use use, StateId from) {
  ASHLAR_TRY(const auto properties, source_.Find(facts, "properties", kObject));
  ASHLAR_TRY(const auto lists, source_.Find(facts, "required", kArray));
  std::vector<std::string> must;
  for (const Json* list : lists) {
    ASHLAR_TRY(work_.Take(list->array()->size()));
    for (const Json& name : *list->array()) {
      if (name.string() == nullptr) {
        return source_.InvalidAt(name, "expected a string, found {}", name.type_name());
      }
      must.push_back(*name.string());
    }
  }
  const std::set<std::string_view> required(must.begin(), must.end());
  ASHLAR_TRY(const auto min, source_.Count(facts, "minProperties", /*least=*/false));
  ASHLAR_TRY(const auto max, source_.Count(facts, "maxProperties", /*least=*/true));
  if (use == Use::kOverlap && min.value_or(0) <= required.size()) {
    return required.size() > max.value_or(kUnbounded) ? Status()
                                                      : DrawRequired(facts, required, from);
  }
  ASHLAR_TRY(const std::vector<Pattern> patterns, PatternsOf(facts));
  std::vector<std::string> names;  // each once, as they come
  std::set<std::string_view> known;
  const auto add_name = [&names, &known](const std::string& name) {
    if (known.insert(name).second) {
      names.push_back(name);
    }
  };
  for (const Json* object : properties) {
    ASHLAR_TRY(work_.Take(object->object()->size()));
    for (const auto& [name, schema] : *object->object()) {
      add_name(name);
    }
  }
  const std::size_t declared = names.size();
  std::ranges::for_each(must, add_name);
  Members members{.properties = {},
                  .others = std::nullopt,
                  .min = min.value_or(0),
                  .max = max.value_or(kUnbounded)};
  ASHLAR_TRY(const std::optional<CharDfa> allowed, NamesAllowed(facts, use));
  for (const std::string& name : names) {
    const RuleId member = builder_.AddRule();
    ASHLAR_TRY(std::optional<Parts> parts, PartsOfProperty(facts, name, patterns, allowed));
    if (parts) {
      const StateId key = builder_.AddState();
      json_.Constant(builder_.start(member), name, key);
      ASHLAR_TRY(const RuleId value, ValueRule(*std::move(parts), use));
      DrawMemberValue(key, value);
    }
    members.properties.push_back(
        {.name = name, .member = member, .required = required.contains(name)});
    if (builder_.full()) {
      return {};
    }
  }
  const bool spoken_of = std::ranges::any_of(facts.schemas, [](const Json* schema) {
    return schema->Find("additionalProperties") != nullptr;
  });
  // What is listed is all, unless the schema speaks of others or lists nothing.
  const bool open = spoken_of || (declared == 0 && patterns.empty()) || use == Use::kOverlap;
  if (open || !patterns.empty()) {
    ASHLAR_TRY(members.others, OtherMembers(facts, open, names, patterns, use));
  }
  const auto countable = static_cast<std::uint32_t>(names.size() + 1);
  if (use == Use::kOverlap) {
    members.min = std::min(members.min, countable);
  } else if (members.others && members.min > countable) {
    return source_.UnsupportedAt(*facts.schemas[0],
                                 "the keyword \"minProperties\" is supported up to one more than "
                                 "there are names, since names that are free may repeat");
  }
  DrawMembers(members, from);
  return {};
}

Status SchemaCompiler::DrawRequired(const Facts& facts, const std::set<std::string_view>& required,
                                    StateId from) {
  ASHLAR_TRY(const std::vector<Pattern> patterns, PatternsOf(facts));
  ASHLAR_TRY(const std::optional<CharDfa> allowed, NamesAllowed(facts, Use::kOverlap));
  std::vector<Parts> values;
  for (const std::string_view name : required) {
    ASHLAR_TRY(std::optional<Parts> parts,
               PartsOfProperty(facts, std::string(name), patterns, allowed));
    // Rules are asked for when no property says by itself that there is none: of branches that a
    // property sets apart there are many pairs, and each would have its own.
    ASHLAR_TRY(const bool nothing, parts ? NameNoValue(*parts) : true);
    if (nothing) {
      return {};
    }
    values.push_back(*std::move(parts));
  }
  StateId at = from;
  for (Parts& parts : values) {
    ASHLAR_TRY(const RuleId value, ValueRule(std::move(parts), Use::kOverlap));
    const StateId next = builder_.AddState();
    builder_.Call(at, value, next);
    at = next;
  }
  builder_.Literal(at, "{}", kEnd);
  return {};
}

Result<bool> SchemaCompiler::NameNoValue(const Parts& parts) {
  int naming = 0;
  for (const Part& part : parts) {
    const Json& schema = source_.Meant(*part.schema);
    if (schema.boolean() != nullptr && !*schema.boolean()) {
      return true;
    }
    naming += source_.places().Member(schema, "const") != nullptr ||
              source_.places().Member(schema, "enum") != nullptr;
  }
  if (naming < 2) {
    return false;
  }
  ASHLAR_TRY(const Facts facts, source_.Gather(parts, work_));
  ASHLAR_TRY(const auto constants, ConstantsOf(facts, Use::kOverlap));
  return constants && constants->empty();
}

Result<std::vector<SchemaCompiler::Pattern>> SchemaCompiler::PatternsOf(const Facts& facts) {
  ASHLAR_TRY(const auto objects, source_.Find(facts, "patternProperties", kObject));
  std::vector<Pattern> patterns;
  for (const Json* object : objects) {
    for (const auto& [text, schema] : *object->object()) {
      if (std::ranges::find(patterns, text, &Pattern::text) != patterns.end()) {
        continue;
      }
      ASHLAR_TRY(const CharNfa nfa, ReadPattern(source_, schema, text, work_));
      ASHLAR_TRY(CharDfa names, CharDfa::Of(nfa, work_));
      patterns.push_back({text, std::move(names)});
      if (patterns.size() > kMaxPatterns) {
        return source_.UnsupportedAt(
            *objects[0], "more than {} patterns for names are not supported", kMaxPatterns);
      }
    }
  }
  return patterns;
}

Result<std::optional<Parts>> SchemaCompiler::PartsOfProperty(
    const Facts& facts, const std::string& name, const std::vector<Pattern>& patterns,
    const std::optional<CharDfa>& allowed) {
  ASHLAR_TRY(work_.Take(facts.schemas.size() + name.size()));
  if (allowed && !allowed->Matches(name)) {
    return std::optional<Parts>();
  }
  std::vector<std::string> matching;
  for (const Pattern& pattern : patterns) {
    if (pattern.names.Matches(name)) {
      matching.push_back(pattern.text);
    }
  }
  return std::optional(PartsOfMember(facts, &name, matching));
}

Parts SchemaCompiler::PartsOfMember(const Facts& facts, const std::string* name,
                                    const std::vector<std::string>& matching) {
  Parts parts;
  const auto member_of = [this](const Json* object, const std::string& name) {
    return object != nullptr ? source_.places().Member(*object, name) : nullptr;
  };
  for (const Json* schema : facts.schemas) {
    const std::size_t before = parts.size();
    if (name != nullptr) {
      if (const Json* found = member_of(schema->Find("properties"), *name)) {
        parts.push_back({found});
      }
    }
    for (const std::string& pattern : matching) {
      if (const Json* found = member_of(schema->Find("patternProperties"), pattern)) {
        parts.push_back({found});
      }
    }
    const Json* additional = schema->Find("additionalProperties");
    if (parts.size() == before && additional != nullptr) {
      parts.push_back({additional});
    }
  }
  return parts;
}

Result<std::optional<CharDfa>> SchemaCompiler::NamesAllowed(const Facts& facts, Use use) {
  Parts parts;
  for (const Json* schema : facts.schemas) {
    if (const Json* names = schema->Find("propertyNames")) {
      parts.push_back({names});
    }
  }
  if (parts.empty()) {
    return std::optional<CharDfa>();
  }
  ASHLAR_TRY(const Facts names, source_.Gather(parts, work_));
  for (const Json* schema : names.schemas) {
    if (source_.places().Member(*schema, "enum") != nullptr ||
        source_.places().Member(*schema, "const") != nullptr || names.choices_at != nullptr) {
      return source_.UnsupportedAt(*parts[0].schema,
                                   "propertyNames with enum, const, anyOf or oneOf is not "
                                   "supported; say properties");
    }
  }
  if (names.impossible || (names.types & kString) == 0) {
    return std::optional(CharDfa::OfLength(0, kUnbounded)->Others());
  }
  ASHLAR_TRY(const StringConditions conditions,
             StringConditionsOf(source_, names, use == Use::kOverlap));
  ASHLAR_TRY(CharDfa together, conditions.Together(source_, work_));
  return std::optional(std::move(together));
}

Result<std::optional<RuleId>> SchemaCompiler::OtherMembers(const Facts& facts, bool open,
                                                           const std::vector<std::string>& names,
                                                           const std::vector<Pattern>& patterns,
                                                           Use use) {
  ASHLAR_TRY(const std::optional<CharDfa> allowed, NamesAllowed(facts, use));
  const RuleId member = builder_.AddRule();
  const StateId start = builder_.start(member);
  // To find an overlap all names are taken for others: which of them are said makes no difference.
  if ((names.empty() || use == Use::kOverlap) && patterns.empty() && !allowed) {
    const StateId key = builder_.AddState();
    builder_.Call(start, json_.string(), key);
    ASHLAR_TRY(const RuleId value, ValueRule(PartsOfMember(facts, nullptr, {}), use));
    DrawMemberValue(key, value);
    return std::optional(member);
  }
  ASHLAR_TRY(CharDfa free, CharDfa::Of(OneOfTexts(names), work_));
  free = free.Others();
  if (allowed) {
    ASHLAR_TRY(free, Both(free, *allowed, work_));
  }
  bool any = false;
  for (std::size_t set = 0; set < std::size_t{1} << patterns.size(); ++set) {
    // Names that just the patterns of this set match.
    CharDfa key_texts = free;
    std::vector<std::string> matching;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      const bool matches = (set >> i & 1) != 0;
      ASHLAR_TRY(key_texts,
                 Both(key_texts, matches ? patterns[i].names : patterns[i].names.Others(), work_));
      if (matches) {
        matching.push_back(patterns[i].text);
      }
    }
    if ((set == 0 && !open) || key_texts.matches_nothing()) {
      continue;
    }
    any = true;
    const StateId key = builder_.AddState();
    json_.StringOf(start, key_texts.AsNfa(), key);
    ASHLAR_TRY(const RuleId value, ValueRule(PartsOfMember(facts, nullptr, matching), use));
    DrawMemberValue(key, value);
  }
  return any ? std::optional(member) : std::optional<RuleId>();
}

void SchemaCompiler::DrawMemberValue(StateId from, RuleId value) {
  const StateId colon = builder_.AddState();
  const StateId before = builder_.AddState();
  builder_.Literal(from, ":", colon);
  builder_.Call(colon, json_.blank(), before);
  builder_.Call(before, value, kEnd);
}

void SchemaCompiler::DrawMembers(const Members& members, StateId from) {
  const auto count = static_cast<std::uint32_t>(members.properties.size());
  const StateId brace = builder_.AddState();
  const StateId close = builder_.AddState();
  const StateId last = builder_.AddState();
  builder_.Literal(from, "{", brace);
  builder_.Call(close, json_.blank(), last);
  builder_.Literal(last, "}", kEnd);

  // States by how many members stand before: that number, or, where only that there are some
  // matters, up to 1.
  const auto required = std::ranges::count_if(members.properties, &Property::required);
  const bool counted = members.max != kUnbounded || std::cmp_greater(members.min, required);
  const std::uint32_t most = counted ? count : 1;
  const auto member_after = [&](StateId at, std::uint32_t before, RuleId member, StateId to) {
    if (before > 0) {
      const StateId next = builder_.AddState();
      json_.Comma(at, next);
      at = next;
    }
    builder_.Call(at, member, to);
  };
  std::vector<StateId> row = {builder_.AddState()};
  builder_.Call(brace, json_.blank(), row[0]);
  for (std::uint32_t i = 0; i < count && !builder_.full(); ++i) {
    const Property& property = members.properties[i];
    std::vector<StateId> next(std::min<std::size_t>(row.size() + 1, most + 1));
    for (StateId& state : next) {
      state = builder_.AddState();
    }
    for (std::uint32_t before = 0; before < row.size() && !builder_.full(); ++before) {
      if (!property.required) {
        builder_.Skip(row[before], next[before]);
      }
      if (before < members.max) {
        member_after(row[before], before, property.member, next[std::min(before + 1, most)]);
      }
    }
    row = std::move(next);
  }
  for (std::uint32_t before = 0; before < row.size() && !builder_.full(); ++before) {
    if (before >= members.min) {
      before == 0 ? builder_.Literal(row[before], "}", kEnd) : builder_.Skip(row[before], close);
    }
    if (!members.others || before >= members.max) {
      continue;
    }
    // One member of another name is one more; of several, two may have the same.
    StateId at = builder_.AddState();
    member_after(row[before], before, *members.others, at);
    const bool enough = before + 1 >= members.min;
    if (enough) {
      builder_.Skip(at, close);
    }
    if (members.max == kUnbounded) {
      member_after(at, 1, *members.others, at);
    }
    for (std::uint32_t i = before + 1;
         enough && i < members.max && members.max != kUnbounded && !builder_.full(); ++i) {
      const StateId next = builder_.AddState();
      member_after(at, i, *members.others, next);
      builder_.Skip(next, close);
      at = next;
    }
  }
}

}  // namespace ashlar::grammar
