#include "ashlar/text/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "ashlar/base/ascii.h"
#include "ashlar/text/base64.h"
#include "ashlar/text/gguf_pre_tokenizers.h"
#include "ashlar/text/internal/tokenizer_json.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/scored_pieces.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

using namespace internal;  // NOLINT: the parts of a tokenizer.json are this file's subject

// ggml's token types.
enum class TokenType : std::int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct Parts {
  Json normalizer, pre_tokenizer, model, decoder;
  bool add_bos = false;  // unless the file says otherwise
  bool whole_newlines = false;
};

// The vocabulary with its tables checked against each other.
class Reader {
 public:
  explicit Reader(const GgufVocabulary& given) : given_(given) {}

  Status Check() {
    if (given_.tokens.empty() ||
        given_.tokens.size() > static_cast<std::size_t>(Tokenizer::kMaxTokenId)) {
      return Invalid("tokenizer.ggml.tokens: there are {} tokens, not 1 to {}",
                     given_.tokens.size(), Tokenizer::kMaxTokenId);
    }
    for (const auto& [key, count] :
         {std::pair("scores", given_.scores.size()), {"token_type", given_.token_types.size()}}) {
      if (count != 0 && count < given_.tokens.size()) {
        return Invalid("tokenizer.ggml.{}: there are {} for {} tokens", key, count,
                       given_.tokens.size());
      }
    }
    contents_.reserve(given_.tokens.size());
    std::unordered_map<std::string_view, std::size_t> ids;
    for (std::size_t id = 0; id < given_.tokens.size(); ++id) {
      const std::string& content = given_.tokens[id];
      contents_.push_back(content.empty() ? fmt::format("[EMPTY_{}]", id) : content);
      if (!IsUtf8(content)) {
        return Invalid("tokenizer.ggml.tokens[{}] is not UTF-8", id);
      }
      const std::int32_t type = given_.token_types.empty() ? 1 : given_.token_types[id];
      if (type < 0 || type > static_cast<std::int32_t>(TokenType::kByte)) {
        return Invalid("tokenizer.ggml.token_type[{}] is {}, not 0 to 6", id, type);
      }
      if (!given_.scores.empty() && !std::isfinite(given_.scores[id])) {
        return Invalid("tokenizer.ggml.scores[{}] is not finite", id);
      }
    }
    for (std::size_t id = 0; id < contents_.size(); ++id) {
      const auto [other, added] = ids.emplace(contents_[id], id);
      if (!added) {
        return Unsupported("tokenizer.ggml.tokens: {} has both the ids {} and {}",
                           QuoteForError(contents_[id]), other->second, id);
      }
    }
    return {};
  }

  std::size_t size() const { return contents_.size(); }
  const std::string& content(std::size_t id) const { return contents_[id]; }
  TokenType type(std::size_t id) const {
    return given_.token_types.empty() ? TokenType::kNormal
                                      : static_cast<TokenType>(given_.token_types[id]);
  }

  // kInvalid, naming the key, when the id that the file has, or else the model's default, is none
  // of a token.
  Result<NamedId> Special(std::string_view key, std::optional<std::int64_t> given,
                          std::int64_t otherwise) const {
    const std::int64_t id = given.value_or(otherwise);
    if (id < 0 || id >= static_cast<std::int64_t>(size())) {
      return Invalid("tokenizer.ggml.{}: the id {} is not one of {} tokens", key, id, size());
    }
    return NamedId{contents_[static_cast<std::size_t>(id)], static_cast<std::int32_t>(id)};
  }

  // [token, score] by id, of those that `is_piece` says, and [token] for the others.
  template <class IsPiece>
  Result<Json> Scores(IsPiece is_piece) const {
    if (given_.scores.empty()) {
      return Invalid("tokenizer.ggml.scores: a vocabulary of the model {} needs them",
                     QuoteForError(given_.model));
    }
    Json::Array array;
    array.reserve(size());
    for (std::size_t id = 0; id < size(); ++id) {
      Json::Array piece = {contents_[id]};
      if (is_piece(type(id))) {
        piece.push_back(given_.scores[id]);
      }
      array.push_back(std::move(piece));
    }
    return Json(std::move(array));
  }

