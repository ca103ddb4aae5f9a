#include "ashlar/formats/internal/gguf_chat_templates.h"

#include <algorithm>
#include <set>

#include "ashlar/base/json_cursor.h"
#include "ashlar/graph/network_files.h"

namespace ashlar::internal {
namespace {

// Several templates: the one called "default" stands where a single one would, each other one under
// its own key, and an array has their names. Names are made of letters and digits there, with _ for
// all else.
Status AddNamedTemplates(const JsonCursor& list, bool has_default, GgufMetadata& metadata,
                         std::vector<std::string>& remarks) {
  ASHLAR_TRY(const std::vector<JsonCursor> entries, list.AsArray());
  std::vector<std::string> names;
  std::set<std::string> known;
  if (has_default) {
    known.insert("default");
  }
  for (const JsonCursor& entry : entries) {
    ASHLAR_TRY(std::string name, entry.String("name"));
    ASHLAR_TRY(std::string text, entry.String("template"));
    std::ranges::replace_if(
        name,
        [](char c) {
          return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
        },
        '_');
    if (name.empty() || !known.insert(name).second) {
      remarks.push_back(fmt::format(
          "{} is left out: {}", entry.path(),
          name.empty() ? "it has no name" : "another template has the name \"" + name + "\" too"));
      continue;
    }
    const bool is_default = name == "default";
    metadata.emplace_back(
        is_default ? "tokenizer.chat_template" : "tokenizer.chat_template." + name,
        std::move(text));
    if (!is_default) {
      names.push_back(std::move(name));
    }
  }
  if (!names.empty()) {
    metadata.emplace_back("tokenizer.chat_templates", std::move(names));
  }
  if (!known.contains("default") && !entries.empty()) {
    remarks.push_back(
        "none of the chat templates is the default one: llama.cpp must be told which");
  }
  return {};
}

}  // namespace

Status AddChatTemplates(const Network& network, const BlobStore& store, GgufMetadata& metadata,
                        std::vector<std::string>& remarks) {
  ASHLAR_TRY(std::optional<std::string> text,
             ReadNetworkFile(network, store, "chat_template.jinja"));
  const bool has_default = text.has_value();
  if (has_default) {
    metadata.emplace_back("tokenizer.chat_template", *std::move(text));
  }
  ASHLAR_TRY(text, ReadNetworkFile(network, store, "tokenizer_config.json"));
  if (!text) {
    return {};
  }
  ASHLAR_TRY(const Json json, ParseJson(*text));
  ASHLAR_TRY(const auto found, JsonCursor(json, "tokenizer_config.json").Find("chat_template"));
  if (!found) {
    return {};
  }
  if (found->value().array() != nullptr) {
    return AddNamedTemplates(*found, has_default, metadata, remarks);
  }
  if (has_default) {
    return {};
  }
  ASHLAR_TRY(std::string only, found->AsString());
  metadata.emplace_back("tokenizer.chat_template", std::move(only));
  return {};
}

}  // namespace ashlar::internal
