#include "ashlar/server/api/tag_grammar.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "ashlar/grammar/json_reference.h"
#include "ashlar/grammar/schema_keywords.h"
#include "ashlar/grammar/source_work.h"

namespace ashlar {
namespace {

constexpr std::string_view kBlanks =
    "blank ::= (\" \" | \"\\n\" [ \\x09]{0,40})?\n"
    "space ::= [ \\n\\r\\x09]*\n";

// The first keyword of `schema` that says something and is not among `known`; null: none.
const std::string* OtherKeyword(const Json& schema, std::span<const std::string_view> known) {
  for (const auto& [keyword, value] : *schema.object()) {
    if (!SaysNothing(keyword) && std::ranges::find(known, keyword) == known.end()) {
      return &keyword;
    }
  }
  return nullptr;
}

// Steps of work for each schema or value that is looked at.
constexpr std::uint64_t kLookedAt = 4;

constexpr std::string_view kListLess = "list fewer or shorter values (enum, const)";

// The texts that are valid under a schema: any, or those that it lists.
struct Texts {
  bool any = false;
  bool null = false;  // null is valid too
  std::set<std::string> listed;
  std::string not_held;  // the keyword that says something else of texts
};

// Whether `type`, which may be absent, has this one.
bool Names(const Json* type, std::string_view name) {
  if (type == nullptr) {
    return true;
  }
  const auto is_it = [name](const Json& each) { return each == Json(name); };
  return type->array() != nullptr ? std::ranges::any_of(*type->array(), is_it) : is_it(*type);
}

// Reads what the schemas of one tool's arguments say of texts.
//
// They may be large, refer to one another at length, and all to the same list, which each then
// has: what is read is counted, over all of them, and is no more than a grammar's text may be.
class TextReader {
 public:
  TextReader(JsonPlaces& places, SourceWork& work) : places_(places), work_(work) {}

  // kExhausted when, with those before, it is too much.
  Result<Texts> Read(const Json& schema) {
    seen_.clear();
    texts_ = {};
    const std::size_t before = cost_;
    Add(schema, 0);
    ASHLAR_TRY(work_.Take((cost_ - before) / kCost * kLookedAt));
    if (IsTooMuch()) {
      return Exhausted(
          "with this, the values and choices that arguments list, each for itself, take more than "
          "{} bytes: {}",
          Grammar::kMaxSourceBytes, kListLess);
    }
    return std::move(texts_);
  }

 private:
  // What is looked at counts as so many bytes beside its own: a text takes more in a grammar.
  static constexpr std::size_t kCost = 16;

  bool IsTooMuch() const { return cost_ > Grammar::kMaxSourceBytes; }

  // Each schema once: what is under one of several twice is so all the same. `depth`: of schemas
  // within and behind one another.
  void Add(const Json& schema, int depth) {
    static constexpr std::string_view kKnown[] = {"type",  "nullable", "enum",  "const",
                                                  "anyOf", "oneOf",    "allOf", "$ref"};
    cost_ += kCost;
    if (schema.object() == nullptr) {
      texts_.any |= schema == Json(true);
      return;
    }
    if (!seen_.insert(&schema).second) {
      return;
    }
    if (const std::string* const other = OtherKeyword(schema, kKnown)) {
      NotHeld(*other);
      return;
    }
    const Json* const type = schema.Find("type");
    if (type != nullptr && type->array() != nullptr) {
      cost_ += kCost * type->array()->size();
    }
    const Json* const nullable = schema.Find("nullable");
    if (nullable != nullptr && (type == nullptr || nullable->boolean() == nullptr)) {
      NotHeld("nullable");
      return;
    }
    const bool may_be_null = Names(type, "null") || (nullable != nullptr && *nullable->boolean());
    const std::string_view* chooser = nullptr;
    for (const std::string_view& keyword : std::span(kKnown).subspan(2)) {
      if (schema.Find(keyword) != nullptr) {
        if (chooser != nullptr) {
          NotHeld(keyword);
          return;
        }
        chooser = &keyword;
      }
    }
    if (chooser == nullptr) {
      texts_.any |= Names(type, "string");
      texts_.null |= may_be_null;
      return;
    }
    const Json& chosen = *schema.Find(*chooser);
    if (*chooser == "enum" || *chooser == "const") {
      const bool several = *chooser == "enum" && chosen.array() != nullptr;
      AddValues(several ? std::span<const Json>(*chosen.array()) : std::span(&chosen, 1),
                Names(type, "string"), may_be_null);
    } else if (type != nullptr) {
      NotHeld("type");
    } else {
      AddChosen(*chooser, chosen, depth + 1);
    }
  }

  void AddValues(std::span<const Json> values, bool may_be_text, bool may_be_null) {
    for (const Json& value : values) {
      cost_ += kCost + (value.string() != nullptr ? value.string()->size() : 0);
      if (IsTooMuch()) {
        return;
      }
      if (value.string() != nullptr && may_be_text) {
        texts_.listed.insert(*value.string());
      }
      texts_.null |= value.is_null() && may_be_null;
    }
  }

