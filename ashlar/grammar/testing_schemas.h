// For tests: random JSON schemas, and a validator that knows nothing of grammars.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <regex>
#include <string>

#include "ashlar/base/json.h"

namespace ashlar {

inline double NumberIn(const Json& value) {
  return value.real() != nullptr ? *value.real() : static_cast<double>(*value.integer());
}
inline bool IsNumber(const Json& value) {
  return value.real() != nullptr || value.integer() != nullptr;
}

inline bool IsOfType(const Json& value, const std::string& type) {
  const bool whole = IsNumber(value) && NumberIn(value) == std::trunc(NumberIn(value));
  return (type == "null" && value.is_null()) || (type == "boolean" && value.boolean() != nullptr) ||
         (type == "string" && value.string() != nullptr) || (type == "integer" && whole) ||
         (type == "number" && IsNumber(value)) || (type == "array" && value.array() != nullptr) ||
         (type == "object" && value.object() != nullptr);
}

// Why `value` is not valid under `schema`; empty when it is. By the letter of JSON Schema 2020-12,
// for the keywords that RandomSchema writes.
inline std::string Invalidity(const Json& root, const Json& schema, const Json& value) {
  if (schema.boolean() != nullptr) {
    return *schema.boolean() ? "" : "false";
  }
  const auto number = [&schema](const char* key, double otherwise) {
    const Json* found = schema.Find(key);
    return found == nullptr ? otherwise : NumberIn(*found);
  };
  const auto all = [&](const Json& branches) {
    for (const Json& branch : *branches.array()) {
      if (std::string why = Invalidity(root, branch, value); !why.empty()) {
        return why;
      }
    }
    return std::string();
  };
  const auto count = [&](const Json& branches) {
    return std::ranges::count_if(*branches.array(), [&](const Json& branch) {
      return Invalidity(root, branch, value).empty();
    });
  };
  if (const Json* type = schema.Find("type")) {
    bool fits = type->string() != nullptr && IsOfType(value, *type->string());
    if (type->array() != nullptr) {
      for (const Json& each : *type->array()) {
        fits |= IsOfType(value, *each.string());
      }
    }
    const Json* const nullable = schema.Find("nullable");
    if (!fits && !(nullable != nullptr && *nullable->boolean() && value.is_null())) {
      return "type";
    }
  }
  if (const Json* list = schema.Find("enum")) {
    if (std::ranges::none_of(*list->array(), [&](const Json& each) {
          return CanonicalJson(each) == CanonicalJson(value);
        })) {
      return "enum";
    }
  }
  if (const Json* one = schema.Find("const");
      one != nullptr && CanonicalJson(*one) != CanonicalJson(value)) {
    return "const";
  }
  if (const Json* reference = schema.Find("$ref")) {
    const std::string& uri = *reference->string();  // "#" or "#/$defs/x"
    const std::size_t end = std::min(uri.find('/', 2), uri.size());
    const Json& target =
        uri == "#" ? root : *root.Find(uri.substr(2, end - 2))->Find(uri.substr(end + 1));
    if (std::string why = Invalidity(root, target, value); !why.empty()) {
      return "$ref: " + why;
    }
  }
  if (const Json* branches = schema.Find("allOf"); branches != nullptr) {
    if (std::string why = all(*branches); !why.empty()) {
      return "allOf: " + why;
    }
  }
  if (const Json* branches = schema.Find("anyOf"); branches != nullptr && count(*branches) == 0) {
    return "anyOf";
  }
  if (const Json* branches = schema.Find("oneOf"); branches != nullptr && count(*branches) != 1) {
    return "oneOf";
  }
  if (IsNumber(value)) {
    const double x = NumberIn(value);
    if (x < number("minimum", x) || x > number("maximum", x)) {
      return "minimum or maximum";
    }
    if (x <= number("exclusiveMinimum", -INFINITY) || x >= number("exclusiveMaximum", INFINITY)) {
      return "exclusive bound";
    }
    if (const double times = x / number("multipleOf", 1);  // as validators of doubles have it
        schema.Find("multipleOf") != nullptr && times != std::trunc(times)) {
      return "multipleOf";
    }
  }
  if (const std::string* text = value.string()) {
    const auto chars = std::ranges::count_if(*text, [](char c) { return (c & 0xC0) != 0x80; });
    if (static_cast<double>(chars) < number("minLength", 0) ||
        static_cast<double>(chars) > number("maxLength", INFINITY)) {
      return "length";
    }
    if (const Json* pattern = schema.Find("pattern");
        pattern != nullptr && !std::regex_search(*text, std::regex(*pattern->string()))) {
      return "pattern";
    }
  }
  if (const Json::Array* items = value.array()) {
    const Json* prefix = schema.Find("prefixItems");
    const Json* others = schema.Find("items");
    if (others != nullptr && others->array() != nullptr) {  // before 2020-12
      prefix = others;
      others = schema.Find("additionalItems");
    }
    for (std::size_t i = 0; i < items->size(); ++i) {
      const bool first = prefix != nullptr && i < prefix->array()->size();
      const Json* item = first ? &(*prefix->array())[i] : others;
      if (item != nullptr && !Invalidity(root, *item, (*items)[i]).empty()) {
        return "item " + Invalidity(root, *item, (*items)[i]);
      }
    }
    const auto size = static_cast<double>(items->size());
    if (size < number("minItems", 0) || size > number("maxItems", INFINITY)) {
      return "number of items";
    }
    const Json* unique = schema.Find("uniqueItems");
    if (unique != nullptr && *unique->boolean() && size > 1) {  // asked of single ones alone
      return "uniqueItems";
    }
  }
  if (const Json::Object* members = value.object()) {
    const auto size = static_cast<double>(members->size());
    if (size < number("minProperties", 0) || size > number("maxProperties", INFINITY)) {
      return "number of properties";
    }
    if (const Json* required = schema.Find("required")) {
      for (const Json& name : *required->array()) {
        if (value.Find(*name.string()) == nullptr) {
          return "required";
        }
      }
    }
    const Json* names = schema.Find("propertyNames");
    for (const auto& [name, member] : *members) {
      if (names != nullptr && !Invalidity(root, *names, name).empty()) {
        return "name " + name;
      }
      bool spoken_of = false;
      const auto check = [&, &member = member](const Json* part) {
        spoken_of |= part != nullptr;
        return part == nullptr ? std::string() : Invalidity(root, *part, member);
      };
      std::string why;
      if (const Json* properties = schema.Find("properties")) {
        why += check(properties->Find(name));
      }
      if (const Json* patterns = schema.Find("patternProperties")) {
        for (const auto& [pattern, part] : *patterns->object()) {
          if (std::regex_search(name, std::regex(pattern))) {
            why += check(&part);
          }
        }
      }
      if (!spoken_of) {
        why += check(schema.Find("additionalProperties"));
      }
      if (!why.empty()) {
        return "property " + name + ": " + why;
      }
    }
  }
  return "";
}

// Draws schemas of every keyword that is honoured, some of which contradict each other. `older`:
// with lists of items as they were before 2020-12.
class SchemaDraw {
 public:
  SchemaDraw(std::mt19937_64& random, bool older) : random_(random), older_(older) {}

