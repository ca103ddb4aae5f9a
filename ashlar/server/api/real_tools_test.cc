// Tools as they are really offered: by OpenAI's guides, servers of MCP, LangChain, and the schemas
// that pydantic and zod make of types.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/grammar/constraint.h"
#include "ashlar/grammar/testing_answers.h"
#include "ashlar/grammar/testing_schemas.h"
#include "ashlar/server/api/call_grammar.h"
#include "ashlar/server/api/tool_parser.h"

namespace ashlar {
namespace {

struct RealTool {
  const char* from;
  const char* parameters;
  const char* refused = nullptr;          // by every syntax, with this; null: by none
  const char* refused_in_tags = nullptr;  // the same by those that write arguments in tags
};

constexpr RealTool kRealTools[] = {
    {"OpenAI: strict, with an enum that may be null", R"({
        "type": "object",
        "properties": {
          "location": {"type": "string", "description": "City and country e.g. Bogotá, Colombia"},
          "units": {"type": ["string", "null"], "enum": ["celsius", "fahrenheit"],
                    "description": "Units the temperature will be returned in."}},
        "required": ["location", "units"], "additionalProperties": false})"},
    {"OpenAI: strict, with objects within", R"({
        "type": "object",
        "properties": {
          "query": {"type": "string"},
          "options": {
            "type": "object",
            "properties": {
              "num_results": {"type": "number"},
              "domain_filter": {"type": ["string", "null"]},
              "sort_by": {"type": ["string", "null"], "enum": ["relevance", "date", null]}},
            "required": ["num_results", "domain_filter", "sort_by"],
            "additionalProperties": false}},
        "required": ["query", "options"], "additionalProperties": false})"},
    {"OpenAI Agents: no arguments",
     R"({"type": "object", "properties": {}, "required": [], "additionalProperties": false})"},
    {"MCP: no arguments", R"({"type": "object"})"},
    {"MCP filesystem: edit_file", R"({
        "type": "object",
        "properties": {
          "path": {"type": "string"},
          "edits": {"type": "array", "items": {
            "type": "object",
            "properties": {
              "oldText": {"type": "string", "description": "Text to search for"},
              "newText": {"type": "string", "description": "Text to replace with"}},
            "required": ["oldText", "newText"], "additionalProperties": false}},
          "dryRun": {"type": "boolean", "default": false}},
        "required": ["path", "edits"], "additionalProperties": false,
        "$schema": "http://json-schema.org/draft-07/schema#"})"},
    {"MCP fetch, by pydantic", R"({
        "description": "Parameters for fetching a URL.",
        "properties": {
          "url": {"description": "URL to fetch", "format": "uri", "minLength": 1, "title": "Url",
                  "type": "string"},
          "max_length": {"default": 5000, "exclusiveMaximum": 1000000, "exclusiveMinimum": 0,
                         "title": "Max Length", "type": "integer"},
          "start_index": {"default": 0, "minimum": 0, "title": "Start Index", "type": "integer"},
          "raw": {"default": false, "title": "Raw", "type": "boolean"}},
        "required": ["url"], "title": "Fetch", "type": "object"})",
     nullptr, "the property \"url\": in tags a text can be any"},
    {"MCP GitHub: list_issues", R"({
        "type": "object",
        "properties": {
          "owner": {"type": "string"}, "repo": {"type": "string"},
          "direction": {"type": "string", "enum": ["asc", "desc"]},
          "labels": {"type": "array", "items": {"type": "string"}},
          "page": {"type": "number"}, "per_page": {"type": "number"},
          "since": {"type": "string"},
          "state": {"type": "string", "enum": ["open", "closed", "all"]}},
        "required": ["owner", "repo"], "additionalProperties": false,
        "$schema": "http://json-schema.org/draft-07/schema#"})"},
    {"MCP memory: create_entities", R"({
        "type": "object",
        "properties": {"entities": {"type": "array", "items": {
          "type": "object",
          "properties": {
            "name": {"type": "string", "description": "The name of the entity"},
            "entityType": {"type": "string"},
            "observations": {"type": "array", "items": {"type": "string"}}},
          "required": ["name", "entityType", "observations"]}}},
        "required": ["entities"]})"},
    {"MCP sequential thinking", R"({
        "type": "object",
        "properties": {
          "thought": {"type": "string"}, "nextThoughtNeeded": {"type": "boolean"},
          "thoughtNumber": {"type": "integer", "minimum": 1},
          "totalThoughts": {"type": "integer", "minimum": 1},
          "isRevision": {"type": "boolean"}, "branchId": {"type": "string"}},
        "required": ["thought", "nextThoughtNeeded", "thoughtNumber", "totalThoughts"]})"},
    {"MCP Playwright: browser_fill_form", R"({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"fields": {"type": "array", "description": "Fields to fill in", "items": {
          "type": "object",
          "properties": {
            "name": {"type": "string"},
            "type": {"type": "string",
                     "enum": ["textbox", "checkbox", "radio", "combobox", "slider"]},
            "ref": {"type": "string"}, "value": {"type": "string"}},
          "required": ["name", "type", "ref", "value"], "additionalProperties": false}}},
        "required": ["fields"], "additionalProperties": false})"},
    {"LangChain: Tavily, by pydantic", R"({
        "properties": {
          "query": {"description": "Search query to look up", "type": "string"},
          "include_domains": {"anyOf": [{"items": {"type": "string"}, "type": "array"},
                                        {"type": "null"}], "default": []},
          "search_depth": {"anyOf": [{"enum": ["basic", "advanced"], "type": "string"},
                                     {"type": "null"}], "default": "basic"},
          "time_range": {"anyOf": [{"enum": ["day", "week", "month"], "type": "string"},
                                   {"type": "null"}], "default": null},
          "max_results": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 5},
          "topic": {"default": "general", "enum": ["general", "news"], "type": "string"}},
        "required": ["query"], "type": "object"})"},
    {"pydantic: a discriminated union", R"({
        "$defs": {
          "Cat": {"properties": {
              "pet_type": {"const": "cat", "title": "Pet Type", "type": "string"},
              "age": {"title": "Age", "type": "integer"}},
            "required": ["pet_type", "age"], "title": "Cat", "type": "object"},
          "Dog": {"properties": {
              "pet_type": {"const": "dog", "title": "Pet Type", "type": "string"},
              "name": {"title": "Name", "type": "string"}},
            "required": ["pet_type", "name"], "title": "Dog", "type": "object"}},
        "properties": {"pet": {
          "discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
                            "propertyName": "pet_type"},
          "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "title": "Pet"}},
        "required": ["pet"], "title": "adopt", "type": "object"})"},
    {"pydantic: enums", R"({
        "$defs": {"Color": {"enum": ["red", "green"], "title": "Color", "type": "string"},
                  "Level": {"enum": [1, 2, 3], "title": "Level", "type": "integer"}},
        "properties": {
          "color": {"allOf": [{"$ref": "#/$defs/Color"}], "default": "red"},
          "border": {"$ref": "#/$defs/Color", "default": "green", "description": "of the border"},
          "fill": {"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}], "default": null},
          "level": {"$ref": "#/$defs/Level"}},
        "required": ["level"], "type": "object"})"},
    {"pydantic: a tree", R"({
        "$defs": {"Node": {"properties": {
            "value": {"title": "Value", "type": "integer"},
            "children": {"default": [], "items": {"$ref": "#/$defs/Node"}, "title": "Children",
                         "type": "array"}},
          "required": ["value"], "title": "Node", "type": "object"}},
        "properties": {"root": {"$ref": "#/$defs/Node"}}, "required": ["root"],
        "type": "object"})"},
    {"pydantic: tuples, mappings and bounds", R"({
        "properties": {
          "point": {"maxItems": 2, "minItems": 2, "prefixItems": [{"type": "number"},
                    {"type": "number"}], "title": "Point", "type": "array"},
          "counts": {"additionalProperties": {"type": "integer"}, "title": "Counts",
                     "type": "object"},
          "share": {"maximum": 1, "minimum": 0, "title": "Share", "type": "number"},
          "any": {"title": "Any"},
          "either": {"anyOf": [{"type": "integer"}, {"type": "string"}], "title": "Either"}},
        "required": ["point", "counts", "share"], "type": "object"})"},
    {"pydantic: dates and identifiers", R"({
        "properties": {
          "start": {"format": "date-time", "title": "Start", "type": "string"},
          "id": {"format": "uuid", "title": "Id", "type": "string"}},
        "required": ["start", "id"], "type": "object"})",
     nullptr, "the property \"start\": in tags a text can be any"},
    {"pydantic: a set", R"({
        "properties": {"tags": {"items": {"type": "string"}, "title": "Tags", "type": "array",
                                "uniqueItems": true}},
        "required": ["tags"], "type": "object"})",
     "uniqueItems"},
    {"pydantic: a decimal", R"({
        "properties": {"price": {"anyOf": [{"type": "number"}, {
            "pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", "type": "string"}]}},
        "required": ["price"], "type": "object"})",
     "look-around", "what \"pattern\" says"},
    {"zod 4: integers, records, optional and nullable", R"({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
          "count": {"type": "integer", "minimum": -9007199254740991,
                    "maximum": 9007199254740991},
          "page": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
          "scores": {"type": "object", "propertyNames": {"type": "string"},
                     "additionalProperties": {"type": "number"}},
          "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
          "mode": {"default": "fast", "type": "string", "const": "fast"}},
        "required": ["count", "page", "scores", "note", "mode"],
        "additionalProperties": false})"},
    {"zod: a discriminated union", R"({
        "type": "object",
        "properties": {"action": {"anyOf": [
          {"type": "object", "properties": {"type": {"type": "string", "const": "click"},
             "x": {"type": "number"}, "y": {"type": "number"}}, "required": ["type", "x", "y"],
           "additionalProperties": false},
          {"type": "object", "properties": {"type": {"type": "string", "const": "type"},
             "text": {"type": "string"}}, "required": ["type", "text"],
           "additionalProperties": false}]}},
        "required": ["action"], "additionalProperties": false,
        "$schema": "http://json-schema.org/draft-07/schema#"})"},
    {"zod: a named schema", R"({
        "$ref": "#/definitions/Args",
        "definitions": {"Args": {"type": "object", "properties": {"a": {"type": "string"}},
                                 "required": ["a"], "additionalProperties": false}},
        "$schema": "http://json-schema.org/draft-07/schema#"})",
     nullptr, "the keyword \"$ref\" cannot be held in tags"},
    {"OpenAPI 3.0", R"({
        "type": "object",
        "properties": {
          "id": {"type": "integer", "format": "int64", "example": 12},
          "name": {"type": "string", "nullable": true, "example": "a"},
          "status": {"type": "string", "enum": ["placed", "approved"], "deprecated": true}},
        "required": ["id"]})"},
    {"a list of named choices", R"({
        "type": "object",
        "properties": {"unit": {"oneOf": [{"const": "m", "title": "Metres"},
                                          {"const": "ft", "title": "Feet"}]}},
        "required": ["unit"]})"},
};