  // An object of ids by `spell(id)`.
  template <class Spell>
  Json Ids(Spell spell) const {
    Json::Object object;
    object.reserve(size());
    for (std::size_t id = 0; id < size(); ++id) {
      object.emplace_back(spell(id), id);
    }
    return Json(std::move(object));
  }

  // Those of the network, and with `whole_newlines` those that are nothing but some newlines.
  Json AddedTokens(bool whole_newlines) const {
    const bool strips = GgufNameStripsRight(given_.name);
    Json::Array added;
    for (std::size_t id = 0; id < size(); ++id) {
      const bool special = type(id) == TokenType::kControl || type(id) == TokenType::kUnknown;
      if (special || type(id) == TokenType::kUserDefined) {
        const bool strip_right = strips && std::ranges::find(kGgufKeepsRight, contents_[id]) ==
                                               std::ranges::end(kGgufKeepsRight);
        added.push_back(
            AddedTokenJson({contents_[id], static_cast<std::int32_t>(id)}, special, strip_right));
      } else if (whole_newlines && contents_[id].size() > 1 &&
                 contents_[id].find_first_not_of('\n') == std::string::npos) {
        added.push_back(
            AddedTokenJson({contents_[id], static_cast<std::int32_t>(id)}, false, false));
      }
    }
    return Json(std::move(added));
  }

 private:
  const GgufVocabulary& given_;
  std::vector<std::string> contents_;
};

// ---- Each kind of vocabulary, and what it puts around a text by default.

struct Kind {
  std::string_view model;
  Result<Parts> (*parts)(const GgufVocabulary& given, const Reader& reader);
  std::int64_t bos, eos, separator;  // ids where the file has none; -1: none
  bool add_eos;                      // unless the file says otherwise
  bool between_separators;           // always bos in front and the separator behind
};