  // Refers to "tree" among the root's $defs (definitions).
  Json Part(int depth) {
    Json schema = Json::Object();
    switch (Below(depth > 2 ? 6 : 12)) {
      case 0:
        DrawString(schema);
        break;
      case 1:
        DrawNumber(schema);
        break;
      case 2:
        DrawConstants(schema);
        break;
      case 3:
        schema.Set("type", *ParseJson(Below(2) == 0 ? "[\"boolean\",\"null\"]"
                                                    : "[\"integer\",\"string\"]"));
        Maybe(schema, "maximum", Below(20));
        Maybe(schema, "maxLength", 1 + Below(5));
        break;
      case 4:
        if (Below(3) == 0) {
          return Below(2) == 0;  // every value, or none
        }
        schema.Set("$ref", Below(8) == 0 ? "#" : older_ ? "#/definitions/tree" : "#/$defs/tree");
        break;
      case 5:
        schema.Set("type", "string");
        schema.Set("format", OneOf("date", "time", "date-time", "duration", "email", "hostname",
                                   "ipv4", "ipv6", "uri", "uuid"));
        break;
      case 6:
      case 7:
      case 8:
        DrawObject(schema, depth);
        break;
      case 9:
        DrawArray(schema, depth);
        break;
      case 10:
        schema.Set(OneOf("anyOf", "oneOf"), Json::Array{Part(depth + 1), Part(depth + 1)});
        break;
      default:
        schema.Set("allOf", Json::Array{Part(depth + 1), Part(depth + 1)});
        break;
    }
    DrawRemarks(schema);
    return schema;
  }

 private:
  int Below(std::uint64_t n) { return static_cast<int>(random_() % n); }
  template <class... Texts>
  const char* OneOf(Texts... texts) {
    const char* const all[] = {texts...};
    return all[Below(sizeof...(texts))];
  }
  void Maybe(Json& schema, const char* key, Json value) {
    if (Below(2) == 0) {
      schema.Set(key, std::move(value));
    }
  }
  // Mostly; else the other keywords say which values are meant.
  void SetType(Json& schema, const char* type) {
    if (Below(6) != 0) {
      schema.Set("type", type);
      if (Below(8) == 0) {
        schema.Set("nullable", Below(2) == 0);
      }
    }
  }
  const char* Pattern() {
    return OneOf("^[a-z]+$", "b", "[0-9]$", "^$|x", "^a\\\\|\"", "^[a-z ]{2,5}$");
  }

  void DrawString(Json& schema) {
    SetType(schema, "string");
    Maybe(schema, "minLength", Below(4));
    Maybe(schema, "maxLength", 2 + Below(12));
    Maybe(schema, "pattern", Pattern());
  }

