#include "ashlar/text/chat_format.h"

#include <algorithm>
#include <utility>

namespace ashlar {

const std::string_view kChatMlTemplate =
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const std::string_view kTranscriptTemplate =
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";

namespace {

constexpr std::string_view kDefaultTemplate = "default";
constexpr std::string_view kWithTools = "tool_use";

// U+FDD0, a character that no text has. Put into a special token that somebody spelled out, it
// keeps the two halves apart until they are ids.
constexpr std::string_view kCut = "\xEF\xB7\x90";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Tokens of tokenizer_config.json that templates know by name.
constexpr std::string_view kTokenSuffix = "_token";

void ReplaceAll(std::string& text, std::string_view old, std::string_view with) {
  for (std::size_t at = text.find(old); at != std::string::npos;
       at = text.find(old, at + with.size())) {
    text.replace(at, old.size(), with);
  }
}

std::vector<std::string> SpecialTokens(const Tokenizer& tokenizer) {
  std::vector<std::string> tokens;
  for (std::int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    if (tokenizer.IsSpecial(id) && !tokenizer.TokenContent(id).empty()) {
      tokens.emplace_back(tokenizer.TokenContent(id));
    }
  }
  return tokens;
}

// The bytes of the first character of well-formed text.
std::size_t FirstSize(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && (text[size] & 0xc0) == 0x80) {
    ++size;
  }
  return size;
}

// Whether special tokens come of a text that has none written out: of what normalizing makes of it.
bool HidesSpecial(const Tokenizer& tokenizer, std::string_view text) {
  for (std::string_view rest = text;;) {
    const std::size_t end = std::min(rest.find(kCut), rest.size());
    const auto ids = tokenizer.Encode(rest.substr(0, end), {.add_special_tokens = false});
    if (ids.ok() && std::ranges::any_of(*ids, [&](auto id) { return tokenizer.IsSpecial(id); })) {
      return true;
    }
    if (end == rest.size()) {
      return false;
    }
    rest.remove_prefix(end + kCut.size());
  }
}

// Each character by itself, without those that are special tokens alone.
std::string Apart(const Tokenizer& tokenizer, std::string_view text) {
  std::string apart;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, FirstSize(text));
    if (!HidesSpecial(tokenizer, character)) {
      apart.append(character).append(kCut);
    }
    text.remove_prefix(character.size());
  }
  return apart;
}

// Cuts every occurrence of a special token behind its first character. A token of one character is
// left out: nothing else says it. Occurrences may overlap, so each is looked for behind the cut of
// the one before. In one pass, since a text may be nothing but such tokens.
void CutAll(std::string& text, std::string_view token) {
  const std::size_t first = FirstSize(token);
  const std::size_t kept = first == token.size() ? 0 : first;
  std::string cut;
  std::size_t done = 0;
  for (std::size_t at = text.find(token); at != std::string::npos; at = text.find(token, done)) {
    cut.append(text, done, at + kept - done).append(kCut);
    done = at + first;
  }
  if (done > 0) {
    text = cut.append(text, done);
  }
}

// The same value, with every special token in its strings cut.
Json WithCuts(const Tokenizer& tokenizer, const Json& value,
              const std::vector<std::string>& special) {
  if (const std::string* text = value.string()) {
    std::string cut = *text;
    ReplaceAll(cut, kCut, kReplacement);
    for (const std::string& token : special) {
      CutAll(cut, token);
    }
    return HidesSpecial(tokenizer, cut) ? Apart(tokenizer, cut) : cut;
  }
  if (const Json::Array* array = value.array()) {
    Json::Array items;
    for (const Json& item : *array) {
      items.push_back(WithCuts(tokenizer, item, special));
    }
    return items;
  }
  if (const Json::Object* object = value.object()) {
    Json::Object members;
    for (const auto& [key, member] : *object) {
      members.emplace_back(*WithCuts(tokenizer, key, special).string(),
                           WithCuts(tokenizer, member, special));
    }
    return members;
  }
  return value;
}

// The tokens that `root` names; nothing for null.
Status AddSpecialTokens(const JsonCursor& root,
                        std::map<std::string, std::optional<std::string>>& tokens) {
  ASHLAR_TRY(const auto members, root.AsObject());
  for (const auto& [name, member] : members) {
    if (!name.ends_with(kTokenSuffix)) {
      continue;
    }
    if (member.is_null()) {
      tokens.emplace(name, std::nullopt);
    } else if (member.value().string() != nullptr) {
      tokens.emplace(name, *member.value().string());
    } else if (member.value().object() != nullptr) {
      ASHLAR_TRY(std::string content, member.String("content"));
      tokens.emplace(name, std::move(content));
    }  // else a setting, such as add_bos_token
  }
  return {};
}

}  // namespace

