// For tests: random JSON schemas, and a validator that knows nothing of grammars.
#pragma once

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
    if (!fits) {
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
    const Json& target = reference->string()->size() == 1
                             ? root
                             : *root.Find("$defs")->Find(reference->string()->substr(8));
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
    for (std::size_t i = 0; i < items->size(); ++i) {
      const bool first = prefix != nullptr && i < prefix->array()->size();
      const Json* item = first ? &(*prefix->array())[i] : schema.Find("items");
      if (item != nullptr && !Invalidity(root, *item, (*items)[i]).empty()) {
        return "item " + Invalidity(root, *item, (*items)[i]);
      }
    }
    const auto size = static_cast<double>(items->size());
    if (size < number("minItems", 0) || size > number("maxItems", INFINITY)) {
      return "number of items";
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
    for (const auto& [name, member] : *members) {
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

// A schema of every kind of keyword, some of which contradict each other. Its $defs has "tree".
inline Json RandomSchemaPart(std::mt19937_64& random, int depth) {
  const auto below = [&random](std::uint64_t n) { return static_cast<int>(random() % n); };
  const auto part = [&] { return RandomSchemaPart(random, depth + 1); };
  Json schema = Json::Object();
  const auto maybe = [&](const char* key, Json value) {
    if (below(2) == 0) {
      schema.Set(key, std::move(value));
    }
  };
  static const char* const kNames[] = {"a", "b", "id", "name", "n\"m", "é"};
  static const char* const kPatterns[] = {"^[a-z]+$", "b",         "[0-9]$",
                                          "^$|x",     "^a\\\\|\"", "^[a-z ]{2,5}$"};
  switch (below(depth > 2 ? 5 : 11)) {
    case 0:
      schema.Set("type", "string");
      maybe("minLength", below(4));
      maybe("maxLength", 2 + below(12));
      maybe("pattern", kPatterns[below(6)]);
      break;
    case 1:
      schema.Set("type", below(2) == 0 ? "integer" : "number");
      maybe("minimum", below(2) == 0 ? Json(below(400) - 200) : Json((below(4000) - 2000) / 100.0));
      maybe(below(2) == 0 ? "maximum" : "exclusiveMaximum", Json(below(30'000) / 100.0));
      if (below(3) == 0) {
        static constexpr double kFractions[] = {0.01, 0.1, 0.05, 0.25, 0.3, 2.5, 0.007, 1e-3};
        schema.Set("multipleOf", below(2) == 0 ? Json(1 + below(12)) : Json(kFractions[below(8)]));
      }
      if (below(4) == 0) {
        static const char* const kFormats[] = {"int32", "int64", "float", "double"};
        schema.Set("format", kFormats[below(4)]);
      }
      break;
    case 2: {
      Json values = Json::Array();
      for (int i = 1 + below(4); i > 0; --i) {
        const Json choices[] = {Json("x\n\"é"), Json(below(5)), Json(nullptr),
                                Json(true),     Json(1.5),      *ParseJson("{\"k\":[1,\"\"]}")};
        Json value = choices[below(6)];
        if (std::ranges::find(*values.array(), value) == values.array()->end()) {
          values.Append(std::move(value));
        }
      }
      schema.Set("enum", std::move(values));
      break;
    }
    case 3:
      schema.Set("type",
                 *ParseJson(below(2) == 0 ? "[\"boolean\",\"null\"]" : "[\"integer\",\"string\"]"));
      maybe("maximum", below(20));
      maybe("maxLength", 1 + below(5));
      break;
    case 4:
      if (below(3) == 0) {
        return below(2) == 0;  // every value, or none
      }
      schema.Set("$ref", "#/$defs/tree");
      break;
    case 5:
    case 6:
    case 7: {
      schema.Set("type", "object");
      Json properties = Json::Object();
      Json required = Json::Array();
      for (int i = below(5); i > 0; --i) {
        const char* name = kNames[below(6)];
        properties.Set(name, part());
        if (below(2) == 0 && std::ranges::find(required.array()->begin(), required.array()->end(),
                                               Json(name)) == required.array()->end()) {
          required.Append(name);
        }
      }
      schema.Set("properties", std::move(properties));
      maybe("required", std::move(required));
      if (below(3) == 0) {
        schema.Set("additionalProperties", below(2) == 0 ? Json(false) : part());
      }
      if (below(4) == 0) {
        schema.Set("patternProperties", Json::Of({{kPatterns[below(4)], part()}}));
      }
      maybe("maxProperties", 2 + below(4));
      if (below(4) == 0) {
        schema.Set("minProperties", 1);
      }
      break;
    }
    case 8: {
      schema.Set("type", "array");
      maybe("items", part());
      maybe("minItems", below(3));
      maybe("maxItems", 2 + below(4));
      if (below(3) == 0) {
        schema.Set("prefixItems", Json::Array{part(), part()});
      }
      break;
    }
    case 9:
      schema.Set(below(2) == 0 ? "anyOf" : "oneOf", Json::Array{part(), part()});
      break;
    default:
      schema.Set("allOf", Json::Array{part(), part()});
      break;
  }
  return schema;
}

inline Json RandomSchema(std::mt19937_64& random) {
  Json schema = RandomSchemaPart(random, 0);
  if (schema.object() != nullptr) {
    schema.Set("$defs", *ParseJson(R"({"tree":{"type":"object","properties":{"v":{"type":"integer"},
        "left":{"$ref":"#/$defs/tree"},"all":{"type":"array","items":{"$ref":"#/$defs/tree"}}},
        "required":["v"],"additionalProperties":false}})"));
  }
  return schema;
}

}  // namespace ashlar
