#include <optional>

#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/json_text.h"
#include "ashlar/grammar/internal/schema_compiler.h"

namespace ashlar {

namespace {

Result<Grammar> Compile(std::string_view schema, std::optional<char> escaped) {
  const JsonLimits limits = {.max_bytes = Grammar::kMaxSourceBytes,
                             .max_depth = Grammar::kMaxNesting,
                             .max_values = 1u << 16};
  const Result<Json> root = ParseJson(schema, limits);
  if (!root.ok()) {
    return root.error().In("schema");
  }
  return grammar::SchemaCompiler(*root, escaped).Compile();
}

}  // namespace

Result<Grammar> GrammarFromJsonSchema(std::string_view schema) {
  return Compile(schema, std::nullopt);
}

Result<Grammar> GrammarFromJsonSchemaEscaping(std::string_view schema, char escaped) {
  return Compile(schema, escaped);
}

Grammar GrammarForAnyJsonObject() {
  grammar::Builder builder;
  grammar::JsonText json(builder);
  const grammar::RuleId root = json.object();
  Result<Grammar> made = std::move(builder).Finish(root);
  CHECK(made.ok());
  return *std::move(made);
}

}  // namespace ashlar
