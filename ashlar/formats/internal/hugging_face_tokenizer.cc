#include "ashlar/formats/internal/hugging_face_tokenizer.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/internal/gguf_scored_tokens.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/text/public_tokenizer.h"
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

// As it is written in decimal: "007" is none.
Result<std::int64_t> ParseId(const JsonCursor& where, std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || id < 0 || id > kMaxId || std::to_string(id) != text) {
    return where.Invalid("{} is no id of a token; expected 0 to {}", QuoteForError(text), kMaxId);
  }
  return id;
}

std::int64_t IdOf(const Json& added_token) {
  return *added_token.Find("id")->integer();
}

// The tokens that a file adds, each with a text, and an id of its own. (Of one text under two ids
// the first counts beside a tokenizer.json, and with a tokenizer.model they are refused.)
class AddedTokens {
 public:
  // Requires: it has "id" and "content". `where` is what the file has of it.
  Status Add(const JsonCursor& where, Json token) {
    if (token.Find("content")->string()->empty()) {
      return where.Invalid("the token {} has an empty text, which no text holds", IdOf(token));
    }
    const auto [other, is_new] = ids_.emplace(IdOf(token), where.path());
    if (!is_new) {
      return where.Invalid("the id {} is that of {} too; tokens must have ids of their own",
                           IdOf(token), other->second);
    }
    tokens_.Append(std::move(token));
    return {};
  }
  Json Take() { return std::move(tokens_); }

 private:
  std::map<std::int64_t, std::string> ids_;
  Json tokens_ = Json::Array();
};

// {"32000": {"content": "<|im_end|>", "special": true, ...}, ...}, in the order of the ids. Beside
// tokenizer.json, tokens with an empty text are passed over, as in the reference. Without it,
// tokens are found in the text as it is given, whatever "normalized".
Result<Json> AddedTokensOf(const JsonCursor& decoder, bool beside_tokenizer_json) {
  AddedTokens added;
  ASHLAR_TRY(const auto members, decoder.AsObject());
  for (const auto& [key, token] : members) {
    ASHLAR_TRY(token.AllowOnly(
        {"content", "lstrip", "normalized", "rstrip", "single_word", "special", "__type"}));
    ASHLAR_TRY(const std::int64_t id, ParseId(token, key));
    ASHLAR_TRY(const std::string content, token.String("content"));
    if (content.empty() && beside_tokenizer_json) {
      continue;
    }
    ASHLAR_TRY(const bool left, token.BoolOr("lstrip", false));
    ASHLAR_TRY(const bool right, token.BoolOr("rstrip", false));
    ASHLAR_TRY(const bool word, token.BoolOr("single_word", false));
    ASHLAR_TRY(const bool special, token.BoolOr("special", false));
    ASHLAR_TRY(const bool normalized, token.BoolOr("normalized", !special));
    ASHLAR_TRY(added.Add(token, Json::Of({{"id", id},
                                          {"content", content},
                                          {"single_word", word},
                                          {"lstrip", left},
                                          {"rstrip", right},
                                          {"normalized", beside_tokenizer_json && normalized},
                                          {"special", special}})));
  }
  Json tokens = added.Take();
  std::ranges::sort(*tokens.array(), {}, IdOf);
  return tokens;
}

// {"<|im_end|>": 32000, ...}. It does not say which are special: markers mostly, so all are.
Result<Json> AddedTokensOfOldFile(const JsonCursor& file) {
  AddedTokens added;
  ASHLAR_TRY(const auto members, file.AsObject());
  for (const auto& [content, value] : members) {
    ASHLAR_TRY(const std::int64_t id, value.AsInteger(0, kMaxId));
    ASHLAR_TRY(added.Add(value, Json::Of({{"id", id},
                                          {"content", content},
                                          {"single_word", false},
                                          {"lstrip", false},
                                          {"rstrip", false},
                                          {"normalized", false},
                                          {"special", true}})));
  }
  return added.Take();
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
    ASHLAR_TRY(options.added_tokens, AddedTokensOf(*decoder, /*beside_tokenizer_json=*/false));
  } else {
    const Path old_path = directory / "added_tokens.json";
    ASHLAR_TRY(const Json old, ReadJsonIfThere(old_path));
    ASHLAR_TRY(options.added_tokens, AddedTokensOfOldFile(JsonCursor(old, old_path.string())));
  }
  return SentencePieceTokenizerJson(model, options);
}

// The ids that the model of a tokenizer.json gives to its pieces, as far as they are `wanted`.
struct ModelIds {
  std::map<std::string, std::int64_t, std::less<>> of;
  std::int64_t count = 0;
};
Result<ModelIds> IdsOfModel(const JsonCursor& file, const std::set<std::string>& wanted) {
  ModelIds ids;
  const auto add = [&](const std::string& piece, std::int64_t id) {
    if (wanted.contains(piece)) {
      ids.of.emplace(piece, id);
    }
    ++ids.count;
  };
  ASHLAR_TRY(const JsonCursor model, file.At("model"));
  ASHLAR_TRY(const JsonCursor vocabulary, model.At("vocab"));
  if (const Json::Array* const pieces = vocabulary.value().array()) {  // of Unigram, with scores
    for (const Json& piece : *pieces) {
      const Json::Array* const pair = piece.array();
      if (pair == nullptr || pair->empty() || pair->front().string() == nullptr) {
        return vocabulary.Invalid("expected pairs of a piece and its score");
      }
      add(*pair->front().string(), ids.count);
    }
    return ids;
  }
  ASHLAR_TRY(const auto members, vocabulary.AsObject());
  for (const auto& [piece, id] : members) {
    ASHLAR_TRY(const std::int64_t value, id.AsInteger(0, kMaxId));
    add(piece, value);
  }
  return ids;
}

