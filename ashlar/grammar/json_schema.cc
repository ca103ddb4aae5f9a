#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/json_text.h"
#include "ashlar/grammar/internal/schema_compiler.h"

namespace ashlar {

namespace {

Result<Json> ReadSchema(std::string_view schema) {
  const JsonLimits limits = {.max_bytes = Grammar::kMaxSourceBytes,
                             .max_depth = Grammar::kMaxNesting,
                             .max_values = 1u << 16};
  Result<Json> root = ParseJson(schema, limits);
  return root.ok() ? std::move(root) : root.error().In("schema");
}

}  // namespace

Result<Grammar> GrammarFromJsonSchema(std::string_view schema) {
  SourceWork work;
  return GrammarFromJsonSchemaWith(schema, work);
}

Result<Grammar> GrammarFromJsonSchemaWith(std::string_view schema, SourceWork& work) {
  ASHLAR_TRY(const Json root, ReadSchema(schema));
  return grammar::SchemaCompiler(root, work).Compile();
}

Result<std::vector<Grammar>> GrammarsOfProperties(std::string_view schema,
                                                  std::span<const std::string> names, char escaped,
                                                  SourceWork& work) {
  ASHLAR_TRY(const Json root, ReadSchema(schema));
  return grammar::SchemaCompiler(root, work, escaped).CompileProperties(names);
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
