#include <algorithm>

#include "ashlar/grammar/internal/schema_compiler.h"

namespace ashlar::grammar {
namespace {

// So many patterns for names may overlap: each set of them is a case of its own.
constexpr std::size_t kMaxPatterns = 6;

const Json* MemberOf(const Json* object, std::string_view name) {
  return object == nullptr ? nullptr : object->Find(name);
}

}  // namespace

Status SchemaCompiler::DrawObject(const Facts& facts, Use use, StateId from) {
  ASHLAR_TRY(const auto properties, source_.Find(facts, "properties", kObject));
  ASHLAR_TRY(const auto required, source_.Find(facts, "required", kArray));
  ASHLAR_TRY(const std::vector<Pattern> patterns, PatternsOf(facts));
  std::vector<std::string> names;
  const auto add_name = [&names](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const Json* object : properties) {
    for (const auto& [name, schema] : *object->object()) {
      add_name(name);
    }
  }
  const std::size_t declared = names.size();
  std::vector<std::string> must;
  for (const Json* list : required) {
    for (const Json& name : *list->array()) {
      if (name.string() == nullptr) {
        return source_.InvalidAt(name, "expected a string, found {}", name.type_name());
      }
      must.push_back(*name.string());
      add_name(must.back());
    }
  }
  std::ranges::sort(must);
  must.erase(std::unique(must.begin(), must.end()), must.end());

  ASHLAR_TRY(const auto min, source_.Count(facts, "minProperties", /*least=*/false));
  ASHLAR_TRY(const auto max, source_.Count(facts, "maxProperties", /*least=*/true));
  Members members{.properties = {},
                  .others = std::nullopt,
                  .min = min.value_or(0),
                  .max = max.value_or(kUnbounded)};
  ASHLAR_TRY(const std::optional<CharDfa> allowed, NamesAllowed(facts, use));
  for (const std::string& name : names) {
    std::vector<std::string> matching;
    for (const Pattern& pattern : patterns) {
      if (pattern.names.Matches(name)) {
        matching.push_back(pattern.text);
      }
    }
    const RuleId member = builder_.AddRule();
    if (!allowed || allowed->Matches(name)) {
      const StateId key = builder_.AddState();
      json_.Constant(builder_.start(member), name, key);
      DrawMemberValue(key, ValueRule(PartsOfMember(facts, &name, matching), use));
    }
    members.properties.push_back(
        {.name = name, .member = member, .required = std::ranges::binary_search(must, name)});
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

Result<std::vector<SchemaCompiler::Pattern>> SchemaCompiler::PatternsOf(const Facts& facts) {
  ASHLAR_TRY(const auto objects, source_.Find(facts, "patternProperties", kObject));
  std::vector<Pattern> patterns;
  for (const Json* object : objects) {
    for (const auto& [text, schema] : *object->object()) {
      if (std::ranges::find(patterns, text, &Pattern::text) != patterns.end()) {
        continue;
      }
      ASHLAR_TRY(const CharNfa nfa, ReadPattern(source_, schema, text));
      ASHLAR_TRY(CharDfa names, CharDfa::Of(nfa, work_));
      patterns.push_back({text, std::move(names)});
    }
  }
  if (patterns.size() > kMaxPatterns) {
    return source_.UnsupportedAt(*objects[0], "more than {} patterns for names are not supported",
                                 kMaxPatterns);
  }
  return patterns;
}

Parts SchemaCompiler::PartsOfMember(const Facts& facts, const std::string* name,
                                    const std::vector<std::string>& matching) const {
  Parts parts;
  for (const Json* schema : facts.schemas) {
    const std::size_t before = parts.size();
    if (name != nullptr) {
      if (const Json* found = MemberOf(schema->Find("properties"), *name)) {
        parts.push_back({found});
      }
    }
    for (const std::string& pattern : matching) {
      if (const Json* found = MemberOf(schema->Find("patternProperties"), pattern)) {
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
  ASHLAR_TRY(const Facts names, source_.Gather(parts));
  for (const Json* schema : names.schemas) {
    if (schema->Find("enum") != nullptr || schema->Find("const") != nullptr ||
        names.choices_at != nullptr) {
      return source_.UnsupportedAt(*parts[0].schema,
                                   "propertyNames with enum, const, anyOf or oneOf is not "
                                   "supported; say properties");
    }
  }
  if (names.impossible || (names.types & kString) == 0) {
    return std::optional(CharDfa::OfLength(0, kUnbounded)->Others());
  }
  ASHLAR_TRY(const StringConditions conditions,
             StringConditionsOf(source_, names, use == Use::kOverlap, work_));
  ASHLAR_TRY(CharDfa together, conditions.Together(work_));
  return std::optional(std::move(together));
}

Result<std::optional<RuleId>> SchemaCompiler::OtherMembers(const Facts& facts, bool open,
                                                           const std::vector<std::string>& names,
                                                           const std::vector<Pattern>& patterns,
                                                           Use use) {
  ASHLAR_TRY(const std::optional<CharDfa> allowed, NamesAllowed(facts, use));
  const RuleId member = builder_.AddRule();
  const StateId start = builder_.start(member);
  if (names.empty() && patterns.empty() && !allowed) {
    const StateId key = builder_.AddState();
    builder_.Call(start, json_.string(), key);
    DrawMemberValue(key, ValueRule(PartsOfMember(facts, nullptr, {}), use));
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
    DrawMemberValue(key, ValueRule(PartsOfMember(facts, nullptr, matching), use));
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
