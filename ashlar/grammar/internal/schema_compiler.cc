#include "ashlar/grammar/internal/schema_compiler.h"

#include <algorithm>
#include <set>

namespace ashlar::grammar {
namespace {

Error TooManySets() {
  return Exhausted(
      "its parts, and the ways in which choices (anyOf, oneOf, allOf) combine, are more than {}",
      SchemaCompiler::kMaxSets);
}

// Of a value as it is written: to be made, and to be looked for among others.
std::uint64_t StepsOfText(std::string_view text) {
  constexpr std::size_t kBytesOfAStep = 4;
  return 1 + text.size() / kBytesOfAStep;
}

}  // namespace

Result<Grammar> SchemaCompiler::Compile() && {
  ASHLAR_TRY(const RuleId root, RuleFor({{&root_}}, Use::kAnswer));
  ASHLAR_TRY(DrawPending());
  auto grammar = std::move(builder_).Finish(root);
  return grammar.ok() ? std::move(grammar) : grammar.error().In("schema");
}

Result<std::vector<Grammar>> SchemaCompiler::CompileProperties(
    std::span<const std::string> names) && {
  std::vector<RuleId> roots;
  const Json* const properties = root_.Find("properties");
  for (const std::string& name : names) {
    const Json* const schema =
        properties != nullptr ? source_.places().Member(*properties, name) : nullptr;
    if (schema == nullptr) {
      return Invalid("schema: there is no property {}", QuoteForError(name));
    }
    ASHLAR_TRY(const RuleId root, RuleFor({{schema}}, Use::kAnswer));
    roots.push_back(root);
    builder_.RequireSomething(roots.back(), [this, schema] {
      return source_.InvalidAt(*schema, "there is no value that is valid under it");
    });
  }
  ASHLAR_TRY(DrawPending());
  auto grammars = std::move(builder_).Finish(roots);
  return grammars.ok() ? std::move(grammars) : grammars.error().In("schema");
}

Status SchemaCompiler::DrawPending() {
  while (!pending_.empty() && !builder_.full()) {
    const Pending pending = std::move(pending_.front());
    pending_.pop_front();
    const Status drawn = Draw(pending);
    if (!drawn.ok()) {
      // Others begin with the place.
      return drawn.error().code == ErrorCode::kExhausted
                 ? drawn.error().In("schema at " + source_.PointerTo(*pending.parts[0].schema))
                 : drawn.error();
    }
  }
  return {};
}

Result<RuleId> SchemaCompiler::RuleFor(Parts parts, Use use) {
  ASHLAR_TRY(work_.Take(SourceWork::kPart * parts.size()));
  for (Part& part : parts) {
    part.schema = &source_.Meant(*part.schema);
  }
  Key key = {use, parts};
  std::ranges::sort(key.second);
  const auto [place, is_new] = rules_.try_emplace(std::move(key), 0);
  if (rules_.size() > kMaxSets) {
    return TooManySets();
  }
  if (is_new) {
    place->second = builder_.AddRule();
    pending_.push_back({place->second, use, std::move(parts)});
  }
  return place->second;
}

Result<RuleId> SchemaCompiler::ValueRule(Parts parts, Use use) {
  return parts.empty() ? Result<RuleId>(json_.value()) : RuleFor(std::move(parts), use);
}

Status SchemaCompiler::Draw(const Pending& pending) {
  ASHLAR_TRY(const Facts facts, source_.Gather(pending.parts, work_));
  const StateId from = builder_.start(pending.rule);
  if (facts.impossible) {
    return {};
  }
  if (facts.choices_at != nullptr) {
    return DrawChoice(facts, pending.use, from);
  }
  ASHLAR_TRY(const auto constants, ConstantsOf(facts, pending.use));
  if (constants) {
    for (const Json* value : *constants) {
      json_.Constant(from, *value, kEnd);
    }
    return {};
  }
  if ((facts.types & kNull) != 0) {
    builder_.Literal(from, "null", kEnd);
  }
  if ((facts.types & kBoolean) != 0) {
    builder_.Call(from, json_.boolean(), kEnd);
  }
  struct Drawer {
    Types types;
    Status (SchemaCompiler::*draw)(const Facts&, Use, StateId);
  };
  static constexpr Drawer kDrawers[] = {{kString, &SchemaCompiler::DrawString},
                                        {kNumber, &SchemaCompiler::DrawNumber},
                                        {kArray, &SchemaCompiler::DrawArray},
                                        {kObject, &SchemaCompiler::DrawObject}};
  for (const Drawer& drawer : kDrawers) {
    if ((facts.types & drawer.types) != 0) {
      ASHLAR_TRY((this->*drawer.draw)(facts, pending.use, from));
    }
  }
  return {};
}

Status SchemaCompiler::DrawChoice(const Facts& facts, Use use, StateId from) {
  const Json& list = *facts.choices_at->Find(ChoiceName(facts.choice));
  const Json::Array& branches = *list.array();
  Parts rest = facts.parts;
  std::ranges::find(rest, facts.choices_at, &Part::schema)->chosen |= facts.choice;
  for (const Json& branch : branches) {
    Parts parts = rest;
    parts.push_back({&branch});
    ASHLAR_TRY(const RuleId rule, RuleFor(std::move(parts), use));
    builder_.Call(from, rule, kEnd);
  }
  if (facts.choice != kOneOf || use == Use::kOverlap) {
    return {};
  }
  for (std::size_t i = 0; i < branches.size(); ++i) {
    for (std::size_t j = i + 1; j < branches.size(); ++j) {
      // They may be one rule all, where branches refer to one place.
      if (++pairs_ > kMaxSets) {
        return TooManySets();
      }
      Parts parts = rest;
      parts.push_back({&branches[i]});
      parts.push_back({&branches[j]});
      ASHLAR_TRY(const RuleId rule, RuleFor(std::move(parts), Use::kOverlap));
      builder_.RequireNothing(rule, [this, &list, i, j] {
        return source_.UnsupportedAt(list,
                                     "oneOf is supported where no value is under two branches, and "
                                     "some may be under both {} and {}; say anyOf, or set them "
                                     "apart by a required property with const",
                                     i, j);
      });
    }
  }
  return {};
}

Result<std::optional<std::vector<const Json*>>> SchemaCompiler::ConstantsOf(const Facts& facts,
                                                                            Use use) {
  // Each list by its values' canonical forms, since 1 and 1.0 are one value.
  std::vector<std::set<std::string>> lists;
  std::vector<const Json*> candidates;
  const auto canonical_of = [this](const Json& value) -> Result<std::string> {
    std::string canonical = CanonicalJson(value);
    ASHLAR_TRY(work_.Take(StepsOfText(canonical)));
    return canonical;
  };
  for (const Json* schema : facts.schemas) {
    std::vector<const Json*> values;
    if (const Json* one = schema->Find("const")) {
      values.push_back(one);
      candidates = lists.empty() ? values : candidates;
      ASHLAR_TRY(std::string canonical, canonical_of(*one));
      lists.push_back({std::move(canonical)});
    }
    if (const Json* several = schema->Find("enum")) {
      if (several->array() == nullptr || several->array()->empty()) {
        return source_.InvalidAt(*several, "expected a list of values");
      }
      values.clear();
      std::set<std::string> list;
      for (const Json& value : *several->array()) {
        ASHLAR_TRY(std::string canonical, canonical_of(value));
        if (list.insert(std::move(canonical)).second) {
          values.push_back(&value);
        }
      }
      candidates = lists.empty() ? values : candidates;
      lists.push_back(std::move(list));
    }
  }
  std::optional<std::vector<const Json*>> constants;
  if (lists.empty()) {
    return constants;
  }
  constants.emplace();
  Conditions conditions;
  for (const Json* value : candidates) {
    ASHLAR_TRY(const std::string canonical, canonical_of(*value));
    ASHLAR_TRY(work_.Take(lists.size() * StepsOfText(canonical)));
    bool allowed = std::ranges::all_of(
        lists, [&canonical](const auto& list) { return list.contains(canonical); });
    if (allowed) {
      ASHLAR_TRY(allowed, Allows(facts, *value, use, conditions));
    }
    if (allowed) {
      constants->push_back(value);
    }
  }
  return constants;
}

Result<bool> SchemaCompiler::Allows(const Facts& facts, const Json& value, Use use,
                                    Conditions& conditions) {
  const Types type = TypeOf(value);
  if (facts.typed && (facts.types & type) == 0) {
    return false;
  }
  if (type == kString) {
    if (!conditions.texts) {
      ASHLAR_TRY(conditions.strings, StringConditionsOf(source_, facts, use == Use::kOverlap));
      ASHLAR_TRY(conditions.texts, conditions.strings.WithoutLengths().Together(source_, work_));
    }
    return conditions.strings.AllowLengthOf(*value.string()) &&
           conditions.texts->Matches(*value.string());
  }
  if ((type & kNumber) != 0) {
    if (!conditions.numbers) {
      ASHLAR_TRY(conditions.numbers, NumberConditionsOf(source_, facts, use == Use::kOverlap));
    }
    ASHLAR_TRY(work_.Take(conditions.numbers->divisors.size()));
    return conditions.numbers->Hold(
        value.real() != nullptr ? *value.real() : static_cast<double>(*value.integer()));
  }
  if (type == kArray || type == kObject) {
    ASHLAR_TRY(work_.Take(SourceWork::kPart * facts.schemas.size()));
    for (const Json* schema : facts.schemas) {
      for (const char* keyword :
           {"properties", "required", "additionalProperties", "patternProperties", "propertyNames",
            "minProperties", "maxProperties", "items", "prefixItems", "additionalItems", "minItems",
            "maxItems", "uniqueItems"}) {
        if (const Json* found = schema->Find(keyword)) {
          return source_.UnsupportedAt(*found,
                                       "{} beside an enum or const with arrays or objects is not "
                                       "supported",
                                       keyword);
        }
      }
    }
  }
  return true;
}

Status SchemaCompiler::DrawString(const Facts& facts, Use use, StateId from) {
  ASHLAR_TRY(const StringConditions conditions,
             StringConditionsOf(source_, facts, use == Use::kOverlap));
  if (conditions.none()) {
    builder_.Call(from, json_.string(), kEnd);
    return {};
  }
  const auto [known, is_new] = strings_.try_emplace(conditions.Key(), 0);
  if (is_new) {
    known->second = builder_.AddRule();
    const StateId start = builder_.start(known->second);
    if (!conditions.of_any_text()) {
      ASHLAR_TRY(const CharNfa texts, conditions.Texts(source_, work_));
      json_.StringOf(start, texts, kEnd);
    } else if (conditions.min <= conditions.max) {
      const StateId begin = builder_.AddState();
      const StateId end = builder_.AddState();
      builder_.Literal(start, "\"", begin);
      builder_.Repeat(begin, json_.character(), conditions.min, conditions.max, end);
      builder_.Literal(end, "\"", kEnd);
    }
  }
  builder_.Call(from, known->second, kEnd);
  return {};
}

Status SchemaCompiler::DrawNumber(const Facts& facts, Use use, StateId from) {
  const bool whole = (facts.types & kFraction) == 0;
  ASHLAR_TRY(const NumberConditions conditions,
             NumberConditionsOf(source_, facts, use == Use::kOverlap));
  if (conditions.none()) {
    builder_.Call(from, whole ? json_.integer() : json_.number(), kEnd);
    return {};
  }
  ASHLAR_TRY(conditions.Check(source_, whole));
  const auto [known, is_new] = numbers_.try_emplace(conditions.Key(whole), 0);
  if (is_new) {
    known->second = builder_.AddRule();
    ASHLAR_TRY(const NumberTexts texts, conditions.Texts(whole, multiples_, work_));
    const auto as_is = [this](StateId a, const CharSet& set, StateId b) {
      builder_.Chars(a, set, b);
    };
    const StateId start = builder_.start(known->second);
    const StateId negative = builder_.AddState();
    grammar::Draw(builder_, start, texts.positive.AsNfa(), as_is, kEnd);
    builder_.Literal(start, "-", negative);
    grammar::Draw(builder_, negative, texts.negative.AsNfa(), as_is, kEnd);
  }
  builder_.Call(from, known->second, kEnd);
  return {};
}

Status SchemaCompiler::DrawArray(const Facts& facts, Use use, StateId from) {
  ASHLAR_TRY(const auto min_items, source_.Count(facts, "minItems", /*least=*/false));
  ASHLAR_TRY(const auto max_items, source_.Count(facts, "maxItems", /*least=*/true));
  const std::uint32_t min = min_items.value_or(0);
  std::uint32_t max = max_items.value_or(kUnbounded);
  ASHLAR_TRY(const auto unique, source_.Find(facts, "uniqueItems", kBoolean));
  for (const Json* value : unique) {
    if (*value->boolean() && max > 1) {
      return source_.UnsupportedAt(*value, "the keyword \"uniqueItems\" is not supported");
    }
  }
  // What each schema says of the first items one by one, and of the others.
  struct Items {
    const Json::Array* first = nullptr;
    const Json* others = nullptr;
  };
  std::vector<Items> all;
  std::uint32_t first_items = 0;
  bool others_known = false;
  for (const Json* schema : facts.schemas) {
    Items items = {.first = nullptr, .others = schema->Find("items")};
    if (const Json* prefix = schema->Find("prefixItems")) {
      items.first = prefix->array();
      if (items.first == nullptr) {
        return source_.InvalidAt(*prefix, "expected a list of schemas");
      }
    } else if (items.others != nullptr && items.others->array() != nullptr) {  // before 2020-12
      items.first = items.others->array();
      items.others = schema->Find("additionalItems");
    }
    first_items =
        std::max(first_items, items.first ? static_cast<std::uint32_t>(items.first->size()) : 0);
    others_known |= items.others != nullptr;
    all.push_back(items);
  }
  // As with properties: what is listed is all, unless the schema speaks of others.
  if (first_items > 0 && !others_known && min <= first_items && use == Use::kAnswer) {
    max = std::min(max, first_items);
  }
  const auto item_at = [&](std::uint32_t index) {
    Parts parts;
    for (const Items& items : all) {
      if (items.first != nullptr && index < items.first->size()) {
        parts.push_back({&(*items.first)[index]});
      } else if (items.others != nullptr) {
        parts.push_back({items.others});
      }
    }
    return ValueRule(std::move(parts), use);
  };
  const StateId bracket = builder_.AddState();
  const StateId close = builder_.AddState();
  const StateId last = builder_.AddState();
  builder_.Literal(from, "[", bracket);
  builder_.Call(close, json_.blank(), last);
  builder_.Literal(last, "]", kEnd);
  StateId at = builder_.AddState();
  builder_.Call(bracket, json_.blank(), at);
  if (min == 0) {
    builder_.Literal(at, "]", kEnd);
  }
  // Items one by one until all that follow are alike.
  const std::uint32_t apart = max == kUnbounded ? std::max({first_items, min, 1u}) : max;
  StateId before = at;  // where the next item begins
  for (std::uint32_t i = 0; i < apart && !builder_.full(); ++i) {
    ASHLAR_TRY(work_.Take(all.size()));
    if (i > 0) {
      before = builder_.AddState();
      json_.Comma(at, before);
    }
    at = builder_.AddState();
    ASHLAR_TRY(const RuleId item, item_at(i));
    builder_.Call(before, item, at);
    if (i + 1 >= min) {
      builder_.Skip(at, close);
    }
  }
  if (max == kUnbounded) {
    before = builder_.AddState();
    json_.Comma(at, before);
    ASHLAR_TRY(const RuleId item, item_at(apart));
    builder_.Call(before, item, at);
  }
  return {};
}

}  // namespace ashlar::grammar
