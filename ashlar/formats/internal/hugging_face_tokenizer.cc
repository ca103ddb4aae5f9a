#include "ashlar/formats/internal/hugging_face_tokenizer.h"

#include <algorithm>
#include <charconv>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/sentence_piece_model.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kMaxFileBytes = 128u << 20;
constexpr std::int64_t kMaxId = (1 << 24) - 1;

// Classes that take a file's ids as they are and put its "<s>" in front, unless told not to.
constexpr std::string_view kClasses[] = {
    "LlamaTokenizer",         "LlamaTokenizerFast", "CodeLlamaTokenizer",
    "CodeLlamaTokenizerFast", "GemmaTokenizer",     "GemmaTokenizerFast",
};

// Nothing when the file is not there.
Result<std::optional<std::string>> ReadIfThere(const Path& path) {
  ASHLAR_TRY(const auto stat, RealFileSystem().Stat(path));
  if (!stat) {
    return std::optional<std::string>();
  }
  ASHLAR_TRY(std::string text, ReadTextFile(path, kMaxFileBytes));
  return std::optional(std::move(text));
}

Result<Json> ReadJsonIfThere(const Path& path) {
  ASHLAR_TRY(const std::optional<std::string> text, ReadIfThere(path));
  if (!text) {
    return Json::Of({});
  }
  Result<Json> json = ParseJson(*text);
  if (!json.ok()) {
    return json.error().In(path.string());
  }
  return json;
}

Result<std::int64_t> ParseId(const JsonCursor& where, std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0 || id > kMaxId) {
    return where.Invalid("{} is no id of a token", QuoteForError(text));
  }
  return id;
}

// {"32000": {"content": "<|im_end|>", "special": true, ...}, ...}
Result<Json> AddedTokensOf(const JsonCursor& decoder) {
  Json added = Json::Array();
  ASHLAR_TRY(const auto members, decoder.AsObject());
  for (const auto& [key, token] : members) {
    ASHLAR_TRY(token.AllowOnly(
        {"content", "lstrip", "normalized", "rstrip", "single_word", "special", "__type"}));
    ASHLAR_TRY(const std::int64_t id, ParseId(token, key));
    ASHLAR_TRY(const std::string content, token.String("content"));
    ASHLAR_TRY(const bool left, token.BoolOr("lstrip", false));
    ASHLAR_TRY(const bool right, token.BoolOr("rstrip", false));
    ASHLAR_TRY(const bool word, token.BoolOr("single_word", false));
    ASHLAR_TRY(const bool special, token.BoolOr("special", false));
    // Without tokenizer.json, tokens are found in the text as it is given, whatever "normalized".
    added.Append(Json::Of({{"id", id},
                           {"content", content},
                           {"single_word", word},
                           {"lstrip", left},
                           {"rstrip", right},
                           {"normalized", false},
                           {"special", special}}));
  }
  return added;
}

// {"<|im_end|>": 32000, ...}. It does not say which are special: markers mostly, so all are.
Result<Json> AddedTokensOfOldFile(const JsonCursor& file) {
  Json added = Json::Array();
  ASHLAR_TRY(const auto members, file.AsObject());
  for (const auto& [content, value] : members) {
    ASHLAR_TRY(const std::int64_t id, value.AsInteger(0, kMaxId));
    added.Append(Json::Of({{"id", id},
                           {"content", content},
                           {"single_word", false},
                           {"lstrip", false},
                           {"rstrip", false},
                           {"normalized", false},
                           {"special", true}}));
  }
  return added;
}

// A token's name is a string, or an object with its content.
Result<std::string> TokenName(const JsonCursor& config, std::string_view key,
                              std::string_view otherwise) {
  ASHLAR_TRY(const std::optional<JsonCursor> member, config.Find(key));
  if (!member) {
    return std::string(otherwise);
  }
  return member->value().object() != nullptr ? member->String("content") : member->AsString();
}

Status CheckSettings(const JsonCursor& config) {
  ASHLAR_TRY(const std::string name, config.StringOr("tokenizer_class", kClasses[0]));
  if (std::ranges::find(kClasses, name) == std::ranges::end(kClasses)) {
    return Unsupported(
        "{}.tokenizer_class: {} reads a tokenizer.model in a way of its own; a "
        "tokenizer.json would say how",
        config.path(), QuoteForError(name));
  }
  ASHLAR_TRY(const bool legacy, config.BoolOr("legacy", true));
  if (!legacy) {
    return Unsupported(
        "{}.legacy: false is not supported with a tokenizer.model; a "
        "tokenizer.json would say how text behind a marker begins",
        config.path());
  }
  ASHLAR_TRY(const std::optional<JsonCursor> sampling, config.Find("sp_model_kwargs"));
  if (sampling) {
    ASHLAR_TRY(const auto members, sampling->AsObject());
    if (!members.empty()) {
      return Unsupported("{}: not supported, only empty: encoding is deterministic",
                         sampling->path());
    }
  }
  return {};
}

Result<std::string> ReadSentencePiece(const Path& directory, std::string_view model) {
  const Path config_path = directory / "tokenizer_config.json";
  ASHLAR_TRY(const Json config_json, ReadJsonIfThere(config_path));
  const JsonCursor config(config_json, config_path.string());
  ASHLAR_TRY(CheckSettings(config));
  SentencePieceOptions options;
  ASHLAR_TRY(const bool add_bos, config.BoolOr("add_bos_token", true));
  ASHLAR_TRY(const bool add_eos, config.BoolOr("add_eos_token", false));
  if (add_bos) {
    ASHLAR_TRY(options.before, TokenName(config, "bos_token", "<s>"));
  }
  if (add_eos) {
    ASHLAR_TRY(options.after, TokenName(config, "eos_token", "</s>"));
  }
  ASHLAR_TRY(const std::optional<JsonCursor> prefix, config.Find("add_prefix_space"));
  if (prefix) {
    ASHLAR_TRY(options.add_dummy_prefix, prefix->AsBool());
  }
  ASHLAR_TRY(const std::optional<JsonCursor> decoder, config.Find("added_tokens_decoder"));
  if (decoder) {
    ASHLAR_TRY(options.added_tokens, AddedTokensOf(*decoder));
  } else {
    const Path old_path = directory / "added_tokens.json";
    ASHLAR_TRY(const Json old, ReadJsonIfThere(old_path));
    ASHLAR_TRY(options.added_tokens, AddedTokensOfOldFile(JsonCursor(old, old_path.string())));
  }
  return SentencePieceTokenizerJson(model, options);
}

}  // namespace

Result<std::optional<FoundTokenizer>> ReadTokenizer(const Path& directory) {
  const Path json_path = directory / "tokenizer.json";
  ASHLAR_TRY(std::optional<std::string> json, ReadIfThere(json_path));
  if (json) {
    return std::optional(FoundTokenizer{json_path, *std::move(json)});
  }
  const Path model_path = directory / "tokenizer.model";
  ASHLAR_TRY(const std::optional<std::string> model, ReadIfThere(model_path));
  if (!model) {
    return std::optional<FoundTokenizer>();
  }
  Result<std::string> converted = ReadSentencePiece(directory, *model);
  if (!converted.ok()) {
    return converted.error().In(model_path.string());
  }
  return std::optional(FoundTokenizer{model_path, *std::move(converted)});
}

}  // namespace ashlar::internal
