#include "ashlar/formats/internal/gguf_tokenizer_parts.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// kUnsupported unless the member is absent, null or `harmless`.
Status RequireOff(const JsonCursor& json, std::string_view key, const Json& harmless) {
  ASHLAR_TRY(const std::optional<JsonCursor> member, json.Find(key));
  if (member && member->value() != harmless) {
    return Unsupported("{}: llama.cpp cannot do this", member->path());
  }
  return {};
}

// With spaces for the marks.
std::string Unmarked(std::string_view content) {
  std::string text;
  while (!content.empty()) {
    const bool mark = content.starts_with(kSpaceMark);
    text += mark ? ' ' : content.front();
    content.remove_prefix(mark ? kSpaceMark.size() : 1);
  }
  return text;
}

}  // namespace

Result<std::vector<JsonCursor>> StagesOf(const JsonCursor& root, std::string_view role,
                                         std::string_view members) {
  ASHLAR_TRY(const std::optional<JsonCursor> stage, root.Find(role));
  if (!stage) {
    return std::vector<JsonCursor>();
  }
  ASHLAR_TRY(const std::string type, stage->String("type"));
  if (type != "Sequence") {
    return std::vector<JsonCursor>{*stage};
  }
  ASHLAR_TRY(const JsonCursor list, stage->At(members));
  return list.AsArray(64);
}

Result<std::vector<TokenPair>> ReadMerges(const JsonCursor& model) {
  ASHLAR_TRY(const JsonCursor list, model.At("merges"));
  std::vector<TokenPair> merges;
  CHECK(list.value().array() != nullptr);  // the Tokenizer has read it, and each of these
  merges.reserve(list.value().array()->size());
  for (const Json& entry : *list.value().array()) {
    if (const std::string* line = entry.string()) {
      const std::size_t space = line->find(' ');
      if (!line->starts_with("#version")) {  // the first line of a merges.txt
        merges.emplace_back(line->substr(0, space), line->substr(space + 1));
      }
      continue;
    }
    merges.emplace_back(*entry.array()->at(0).string(), *entry.array()->at(1).string());
  }
  return merges;
}

Status CheckPlainBpe(const JsonCursor& model) {
  for (const auto& [key, harmless] : std::initializer_list<std::pair<const char*, Json>>{
           {"dropout", nullptr}, {"continuing_subword_prefix", ""}, {"end_of_word_suffix", ""}}) {
    ASHLAR_TRY(RequireOff(model, key, harmless));
  }
  return {};
}

Status CheckMarkDecoders(const JsonCursor& root) {
  constexpr std::string_view kDecoders[] = {"Replace", "ByteFallback", "Fuse", "Strip",
                                            "Metaspace"};
  ASHLAR_TRY(const auto decoders, StagesOf(root, "decoder", "decoders"));
  for (const JsonCursor& stage : decoders) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (std::ranges::count(kDecoders, type) == 0) {
      return Unsupported("{}: llama.cpp has no decoder {} for scored tokens", stage.path(), type);
    }
  }
  return {};
}

void RemarkOnDecoder(const Tokenizer& tokenizer, const GgufTokens& tokens, bool space_prefix,
                     std::vector<std::string>& remarks) {
  for (std::size_t id = 0; id < tokens.contents.size(); ++id) {
    const std::string& content = tokens.contents[id];
    if (tokens.types[id] != kNormalToken || !content.starts_with(kSpaceMark) ||
        content == kSpaceMark) {
      continue;
    }
    const std::int32_t twice[] = {static_cast<std::int32_t>(id), static_cast<std::int32_t>(id)};
    const std::string ours = tokenizer.Decode(twice);
    const std::string theirs = Unmarked(content + content).substr(space_prefix ? 1 : 0);
    if (ours != theirs) {
      remarks.push_back(
          fmt::format("the tokenizer decodes two tokens {} as {}, and llama.cpp as {}: it takes "
                      "away the first space of a text where it puts one in front, and no other",
                      QuoteForError(content), QuoteForError(ours), QuoteForError(theirs)));
    }
    return;
  }
}

}  // namespace ashlar::internal