Result<ChatFiles> ReadChatFiles(
    const std::function<Result<std::optional<std::string>>(std::string_view)>& read,
    const Tokenizer& tokenizer, std::optional<std::int64_t> begin,
    std::span<const std::int64_t> ends) {
  ChatFiles files;
  ASHLAR_TRY(files.chat_template, read("chat_template.jinja"));
  ASHLAR_TRY(files.tokenizer_config, read("tokenizer_config.json"));
  ASHLAR_TRY(files.special_tokens_map, read("special_tokens_map.json"));
  const auto content = [&](std::int64_t id) -> std::optional<std::string> {
    if (id < 0 || id >= tokenizer.vocabulary_size()) {
      return std::nullopt;
    }
    const std::string_view text = tokenizer.TokenContent(static_cast<std::int32_t>(id));
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
  };
  if (begin) {
    files.begin = content(*begin);
  }
  if (!ends.empty()) {
    files.end = content(ends.front());
  }
  return files;
}

Result<ChatFormat> ChatFormat::FromTemplate(std::string_view source) {
  ChatFormat format;
  ASHLAR_TRY(format.AddTemplate(std::string(kDefaultTemplate), source));
  return format;
}

Result<ChatFormat> ChatFormat::FromFiles(const ChatFiles& files) {
  ChatFormat format;
  if (files.chat_template) {
    ASHLAR_TRY(format.AddTemplate(std::string(kDefaultTemplate), *files.chat_template));
  }
  std::map<std::string, std::optional<std::string>> named;  // the first to speak of one is heard
  const std::pair<const char*, const std::optional<std::string>*> sources[] = {
      {"tokenizer_config.json", &files.tokenizer_config},
      {"special_tokens_map.json", &files.special_tokens_map}};
  for (const auto& [name, text] : sources) {
    if (*text) {
      ASHLAR_TRY(const Json json, ParseJson(**text));
      const JsonCursor root(json, name);
      ASHLAR_TRY(AddSpecialTokens(root, named));
      if (text == &files.tokenizer_config) {
        ASHLAR_TRY(format.ReadTemplates(root));
      }
    }
  }
  named.emplace("bos_token", files.begin);
  named.emplace("eos_token", files.end);
  for (auto& [name, content] : named) {
    if (content) {
      format.tokens_.emplace(name, *std::move(content));
    }
  }
  if (format.templates_.empty()) {
    return NotFound("the network has no chat template");
  }
  if (!format.templates_.contains(kDefaultTemplate)) {
    return NotFound("none of the network's chat templates is named \"{}\"", kDefaultTemplate);
  }
  return format;
}

Status ChatFormat::AddTemplate(std::string name, std::string_view source) {
  if (templates_.contains(name)) {
    return {};  // the file of its own comes first
  }
  Result<ChatTemplate> parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) {
    return parsed.error().In(fmt::format("chat template \"{}\"", name));
  }
  templates_.emplace(std::move(name), *std::move(parsed));
  return {};
}

Status ChatFormat::ReadTemplates(const JsonCursor& config) {
  ASHLAR_TRY(const auto found, config.Find("chat_template"));
  if (!found) {
    return {};
  }
  if (found->value().array() == nullptr) {
    ASHLAR_TRY(const std::string source, found->AsString());
    return AddTemplate(std::string(kDefaultTemplate), source);
  }
  ASHLAR_TRY(const std::vector<JsonCursor> entries, found->AsArray(100));
  for (const JsonCursor& entry : entries) {
    ASHLAR_TRY(std::string name, entry.String("name"));
    ASHLAR_TRY(const std::string source, entry.String("template"));
    ASHLAR_TRY(AddTemplate(std::move(name), source));
  }
  return {};
}

Result<std::string> ChatFormat::Render(const Json& variables, const std::tm& now) const {
  Json all = variables;
  for (const auto& [name, content] : tokens_) {
    if (all.Find(name) == nullptr) {
      all.Set(name, content);
    }
  }
  const Json* tools = variables.Find("tools");
  auto chosen = templates_.find(kDefaultTemplate);
  if (tools != nullptr && !tools->is_null() && templates_.contains(kWithTools)) {
    chosen = templates_.find(kWithTools);
  }
  return chosen->second.Render(all, now);
}

Result<std::vector<std::int32_t>> ChatFormat::Encode(const Tokenizer& tokenizer,
                                                     const Json& variables,
                                                     const std::tm& now) const {
  ASHLAR_TRY(const std::string text,
             Render(WithCuts(tokenizer, variables, SpecialTokens(tokenizer)), now));
  std::vector<std::int32_t> ids;
  for (std::string_view rest = text;;) {
    const std::size_t end = std::min(rest.find(kCut), rest.size());
    ASHLAR_TRY(const std::vector<std::int32_t> some,
               tokenizer.Encode(rest.substr(0, end), {.add_special_tokens = false}));
    ids.insert(ids.end(), some.begin(), some.end());
    if (end == rest.size()) {
      return ids;
    }
    rest.remove_prefix(end + kCut.size());
  }
}

}  // namespace ashlar