// tokenizer.json with those tokens of tokenizer_config.json that it lacks. As in the reference, one
// that both have is what tokenizer.json says, and the others have their piece's id or the next free
// one; kInvalid when tokenizer_config.json says another. Nothing when it lacks none.
Result<std::optional<std::string>> WithTokensOfConfig(const JsonCursor& file,
                                                      const JsonCursor& decoder) {
  ASHLAR_TRY(const Json tokens, AddedTokensOf(decoder, /*beside_tokenizer_json=*/true));
  Json added = Json::Array();
  std::set<std::string> known;
  std::int64_t next = 0;
  ASHLAR_TRY(const std::optional<JsonCursor> list, file.Find("added_tokens"));
  if (list) {
    ASHLAR_TRY(const std::vector<JsonCursor> items, list->AsArray());
    for (const JsonCursor& item : items) {
      ASHLAR_TRY(const std::string content, item.String("content"));
      ASHLAR_TRY(const std::int64_t id, item.Integer("id", 0, kMaxId));
      known.insert(content);
      next = std::max(next, id + 1);
      added.Append(item.value());
    }
  }
  const auto content_of = [](const Json& token) { return *token.Find("content")->string(); };
  std::set<std::string> wanted;
  for (const Json& token : *tokens.array()) {
    if (!known.contains(content_of(token))) {
      wanted.insert(content_of(token));
    }
  }
  if (wanted.empty()) {
    return std::optional<std::string>();
  }
  ASHLAR_TRY(const ModelIds model, IdsOfModel(file, wanted));
  next = std::max(next, model.count);
  for (const Json& token : *tokens.array()) {
    const std::string content = content_of(token);
    if (wanted.erase(content) == 0) {
      continue;
    }
    const auto piece = model.of.find(content);
    const std::int64_t id = piece == model.of.end() ? next++ : piece->second;
    if (id != IdOf(token)) {
      return decoder.Invalid(
          "{} has id {}, but tokenizer.json, which lacks it among its added_tokens, makes it {}",
          QuoteForError(content), IdOf(token), id);
    }
    added.Append(token);
  }
  Json whole = file.value();
  whole.Set("added_tokens", std::move(added));
  return std::optional(WriteJson(whole));
}

Result<std::string> ReadTokenizerJson(const Path& directory, const Path& path, std::string text) {
  const Path config_path = directory / "tokenizer_config.json";
  ASHLAR_TRY(const Json config, ReadJsonIfThere(config_path));
  ASHLAR_TRY(const std::optional<JsonCursor> decoder,
             JsonCursor(config, config_path.string()).Find("added_tokens_decoder"));
  if (!decoder) {
    return text;
  }
  const Result<Json> file = ParseJson(text);
  if (!file.ok()) {
    return file.error().In(path.string());
  }
  ASHLAR_TRY(const std::optional<std::string> with,
             WithTokensOfConfig(JsonCursor(*file, path.string()), *decoder));
  return with.value_or(std::move(text));
}

// What a file tokenizer.gguf means, if `json` is what an export writes it as; nothing when it is
// not. Scored tokens are the one kind that an export writes by other stages.
Result<std::optional<std::string>> MeaningWrittenAs(std::string_view json, std::string_view kept) {
  ASHLAR_TRY(const GgufFile file, GgufFile::Parse(AsBytes(kept), kTokenizerGguf));
  ASHLAR_TRY(const auto model, file.fields().Text("tokenizer.ggml.model"));
  if (model != kScoredTokensModel) {
    return std::optional<std::string>();
  }
  ASHLAR_TRY(const auto vocabulary, ReadGgufVocabulary(file.fields(), kMaxId + 1));
  ASHLAR_TRY(std::string meaning, GgufTokenizerJson(*vocabulary));
  ASHLAR_TRY(const std::optional<std::string> written, PublicTokenizerJson(meaning));
  return written == json ? std::optional(std::move(meaning)) : std::nullopt;
}

// An export writes the tokenizer of a GGUF file by stages that others can read too, and keeps it
// beside as it came: if `json` is what that is written as, the network had what that means.
// Whatever is wrong with what is kept, `json` is a tokenizer.
Result<std::string> AsItCame(const Path& directory, std::string json) {
  ASHLAR_TRY(const std::optional<std::string> kept, ReadIfThere(directory / kTokenizerGguf));
  if (!kept) {
    return json;
  }
  Result<std::optional<std::string>> meaning = MeaningWrittenAs(json, *kept);
  return meaning.ok() && *meaning ? **std::move(meaning) : std::move(json);
}

}  // namespace

Result<std::optional<FoundTokenizer>> ReadTokenizer(const Path& directory) {
  const Path json_path = directory / "tokenizer.json";
  ASHLAR_TRY(std::optional<std::string> json, ReadIfThere(json_path));
  if (json) {
    ASHLAR_TRY(std::string whole, ReadTokenizerJson(directory, json_path, *std::move(json)));
    ASHLAR_TRY(whole, AsItCame(directory, std::move(whole)));
    return std::optional(FoundTokenizer{json_path, std::move(whole)});
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