// Bytes, and pieces of JSON and of tags.
constexpr std::int32_t kCallEnd = 256;
constexpr std::string_view kCallPieces[] = {
    "{\"",         "\":",       "\": \"",       "\",\"",       "\"}",   "\"]",
    "[{",          "}]",        "},{",          "\": [",       "\":{",  ", ",
    "true",        "false",     "null",         "12",          "345",   ".5",
    "e+",          "-1",        "name",         "the",         "\\n",   "\\u00",
    "é",           "😀",         "cel",          "red",         "click", "</param",
    "<parameter=", "<arg_key>", "</parameter>", "</arg_value>"};

std::shared_ptr<const TokenVocabulary> CallVocabulary() {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(kCallEnd + 1);
    for (int byte = 0; byte < kCallEnd; ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    tokens.insert(tokens.end(), std::begin(kCallPieces), std::end(kCallPieces));
    return std::make_shared<const TokenVocabulary>(tokens);
  }();
  return vocabulary;
}

// An answer drawn among what may come; after `wander` tokens it closes what is open, if it can.
std::string RandomCall(const std::shared_ptr<GrammarMasks>& masks, std::mt19937_64& random,
                       int wander) {
  Constraint answer(masks);
  std::string text;
  for (int step = 0; !answer.must_end(); ++step) {
    const auto mask = answer.Allowed();
    if (!mask.ok() || step > 5000) {
      ADD_FAILURE() << (mask.ok() ? "no end" : mask.error().message) << " after "
                    << QuoteForError(text) << "... "
                    << QuoteForError(
                           text.substr(text.size() - std::min<std::size_t>(text.size(), 60)));
      return text;
    }
    std::vector<std::int32_t> allowed;
    for (std::int32_t token = 0; token < CallVocabulary()->size(); ++token) {
      const bool part_of_a_character = token >= 0x80 && token < kCallEnd;
      if (IsAllowed(*mask, token) && (!part_of_a_character || random() % 8 == 0)) {
        allowed.push_back(token);
      }
    }
    std::int32_t token = allowed.empty() ? kCallEnd : allowed[random() % allowed.size()];
    if (step >= wander) {
      // Which of them closes something is not known here: each may be a letter of a text.
      const auto tokens = CallVocabulary()->size();
      const std::int32_t closers[] = {tokens - 2, tokens - 1, '}', ']', '"'};
      const std::int32_t closer = closers[random() % std::size(closers)];
      token = IsAllowed(*mask, closer) ? closer : token;
    }
    if (token == kCallEnd && answer.may_end()) {
      return text;
    }
    if (answer.Accept(token).ok()) {
      text += CallVocabulary()->Bytes(token);
    }
  }
  return text;
}