  void DrawNumber(Json& schema) {
    SetType(schema, OneOf("integer", "number"));
    Maybe(schema, OneOf("minimum", "minimum", "exclusiveMinimum"),
          Below(2) == 0 ? Json(Below(400) - 200) : Json((Below(4000) - 2000) / 100.0));
    Maybe(schema, OneOf("maximum", "exclusiveMaximum"), Below(30'000) / 100.0);
    if (Below(3) == 0) {
      static constexpr double kFractions[] = {0.01, 0.1, 0.05, 0.25, 0.3, 2.5, 0.007, 1e-3};
      schema.Set("multipleOf", Below(2) == 0 ? Json(1 + Below(12)) : Json(kFractions[Below(8)]));
    }
    if (Below(4) == 0) {
      schema.Set("format", OneOf("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                 "uint64", "float", "double"));
    }
  }

  void DrawConstants(Json& schema) {
    const auto value = [this]() -> Json {
      const Json choices[] = {Json("x\n\"é"), Json(Below(5)), Json(nullptr),
                              Json(true),     Json(1.5),      *ParseJson("{\"k\":[1,\"\"]}")};
      return choices[Below(6)];
    };
    if (Below(4) == 0) {
      schema.Set("const", value());
      return;
    }
    Json values = Json::Array();
    for (int i = 1 + Below(4); i > 0; --i) {
      Json next = value();
      if (std::ranges::find(*values.array(), next) == values.array()->end()) {
        values.Append(std::move(next));
      }
    }
    schema.Set("enum", std::move(values));
  }

  void DrawObject(Json& schema, int depth) {
    SetType(schema, "object");
    Json properties = Json::Object();
    Json required = Json::Array();
    for (int i = Below(5); i > 0; --i) {
      const char* name = OneOf("a", "b", "id", "name", "n\"m", "é");
      properties.Set(name, Part(depth + 1));
      if (Below(2) == 0 && std::ranges::find(required.array()->begin(), required.array()->end(),
                                             Json(name)) == required.array()->end()) {
        required.Append(name);
      }
    }
    schema.Set("properties", std::move(properties));
    Maybe(schema, "required", std::move(required));
    if (Below(3) == 0) {
      schema.Set("additionalProperties", Below(2) == 0 ? Json(false) : Part(depth + 1));
    }
    if (Below(4) == 0) {
      Json patterns = Json::Object();
      for (int i = 1 + Below(2); i > 0; --i) {
        patterns.Set(Pattern(), Part(depth + 1));
      }
      schema.Set("patternProperties", std::move(patterns));
    }
    if (Below(6) == 0) {
      schema.Set("propertyNames", Json::Of({{OneOf("maxLength", "minLength"), 1 + Below(2)}}));
    }
    Maybe(schema, "maxProperties", 2 + Below(4));
    if (Below(4) == 0) {
      schema.Set("minProperties", 1 + Below(2));
    }
  }

  void DrawArray(Json& schema, int depth) {
    SetType(schema, "array");
    const bool listed = Below(3) == 0;
    if (listed) {
      schema.Set(older_ ? "items" : "prefixItems", Json::Array{Part(depth + 1), Part(depth + 1)});
    }
    Maybe(schema, listed && older_ ? "additionalItems" : "items", Part(depth + 1));
    Maybe(schema, "minItems", Below(3));
    if (Below(8) == 0) {
      const bool one = Below(2) == 0;
      schema.Set("uniqueItems", one);
      schema.Set("maxItems", one ? 1 : 2);
    } else {
      Maybe(schema, "maxItems", 2 + Below(4));
    }
  }

  // What says nothing of values.
  void DrawRemarks(Json& schema) {
    if (Below(5) != 0) {
      return;
    }
    schema.Set(OneOf("title", "description", "$comment"), "a remark");
    schema.Set(OneOf("default", "example"), Below(3));
    schema.Set(OneOf("deprecated", "readOnly", "writeOnly"), true);
    Maybe(schema, "examples", Json::Array{1, "a"});
    Maybe(schema, OneOf("contentEncoding", "contentMediaType"), "base64");
    Maybe(schema, "discriminator", Json::Of({{"propertyName", "a"}}));
  }

  std::mt19937_64& random_;
  const bool older_;
};

inline Json RandomSchema(std::mt19937_64& random) {
  const bool older = random() % 6 == 0;
  Json schema = SchemaDraw(random, older).Part(0);
  if (schema.object() == nullptr) {
    return schema;
  }
  if (older) {
    schema.Set("$schema", "https://json-schema.org/draft/2019-09/schema");
  }
  if (random() % 8 == 0) {
    schema.Set("$id", "https://example.org/schema");
  }
  const char* const definitions = older ? "definitions" : "$defs";
  schema.Set(definitions, *ParseJson(fmt::format(
                              R"({{"tree":{{"type":"object","properties":{{"v":{{"type":"integer"}},
        "left":{{"$ref":"#/{0}/tree"}},"all":{{"type":"array","items":{{"$ref":"#/{0}/tree"}}}}}},
        "required":["v"],"additionalProperties":false}}}})",
                              definitions)));
  return schema;
}

}  // namespace ashlar