  void AddChosen(std::string_view chooser, const Json& chosen, int depth) {
    const Json* const target = chooser == "$ref" ? places_.Referred(chosen) : nullptr;
    if (depth > Grammar::kMaxNesting) {
      NotHeld(chooser);
    } else if (target != nullptr) {
      Add(*target, depth);
    } else if (chosen.array() != nullptr && chooser == "oneOf") {
      AddExclusive(*chosen.array(), depth);
    } else if (chosen.array() != nullptr && (chooser == "anyOf" || chosen.array()->size() == 1)) {
      for (const Json& branch : *chosen.array()) {
        if (IsTooMuch()) {
          return;
        }
        Add(branch, depth);
      }
    } else {
      NotHeld(chooser);
    }
  }

  // Those of oneOf: no text may be under two of them.
  void AddExclusive(std::span<const Json> branches, int depth) {
    Texts beside = std::exchange(texts_, {});
    std::set<const Json*> seen = std::exchange(seen_, {});
    Texts all;
    for (const Json& branch : branches) {
      if (IsTooMuch()) {
        break;
      }
      Add(branch, depth);
      Join(all, std::exchange(texts_, {}), /*apart=*/true);
      seen_.clear();
    }
    if (!all.not_held.empty()) {  // which texts are under one of them alone is not known
      all = {.not_held = all.not_held};
    }
    seen_ = std::move(seen);
    texts_ = std::move(beside);
    Join(texts_, std::move(all), /*apart=*/false);
  }

  // Adds `others` to `texts`. apart: nothing may be in both.
  void Join(Texts& texts, Texts others, bool apart) {
    cost_ += kCost * others.listed.size();
    const bool both = (texts.null && others.null) ||
                      (texts.any && (others.any || !others.listed.empty())) ||
                      (others.any && !texts.listed.empty());
    texts.listed.merge(others.listed);  // what stays behind is there already
    if (apart && (both || !others.listed.empty())) {
      texts.not_held = "oneOf";
    }
    if (!others.not_held.empty()) {
      texts.not_held = others.not_held;
    }
    texts.any |= others.any;
    texts.null |= others.null;
  }

  void NotHeld(std::string_view keyword) { texts_.not_held = keyword; }

