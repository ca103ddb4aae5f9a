#include "ashlar/server/api/tag_grammar.h"

#include <algorithm>
#include <optional>
#include <span>

namespace ashlar {
namespace {

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

// Whether every text is valid under `schema`; null is too where its types name it.
bool TakesAnyText(const Json& schema) {
  static constexpr std::string_view kKnown[] = {"type", "anyOf"};
  if (schema.object() == nullptr || OtherKeyword(schema, kKnown) != nullptr) {
    return false;
  }
  const Json* const type = schema.Find("type");
  if (type != nullptr && !TypesOf(Json::Of({{"type", *type}})).contains("string")) {
    return false;
  }
  const Json* const any_of = schema.Find("anyOf");
  return any_of == nullptr ||
         (any_of->array() != nullptr && std::ranges::any_of(*any_of->array(), TakesAnyText));
}

// The texts that `schema` lists, when it lists values and says no more of them.
std::optional<std::vector<std::string>> ListedTexts(const Json& schema) {
  static constexpr std::string_view kKnown[] = {"type", "enum", "const"};
  const Json* const list = schema.Find("enum");
  const Json* const one = schema.Find("const");
  if ((list != nullptr) == (one != nullptr) || OtherKeyword(schema, kKnown) != nullptr) {
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const Json& value : list != nullptr && list->array() != nullptr
                               ? *list->array()
                               : Json::Array{one != nullptr ? *one : Json()}) {
    if (value.string() != nullptr) {
      texts.push_back(*value.string());
    }
  }
  return texts;
}

// An argument that says `text`, up to its end. The scanner takes one line end off each side.
std::string RuleOfText(const std::string& text, std::string_view end) {
  const bool bare = !text.starts_with('\n') && !text.ends_with('\n');
  return GbnfText("\n" + text + "\n" + std::string(end)) +
         (bare ? " | " + GbnfText(text + std::string(end)) : "");
}

// The value of an argument and the tag behind it.
Result<std::string> RuleOfValue(const CallTags& tags, const Json& root, const Json& schema,
                                const std::string& rule, GivenGrammars& given) {
  const std::string end(tags.value_end);
  const auto types = TypesOf(schema);
  if (types.empty() || types.contains("string")) {  // as the scanner reads it
    if (TakesAnyText(schema)) {
      ASHLAR_TRY(given.Add(rule, FreeTextUpToMark({.mark = tags.value_end})));
      return rule;
    }
    const auto texts = schema.object() != nullptr ? ListedTexts(schema) : std::nullopt;
    std::string choices;
    for (const std::string& text : texts.value_or(std::vector<std::string>())) {
      const bool null = types.contains("null") && SaysNull(text);  // which is no text
      if (!null && text.find(end) == std::string::npos) {
        choices += (choices.empty() ? "" : " | ") + RuleOfText(text, end);
      }
    }
    if (choices.empty()) {
      return Unsupported(
          "in tags a text can be any or one of several: conditions on it cannot be held");
    }
    return "(" + choices + ")";
  }
  Json whole = schema;  // references are to the root
  for (const char* const definitions : {"$defs", "definitions"}) {
    if (const Json* const found = root.Find(definitions)) {
      whole.Set(definitions, *found);
    }
  }
  ASHLAR_TRY(Grammar json, GrammarFromJsonSchemaEscaping(WriteJson(whole), end.front()));
  ASHLAR_TRY(given.Add(rule, std::move(json)));
  return fmt::format("blank {} blank {}", rule, GbnfText(end));
}

}  // namespace

Status GivenGrammars::Add(std::string name, Grammar grammar) {
  constexpr std::size_t kMostBytes = 32 << 20;  // about what the largest grammar takes
  bytes_ += grammar.bytes();
  if (bytes_ > kMostBytes) {
    return Exhausted("with this, what calls may be takes more than {} bytes", kMostBytes);
  }
  all_.push_back({std::move(name), std::move(grammar)});
  return {};
}

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

Result<std::string> RuleOfTaggedCall(const CallTags& tags, const std::string& name,
                                     const Json& schema, const std::string& prefix,
                                     GivenGrammars& given) {
  if (!std::ranges::all_of(name, IsToolNameChar)) {
    return Unsupported("a name in tags is made of letters, digits, \"_\", \"-\" and \".\"");
  }
  std::string rule =
      GbnfText(std::string(tags.name_begin) + name + std::string(tags.name_end)) + " ";
  if (schema.is_null()) {
    ASHLAR_TRY(given.Add(prefix, FreeTextUpToMark({.mark = tags.end})));
    return rule + prefix;
  }
  static constexpr std::string_view kKnown[] = {"type", "properties", "required",
                                                "additionalProperties"};
  if (const std::string* const other = OtherKeyword(schema, kKnown)) {
    return Unsupported("the keyword {} cannot be held in tags", QuoteForError(*other));
  }
  std::vector<std::string> required;
  if (const Json* const names = schema.Find("required"); names != nullptr && names->array()) {
    for (const Json& each : *names->array()) {
      required.push_back(each.string() != nullptr ? *each.string() : "");
    }
  }
  rule += "space ";
  const Json* const properties = schema.Find("properties");
  static const Json::Object kNone;
  const Json::Object* const members =
      properties != nullptr && properties->object() != nullptr ? properties->object() : &kNone;
  for (std::size_t i = 0; i < members->size(); ++i) {
    const auto& [key, value] = (*members)[i];
    const std::string tag = std::string(tags.key_begin) + key + std::string(tags.key_end);
    if (key.empty() || IsCallSpace(key.front()) || IsCallSpace(key.back()) ||
        key.find(tags.key_end) != std::string::npos) {
      return Unsupported("the property {} cannot be written in tags", QuoteForError(key));
    }
    auto value_rule = RuleOfValue(tags, schema, value, fmt::format("{}-{}", prefix, i), given);
    if (!value_rule.ok()) {
      return value_rule.error().In(fmt::format("the property {}", QuoteForError(key)));
    }
    const auto must = std::ranges::find(required, key);
    rule += fmt::format("({} {} {} space){} ", GbnfText(tag),
                        tags.value_begin.empty() ? "" : "space " + GbnfText(tags.value_begin),
                        *value_rule, must == required.end() ? "?" : "");
    if (must != required.end()) {
      required.erase(must);
    }
  }
  if (!required.empty()) {
    return Unsupported("{} is required, and no property", QuoteForError(required.front()));
  }
  return rule + GbnfText(tags.end);
}

}  // namespace ashlar