Result<Parts> BpeParts(const GgufVocabulary& given, const Reader& reader) {
  // Two models say how they are cut by their own names.
  const bool named = given.model != "gpt2";
  ASHLAR_TRY(const GgufPreTokenizer* cut, FindGgufPreTokenizer(named ? given.model : given.pre));
  Json::Array merges;
  merges.reserve(given.merges.size());
  for (std::size_t i = 0; i < given.merges.size(); ++i) {
    const std::string& merge = given.merges[i];
    const std::size_t space = merge.find(' ', 1);  // a token may be a space itself
    if (space == merge.npos || !IsUtf8(merge)) {
      return Invalid("tokenizer.ggml.merges[{}] is {}, not two tokens with a space between them", i,
                     QuoteForError(merge));
    }
    merges.push_back(Json::Array{merge.substr(0, space), merge.substr(space + 1)});
  }
  const bool of_bytes = cut->spelling == GgufSpelling::kBytes;
  const bool drops_gaps = cut->spelling == GgufSpelling::kCharacters;
  std::vector<Json> stages;
  for (const std::string_view pattern : cut->patterns) {
    stages.push_back(Json::Of({{"type", "Split"},
                               {"pattern", Json::Of({{"Regex", pattern}})},
                               {"behavior", drops_gaps ? "Removed" : "Isolated"},
                               {"invert", drops_gaps}}));
  }
  Json normalizer, decoder;
  if (of_bytes) {
    decoder = Json::Of({{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", false}});
    stages.push_back(decoder);
  } else {
    std::vector<Json> steps;
    if (given.lowercase.value_or(false)) {
      steps.push_back(Json::Of({{"type", "Lowercase"}}));
    }
    if (cut->spelling == GgufSpelling::kMarkedSpaces) {
      steps.push_back(SpacesToMarksJson());
    }
    normalizer = SequenceJson("normalizers", std::move(steps));
    decoder = SentencePieceDecoderJson(/*drop_first_space=*/false);
  }
  return Parts{
      .normalizer = std::move(normalizer),
      .pre_tokenizer = SequenceJson("pretokenizers", std::move(stages)),
      .model = Json::Of({{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", !of_bytes},
                         {"ignore_merges", cut->ignore_merges},
                         {"vocab", reader.Ids([&](std::size_t id) { return reader.content(id); })},
                         {"merges", std::move(merges)}}),
      .decoder = std::move(decoder),
      .add_bos = cut->add_bos,
      .whole_newlines = cut->whole_newlines};
}

Result<Parts> SpmParts(const GgufVocabulary& given, const Reader& reader) {
  ASHLAR_TRY(const NamedId unknown, reader.Special("unknown_token_id", given.unknown, 0));
  // As in llama.cpp, any token may come of a join, control tokens too.
  ASHLAR_TRY(Json scores, reader.Scores([](TokenType) { return true; }));
  const bool prefix = given.add_space_prefix.value_or(true);
  return Parts{.normalizer = MarkedSpacesJson(prefix),
               .pre_tokenizer = {},
               .model = Json::Of({{"type", "SentencePieceBPE"},
                                  {"unk_id", unknown.id},
                                  {"byte_fallback", true},
                                  {"vocab", std::move(scores)}}),
               .decoder = SentencePieceDecoderJson(prefix),
               .add_bos = true};
}

Result<Parts> UgmParts(const GgufVocabulary& given, const Reader& reader) {
  ASHLAR_TRY(const NamedId unknown, reader.Special("unknown_token_id", given.unknown, 2));
  const auto is_piece = [](TokenType type) {
    return type == TokenType::kNormal || type == TokenType::kUserDefined ||
           type == TokenType::kUnused;
  };
  ASHLAR_TRY(Json scores, reader.Scores(is_piece));
  float lowest = std::numeric_limits<float>::max();
  for (std::size_t id = 0; id < reader.size(); ++id) {
    if (reader.type(id) == TokenType::kNormal) {
      lowest = std::min(lowest, given.scores[id]);
    } else if (reader.type(id) == TokenType::kUserDefined) {
      (*(*scores.array())[id].array())[1] = 0;
    }
  }
  const bool join = given.remove_extra_whitespaces.value_or(false);
  const bool prefix = given.add_space_prefix.value_or(false) || join;
  return Parts{
      .normalizer = Json::Of({{"type", "SentencePiece"},
                              {"precompiled_charsmap", ToBase64(given.precompiled_charsmap)},
                              {"add_dummy_prefix", prefix},
                              {"remove_extra_whitespaces", join},
                              {"escape_whitespaces", true},
                              {"treat_whitespace_as_suffix", false}}),
      .pre_tokenizer = {},
      .model = Json::Of({{"type", "SentencePieceUnigram"},
                         {"unk_id", unknown.id},
                         {"byte_fallback", false},
                         {"vocab", std::move(scores)},
                         {"unknown_score", static_cast<double>(lowest - kUnknownPenalty)},
                         {"single_precision", false}}),
      .decoder = SentencePieceDecoderJson(prefix)};
}

// GGUF has the tokens of a word's front with "▁" and the others bare; a vocab.txt has the first
// bare and the others with "##". Markers such as [CLS] are the same in both.
std::string SpellWordPiece(const std::string& content) {
  if (content.starts_with(kWordMark)) {
    return content.substr(kWordMark.size());
  }
  const bool marker = content.size() > 1 && content.starts_with('[') && content.ends_with(']');
  return marker ? content : "##" + content;
}

Result<Parts> WpmParts(const GgufVocabulary& given, const Reader& reader) {
  ASHLAR_TRY(const NamedId unknown, reader.Special("unknown_token_id", given.unknown, 100));
  const auto spell = [&](std::size_t id) {
    const TokenType type = reader.type(id);
    return type == TokenType::kNormal || type == TokenType::kUnused
               ? SpellWordPiece(reader.content(id))
               : reader.content(id);
  };
  Json ids = reader.Ids(spell);
  std::unordered_map<std::string_view, std::int64_t> seen;
  for (const auto& [content, id] : *ids.object()) {
    const auto [other, added] = seen.emplace(content, *id.integer());
    if (!added) {
      return Invalid(
          "tokenizer.ggml.tokens: the ids {} and {} are both {} as a vocab.txt spells it",
          other->second, *id.integer(), QuoteForError(content));
    }
  }
  const bool lowercase = given.lowercase.value_or(true);
  return Parts{
      .normalizer = Json::Of({{"type", "BertNormalizer"},
                              {"clean_text", true},
                              {"handle_chinese_chars", true},
                              {"strip_accents", given.strip_accents.value_or(lowercase)},
                              {"lowercase", lowercase}}),
      .pre_tokenizer = Json::Of({{"type", "BertPreTokenizer"}}),
      .model = Json::Of({{"type", "WordPiece"},
                         {"unk_token", spell(static_cast<std::size_t>(unknown.id))},
                         {"continuing_subword_prefix", "##"},
                         {"max_input_chars_per_word", std::numeric_limits<std::int32_t>::max()},
                         {"vocab", std::move(ids)}}),
      .decoder = Json::Of({{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}})};
}

constexpr Kind kKinds[] = {
    {"gpt2", BpeParts, 11, 11, -1, false, false},
    {"gemma4", BpeParts, -1, -1, -1, false, false},
    {"whitespace", BpeParts, 11, 11, -1, false, false},
    {"llama", SpmParts, 1, 2, -1, false, false},
    {"bert", WpmParts, 101, -1, 102, false, true},
    {"t5", UgmParts, -1, 1, -1, true, false},
};

}  // namespace

bool GgufNameStripsRight(std::string_view name) {
  const std::string lower = AsciiLower(name);
  return lower.find("phi-3") != lower.npos || lower.find("phi3") != lower.npos;
}

Result<CheckedTokenizer> CheckedGgufTokenizer(const GgufVocabulary& vocabulary) {
  const auto kind = std::ranges::find(kKinds, std::string_view(vocabulary.model), &Kind::model);
  if (kind == std::ranges::end(kKinds)) {
    std::string known;
    for (const Kind& each : kKinds) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", each.model);
    }
    return Unsupported("tokenizer.ggml.model: {} is not supported; known: {}",
                       QuoteForError(vocabulary.model), known);
  }
  Reader reader(vocabulary);
  ASHLAR_TRY(reader.Check());
  ASHLAR_TRY(Parts parts, kind->parts(vocabulary, reader));

  std::vector<NamedId> before;
  std::vector<NamedId> after;
  if (kind->between_separators || vocabulary.add_bos.value_or(parts.add_bos)) {
    ASHLAR_TRY(const NamedId bos, reader.Special("bos_token_id", vocabulary.bos, kind->bos));
    before.push_back(bos);
  }
  if (kind->between_separators) {
    ASHLAR_TRY(const NamedId separator,
               reader.Special("seperator_token_id", vocabulary.separator, kind->separator));
    after.push_back(separator);
  } else if (vocabulary.add_eos.value_or(kind->add_eos)) {
    ASHLAR_TRY(const NamedId eos, reader.Special("eos_token_id", vocabulary.eos, kind->eos));
    after.push_back(eos);
  }
  return MakeTokenizer(std::move(parts.normalizer), std::move(parts.pre_tokenizer),
                       std::move(parts.model), TemplateJson(before, after),
                       std::move(parts.decoder), reader.AddedTokens(parts.whole_newlines));
}

Result<std::string> GgufTokenizerJson(const GgufVocabulary& vocabulary) {
  ASHLAR_TRY(CheckedTokenizer checked, CheckedGgufTokenizer(vocabulary));
  return std::move(checked.json);
}

}  // namespace ashlar