  JsonPlaces& places_;
  SourceWork& work_;
  std::size_t cost_ = 0;        // of all that was read
  std::set<const Json*> seen_;  // for the argument that is read now
  Texts texts_;
};

// An argument that says `text`, up to its end. The scanner takes one line end off each side.
std::string RuleOfText(const std::string& text, std::string_view end) {
  const bool bare = !text.starts_with('\n') && !text.ends_with('\n');
  return GbnfText("\n" + text + "\n" + std::string(end)) +
         (bare ? " | " + GbnfText(text + std::string(end)) : "");
}

// The value of an argument that is one of `texts`, and the tag behind it. may_be_null: that is how
// "null" is read.
Result<std::string> RuleOfListed(const CallTags& tags, const Texts& texts, bool may_be_null) {
  if (!texts.not_held.empty()) {
    return Unsupported(
        "in tags a text can be any, or one of those that enum or const list: what {} says of it "
        "cannot be held",
        QuoteForError(texts.not_held));
  }
  const std::string end(tags.value_end);
  std::string choices;
  const auto add = [&](const std::string& text) {
    choices += (choices.empty() ? "" : " | ") + RuleOfText(text, end);
  };
  for (const std::string& text : texts.listed) {
    if (!(may_be_null && SaysNull(text)) && text.find(end) == std::string::npos) {
      add(text);
    }
  }
  if (may_be_null && texts.null) {
    add("null");
  }
  if (choices.empty()) {
    return Unsupported("in tags none of the values that it lists can be written");
  }
  return "(" + choices + ")";
}

// The rules of the arguments' values, with the tags behind them, by their properties' names.
Result<std::map<std::string, std::string>> RulesOfValues(const CallTags& tags, const Json& schema,
                                                         const Json::Object& properties,
                                                         std::vector<NamedGrammar>& given,
                                                         SourceWork& work) {
  std::map<std::string, std::string> rules;
  std::vector<std::string> in_json;
  JsonPlaces places(schema);
  TextReader reader(places, work);
  for (const auto& [key, value] : properties) {
    std::size_t looked_at = 0;
    const auto types = TypesOf(places, value, looked_at);
    ASHLAR_TRY(work.Take(kLookedAt * looked_at));
    if (types.any && !types.text) {  // as the scanner reads it
      rules[key] = fmt::format("blank json-{} blank {}", in_json.size(), GbnfText(tags.value_end));
      in_json.push_back(key);
      continue;
    }
    const auto in_property = [&key = key](const Error& error) {
      return error.In(fmt::format("the property {}", QuoteForError(key)));
    };
    Result<Texts> read = reader.Read(value);
    if (!read.ok()) {
      return in_property(read.error());
    }
    const Texts texts = *std::move(read);
    if (texts.any && (texts.null || !types.null)) {
      rules[key] = "text";
      continue;
    }
    auto listed = RuleOfListed(tags, texts, types.null);
    if (!listed.ok()) {
      return in_property(listed.error());
    }
    rules[key] = *std::move(listed);
  }
  given.push_back({"text", FreeTextUpToMark({.mark = tags.value_end})});
  if (!in_json.empty()) {
    ASHLAR_TRY(std::vector<Grammar> values,
               GrammarsOfProperties(WriteJson(schema), in_json, tags.value_end.front(), work));
    for (std::size_t i = 0; i < values.size(); ++i) {
      given.push_back({fmt::format("json-{}", i), std::move(values[i])});
    }
  }
  return rules;
}

// Names that are required, each once.
std::set<std::string> RequiredNames(const Json& schema) {
  std::set<std::string> required;
  const Json* const names = schema.Find("required");
  if (names != nullptr && names->array() != nullptr) {
    for (const Json& each : *names->array()) {
      required.insert(each.string() != nullptr ? *each.string() : "");
    }
  }
  return required;
}

// What stands between the tool's name and the end of the call.
Result<std::string> RuleOfArguments(const CallTags& tags, const Json& schema,
                                    std::vector<NamedGrammar>& given, SourceWork& work) {
  // "$id": of the whole, where it does not change what "#" means.
  static constexpr std::string_view kKnown[] = {"type", "properties", "required",
                                                "additionalProperties", "$id"};
  if (const std::string* const other = OtherKeyword(schema, kKnown)) {
    return Unsupported(
        "the keyword {} cannot be held in tags, where arguments are those that \"properties\" "
        "lists; say there what it says",
        QuoteForError(*other));
  }
  static const Json::Object kNone;
  const Json* const found = schema.Find("properties");
  const Json::Object& properties =
      found != nullptr && found->object() != nullptr ? *found->object() : kNone;
  std::size_t least_states = 0;
  for (const auto& [key, value] : properties) {
    least_states += tags.key_begin.size() + key.size() + tags.key_end.size();
    if (key.empty() || IsCallSpace(key.front()) || IsCallSpace(key.back()) ||
        key.find(tags.key_end) != std::string::npos) {
      return Unsupported("the property {} cannot be written in tags", QuoteForError(key));
    }
  }
  if (least_states > Grammar::kMaxStates) {  // before their values are read
    return Exhausted(
        "the names of its properties take a grammar of {} states or more, and one has at most {}: "
        "list fewer, or shorten their names",
        least_states, Grammar::kMaxStates);
  }
  ASHLAR_TRY(const auto values, RulesOfValues(tags, schema, properties, given, work));
  std::set<std::string> required = RequiredNames(schema);
  std::string rule = "space ";
  for (const auto& [key, value] : properties) {
    rule += fmt::format("({} {} {} space){} ",
                        GbnfText(std::string(tags.key_begin) + key + std::string(tags.key_end)),
                        tags.value_begin.empty() ? "" : "space " + GbnfText(tags.value_begin),
                        values.at(key), required.erase(key) != 0 ? "" : "?");
  }
  if (!required.empty()) {
    return Unsupported("{} is required, and no property", QuoteForError(*required.begin()));
  }
  return rule + GbnfText(tags.end);
}

}  // namespace

std::string GbnfText(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + '"';
}

Result<Grammar> GrammarOfCallRule(std::string_view rule, std::span<const NamedGrammar> given) {
  const std::string text = fmt::format("root ::= {}\n{}", rule, kBlanks);
  if (text.size() > Grammar::kMaxSourceBytes) {
    return Exhausted(
        "what a call may be takes {} bytes, written out, and a grammar has at most {}: {}",
        text.size(), Grammar::kMaxSourceBytes, kListLess);
  }
  auto grammar = ParseGbnfWith(text, given);
  if (!grammar.ok()) {  // it was written here: nothing but its size can be wrong
    return Exhausted(
        "what a call may be takes a grammar of more than {} states or {} edges: {}, or bound less "
        "that is long (maxLength, maxItems)",
        Grammar::kMaxStates, Grammar::kMaxEdges, kListLess);
  }
  return grammar;
}

Result<Grammar> GrammarOfTaggedCall(const CallTags& tags, const std::string& name,
                                    const Json& schema, SourceWork& work) {
  if (!std::ranges::all_of(name, IsToolNameChar)) {
    return Unsupported("a name in tags is made of letters, digits, \"_\", \"-\" and \".\"");
  }
  if (const std::size_t size = WriteJson(schema).size(); size > Grammar::kMaxSourceBytes) {
    return Exhausted("it takes {} bytes, and a schema has at most {}: say less in it", size,
                     Grammar::kMaxSourceBytes);
  }
  std::vector<NamedGrammar> given;
  std::string arguments = "any";
  if (schema.is_null()) {
    given.push_back({"any", FreeTextUpToMark({.mark = tags.end})});
  } else {
    ASHLAR_TRY(arguments, RuleOfArguments(tags, schema, given, work));
  }
  return GrammarOfCallRule(
      GbnfText(std::string(tags.name_begin) + name + std::string(tags.name_end)) + " " + arguments,
      given);
}

}  // namespace ashlar
