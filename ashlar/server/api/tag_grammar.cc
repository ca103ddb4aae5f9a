#include "ashlar/server/api/tag_grammar.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "ashlar/grammar/json_reference.h"

namespace ashlar {
namespace {

constexpr std::string_view kBlanks =
    "blank ::= (\" \" | \"\\n\" [ \\x09]{0,40})?\n"
    "space ::= [ \\n\\r\\x09]*\n";

constexpr std::string_view kAnnotations[] = {"title",       "description", "default",  "examples",
                                             "$comment",    "deprecated",  "readOnly", "writeOnly",
                                             "definitions", "$defs",       "$schema"};

// The first keyword of `schema` that is neither an annotation nor among `known`; null: none.
const std::string* OtherKeyword(const Json& schema, std::span<const std::string_view> known) {
  for (const auto& [keyword, value] : *schema.object()) {
    if (std::ranges::find(kAnnotations, keyword) == std::end(kAnnotations) &&
        std::ranges::find(known, keyword) == known.end()) {
      return &keyword;
    }
  }
  return nullptr;
}

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

// Reads what schemas say, each once: what is under one of several twice is so all the same.
class TextReader {
 public:
  explicit TextReader(const Json& root) : root_(root) {}

  Texts Read(const Json& schema) {
    Add(schema);
    return std::move(texts_);
  }

 private:
  void Add(const Json& schema) {
    static constexpr std::string_view kKnown[] = {"type",  "enum",  "const",
                                                  "anyOf", "allOf", "$ref"};
    if (schema.object() == nullptr) {
      texts_.any |= schema == Json(true);
      return;
    }
    if (!seen_.insert(&schema).second) {
      return;
    }
    const Json* const type = schema.Find("type");
    if (const std::string* const other = OtherKeyword(schema, kKnown)) {
      NotHeld(*other);
      return;
    }
    const std::string_view* chooser = nullptr;
    for (const std::string_view& keyword : std::span(kKnown).subspan(1)) {
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
      texts_.null |= Names(type, "null");
      return;
    }
    AddChosen(*chooser, *schema.Find(*chooser), type);
  }

  void AddChosen(std::string_view chooser, const Json& chosen, const Json* type) {
    if (chooser == "enum" || chooser == "const") {
      const bool several = chooser == "enum" && chosen.array() != nullptr;
      for (const Json& value : several ? *chosen.array() : Json::Array{chosen}) {
        if (value.string() != nullptr && Names(type, "string")) {
          texts_.listed.insert(*value.string());
        }
        texts_.null |= value.is_null() && Names(type, "null");
      }
      return;
    }
    const std::string* const uri = chosen.string();
    const Json* const target = uri != nullptr ? FindReferred(root_, *uri) : nullptr;
    if (type != nullptr) {
      NotHeld("type");
    } else if (chooser == "$ref" && target != nullptr) {
      Add(*target);
    } else if (chosen.array() != nullptr && (chooser == "anyOf" || chosen.array()->size() == 1)) {
      for (const Json& branch : *chosen.array()) {
        Add(branch);
      }
    } else {
      NotHeld(chooser);
    }
  }

  void NotHeld(std::string_view keyword) { texts_.not_held = keyword; }

  const Json& root_;
  std::set<const Json*> seen_;
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
                                                         std::vector<NamedGrammar>& given) {
  std::map<std::string, std::string> rules;
  std::vector<std::string> in_json;
  for (const auto& [key, value] : properties) {
    const auto types = TypesOf(schema, value);
    if (!types.empty() && !types.contains("string")) {  // as the scanner reads it
      rules[key] = fmt::format("blank json-{} blank {}", in_json.size(), GbnfText(tags.value_end));
      in_json.push_back(key);
      continue;
    }
    const Texts texts = TextReader(schema).Read(value);
    if (texts.any && (texts.null || !types.contains("null"))) {
      rules[key] = "text";
      continue;
    }
    auto listed = RuleOfListed(tags, texts, types.contains("null"));
    if (!listed.ok()) {
      return listed.error().In(fmt::format("the property {}", QuoteForError(key)));
    }
    rules[key] = *std::move(listed);
  }
  given.push_back({"text", FreeTextUpToMark({.mark = tags.value_end})});
  if (!in_json.empty()) {
    ASHLAR_TRY(std::vector<Grammar> values,
               GrammarsOfProperties(WriteJson(schema), in_json, tags.value_end.front()));
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
                                    std::vector<NamedGrammar>& given) {
  static constexpr std::string_view kKnown[] = {"type", "properties", "required",
                                                "additionalProperties"};
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
  for (const auto& [key, value] : properties) {
    if (key.empty() || IsCallSpace(key.front()) || IsCallSpace(key.back()) ||
        key.find(tags.key_end) != std::string::npos) {
      return Unsupported("the property {} cannot be written in tags", QuoteForError(key));
    }
  }
  ASHLAR_TRY(const auto values, RulesOfValues(tags, schema, properties, given));
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
  auto grammar = ParseGbnfWith(fmt::format("root ::= {}\n{}", rule, kBlanks), given);
  if (!grammar.ok()) {  // it was written here: nothing but its size can be wrong
    return Exhausted(
        "a call takes a grammar of more than {} states, {} edges or {} bytes of text: list fewer "
        "or shorter values (enum), or bound less that is long (maxLength, maxItems)",
        Grammar::kMaxStates, Grammar::kMaxEdges, Grammar::kMaxSourceBytes);
  }
  return grammar;
}

Result<Grammar> GrammarOfTaggedCall(const CallTags& tags, const std::string& name,
                                    const Json& schema) {
  if (!std::ranges::all_of(name, IsToolNameChar)) {
    return Unsupported("a name in tags is made of letters, digits, \"_\", \"-\" and \".\"");
  }
  std::vector<NamedGrammar> given;
  std::string arguments = "any";
  if (schema.is_null()) {
    given.push_back({"any", FreeTextUpToMark({.mark = tags.end})});
  } else {
    ASHLAR_TRY(arguments, RuleOfArguments(tags, schema, given));
  }
  return GrammarOfCallRule(
      GbnfText(std::string(tags.name_begin) + name + std::string(tags.name_end)) + " " + arguments,
      given);
}

}  // namespace ashlar