std::string ArgumentsReadFrom(const ToolSyntax& syntax, const Json& parameters,
                              const std::string& answer) {
  const Json offered =
      Json::Array{Json::Of({{"function", Json::Of({{"name", "f"}, {"parameters", parameters}})}})};
  ToolParser parser(syntax, 1, &offered);
  std::string arguments;
  for (const ToolNews& news : parser.Push(std::string(syntax.opener) + answer)) {
    arguments += news.kind == ToolNews::Kind::kArguments ? news.text : "";
  }
  return arguments;
}

TEST(RealTools, CallsThatAreAllowedAreReadAsValidArgumentsAndOthersAreRefusedByName) {
  std::mt19937_64 random(TestSeed());
  for (const ToolSyntax& syntax : AllToolSyntaxes()) {
    for (const RealTool& tool : kRealTools) {
      const bool in_tags = syntax.body == ToolBody::kTags;
      const char* const refused =
          in_tags && tool.refused_in_tags != nullptr ? tool.refused_in_tags : tool.refused;
      const Json parameters = *ParseJson(tool.parameters);
      const auto grammar =
          GrammarOfCalls(syntax, CallPlace::kWhole, WriteCallableTools({{"f", parameters}}, true));
      ASSERT_EQ(grammar.ok(), refused == nullptr) << syntax.name << ", " << tool.from << ": "
                                                  << (grammar.ok() ? "" : grammar.error().message);
      if (refused != nullptr) {
        EXPECT_EQ(grammar.error().code, ErrorCode::kUnsupported) << grammar.error().message;
        EXPECT_NE(grammar.error().message.find(refused), std::string::npos)
            << syntax.name << ", " << tool.from << ": " << grammar.error().message;
        continue;
      }
      const std::int32_t ends[] = {kCallEnd};
      const auto masks = std::make_shared<GrammarMasks>(*grammar, CallVocabulary(), ends);
      for (int round = 0; round < (kSanitized ? 1 : 12); ++round) {
        const std::string answer = RandomCall(masks, random, static_cast<int>(random() % 120));
        const std::string arguments = ArgumentsReadFrom(syntax, parameters, answer);
        const Result<Json> read = ParseJson(arguments);
        if (!read.ok() && read.error().message.find("duplicate key") != std::string::npos) {
          continue;  // a name that is free came twice
        }
        ASSERT_TRUE(read.ok()) << syntax.name << ", " << tool.from << ": " << read.error().message
                               << "\n"
                               << answer << "\n"
                               << arguments;
        ASSERT_EQ(Invalidity(parameters, parameters, *read), "")
            << syntax.name << ", " << tool.from << "\n"
            << answer << "\n"
            << arguments;
      }
    }
  }
}

}  // namespace
}  // namespace ashlar
