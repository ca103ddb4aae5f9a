#include "ashlar/formats/internal/named_templates.h"

#include <algorithm>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/chat_template.h"

namespace ashlar::internal {

bool KeepTemplate(const NamedTemplate& each, std::vector<std::string>& remarks) {
  if (each.name == "default") {
    return true;
  }
  const Result<ChatTemplate> parsed = ChatTemplate::Parse(each.text);
  if (!parsed.ok()) {
    remarks.push_back(fmt::format("the chat template {} is not imported: {}",
                                  QuoteForError(each.name), parsed.error().message));
  }
  return parsed.ok();
}

Result<Json> WithTemplates(const Json& tokenizer_config, std::span<const NamedTemplate> templates) {
  const JsonCursor config(tokenizer_config, std::string(kTokenizerConfig));
  std::vector<NamedTemplate> all;
  ASHLAR_TRY(const auto found, config.Find("chat_template"));
  if (found && found->value().array() == nullptr) {
    ASHLAR_TRY(std::string only, found->AsString());
    all.push_back({"default", std::move(only)});
  } else if (found) {
    ASHLAR_TRY(const std::vector<JsonCursor> entries, found->AsArray());
    for (const JsonCursor& entry : entries) {
      ASHLAR_TRY(std::string name, entry.String("name"));
      ASHLAR_TRY(std::string text, entry.String("template"));
      all.push_back({std::move(name), std::move(text)});
    }
  }
  for (const NamedTemplate& each : templates) {
    const auto same = std::ranges::find(all, each.name, &NamedTemplate::name);
    if (same == all.end()) {
      all.push_back(each);
    } else {
      same->text = each.text;
    }
  }
  if (all.size() > kMostTemplates) {
    return Invalid("there are {} chat templates: expected at most {}", all.size(), kMostTemplates);
  }
  Json list = Json::Array();
  for (const NamedTemplate& each : all) {
    list.Append(Json::Of({{"name", each.name}, {"template", each.text}}));
  }
  Json with = tokenizer_config;
  with.Set("chat_template", std::move(list));
  return with;
}

}  // namespace ashlar::internal
