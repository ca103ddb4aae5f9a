#include "ashlar/text/sentence_piece_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ashlar/text/base64.h"
#include "ashlar/text/internal/protobuf.h"
#include "ashlar/text/internal/tokenizer_json.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/scored_pieces.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

using namespace internal;  // NOLINT: the parts of a tokenizer.json are this file's subject

// Numbers of sentencepiece_model.proto.
enum class PieceType : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};
enum ModelType : std::int64_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

struct ModelPiece {
  std::string content;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct ModelFile {
  std::vector<ModelPiece> pieces;
  std::int64_t model_type = kUnigram;
  bool treat_whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::string precompiled_charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// `read(field)` for each field of a message.
template <class Read>
Status ForEachField(std::string_view message, Read read) {
  ProtobufReader reader(message);
  while (true) {
    ASHLAR_TRY(const std::optional<ProtobufField> field, reader.Next());
    if (!field.has_value()) {
      return {};
    }
    ASHLAR_TRY(read(*field));
  }
}

// Stores what `result` holds.
template <class T, class U>
Status Store(Result<T> result, U& out) {
  ASHLAR_TRY(T value, std::move(result));
  out = U(std::move(value));
  return {};
}

Status ReadPiece(std::string_view message, ModelFile& file) {
  ModelPiece piece;
  ASHLAR_TRY(ForEachField(message, [&](const ProtobufField& field) -> Status {
    switch (field.number()) {
      case 1:
        return Store(field.AsBytes(), piece.content);
      case 2:
        return Store(field.AsFloat(), piece.score);
      case 3: {
        ASHLAR_TRY(const std::int64_t type, field.AsInteger());
        if (type < 1 || type > static_cast<std::int64_t>(PieceType::kByte)) {
          return Invalid("its type is {}, not 1 to 6", type);
        }
        piece.type = static_cast<PieceType>(type);
        return {};
      }
      default:
        return {};  // extensions of others
    }
  }));
  if (piece.content.empty() || !IsUtf8(piece.content)) {
    return Invalid("its text {} is empty or not UTF-8", QuoteForError(piece.content));
  }
  if (!std::isfinite(piece.score)) {
    return Invalid("its score is not finite");
  }
  if (file.pieces.size() > static_cast<std::size_t>(Tokenizer::kMaxTokenId)) {
    return Invalid("there are more than {} pieces", Tokenizer::kMaxTokenId);
  }
  file.pieces.push_back(std::move(piece));
  return {};
}

// Of how the model was trained, only this changes how it encodes.
Status ReadTrainerSpec(std::string_view message, ModelFile& file) {
  return ForEachField(message, [&](const ProtobufField& field) -> Status {
    switch (field.number()) {
      case 3:
        return Store(field.AsInteger(), file.model_type);
      case 24:
        return Store(field.AsBool(), file.treat_whitespace_as_suffix);
      case 35:
        return Store(field.AsBool(), file.byte_fallback);
      default:
        return {};
    }
  });
}

Status ReadNormalizerSpec(std::string_view message, ModelFile& file) {
  return ForEachField(message, [&](const ProtobufField& field) -> Status {
    switch (field.number()) {
      case 1:  // the name of the rules, and where they were read from
      case 6:
        return {};
      case 2:
        return Store(field.AsBytes(), file.precompiled_charsmap);
      case 3:
        return Store(field.AsBool(), file.add_dummy_prefix);
      case 4:
        return Store(field.AsBool(), file.remove_extra_whitespaces);
      case 5:
        return Store(field.AsBool(), file.escape_whitespaces);
      default:
        return Unsupported("normalizer_spec: the field {} is not known", field.number());
    }
  });
}

// How decoding would change text back; of what only names and precompiled maps count.
Status CheckDenormalizerSpec(std::string_view message) {
  return ForEachField(message, [](const ProtobufField& field) -> Status {
    if (field.number() == 2) {
      ASHLAR_TRY(const std::string_view map, field.AsBytes());
      if (!map.empty()) {
        return Unsupported("denormalizer_spec: rules of decoding are not supported");
      }
    }
    return {};
  });
}

Result<ModelFile> ReadModelFile(std::string_view bytes) {
  ModelFile file;
  ASHLAR_TRY(ForEachField(bytes, [&](const ProtobufField& field) -> Status {
    if (field.number() != 1 && field.number() != 2 && field.number() != 3 && field.number() != 5) {
      return {};  // samples to test with, and extensions of others
    }
    ASHLAR_TRY(const std::string_view message, field.AsBytes());
    switch (field.number()) {
      case 1: {
        const Status read = ReadPiece(message, file);
        return read.ok() ? read : read.error().In(fmt::format("piece {}", file.pieces.size()));
      }
      case 2:
        return ReadTrainerSpec(message, file);
      case 3:
        return ReadNormalizerSpec(message, file);
      default:
        return CheckDenormalizerSpec(message);
    }
  }));
  if (file.model_type < kUnigram || file.model_type > kChar) {
    return Invalid("the model type is {}, not 1 to 4 (unigram, bpe, word, char)", file.model_type);
  }
  if (file.model_type == kWord && file.treat_whitespace_as_suffix) {
    return Unsupported("a word model with spaces behind its words is not supported");
  }
  return file;
}

// The scores with which unigram finds its pieces (unigram_model.cc). User-defined ones get more
// than any logarithm of a probability, which are negative.
struct UnigramScores {
  float lowest = std::numeric_limits<float>::max();
  float highest = std::numeric_limits<float>::min();

  explicit UnigramScores(const std::vector<ModelPiece>& pieces) {
    for (const ModelPiece& piece : pieces) {
      if (piece.type == PieceType::kNormal) {
        lowest = std::min(lowest, piece.score);
        highest = std::max(highest, piece.score);
      }
    }
  }
  double Of(const ModelPiece& piece) const {
    return piece.type == PieceType::kUserDefined
               ? static_cast<float>(piece.content.size()) * highest - 0.1
               : piece.score;
  }
};

// What a model of this type is in a tokenizer.json. One of characters is a bpe whose pieces are too
// short to come of a join.
std::string_view NameOf(std::int64_t model_type) {
  return model_type == kUnigram ? "SentencePieceUnigram"
         : model_type == kWord  ? "SentencePieceWord"
                                : "SentencePieceBPE";
}

Status CheckPiece(const ModelPiece& piece, std::size_t id, std::int64_t model_type) {
  if (piece.type == PieceType::kUnused && model_type != kUnigram) {
    return Unsupported(
        "piece {} ({}) is of the type unused, which is not supported in a bpe, word or char model",
        id, QuoteForError(piece.content));
  }
  if (piece.type == PieceType::kNormal && model_type == kChar &&
      FirstChar(piece.content).size != piece.content.size()) {
    return Invalid("piece {} ({}) is more than a character, in a char model", id,
                   QuoteForError(piece.content));
  }
  return {};
}

Result<Json> ModelJson(const ModelFile& file, std::int32_t unknown) {
  const bool unigram = file.model_type == kUnigram;
  const UnigramScores scores(file.pieces);
  Json::Array vocab;
  Json::Array user_defined;
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const ModelPiece& piece = file.pieces[id];
    Json::Array entry = {piece.content};
    ASHLAR_TRY(CheckPiece(piece, id, file.model_type));
    if (piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined) {
      const double score = unigram ? scores.Of(piece) : piece.score;
      if (!std::isfinite(score)) {
        return Invalid(
            "piece {} ({}) is user-defined, and {} times the highest score, {}, is not "
            "finite",
            id, QuoteForError(piece.content), piece.content.size(), scores.highest);
      }
      entry.push_back(score);
    }
    if (piece.type == PieceType::kUserDefined) {
      user_defined.push_back(id);
    }
    vocab.push_back(std::move(entry));
  }
  Json model = Json::Of({{"type", NameOf(file.model_type)},
                         {"unk_id", unknown},
                         {"byte_fallback", file.byte_fallback},
                         {"vocab", std::move(vocab)}});
  if (unigram) {
    model.Set("unknown_score", static_cast<double>(scores.lowest - kUnknownPenalty));
    model.Set("single_precision", true);
  } else if (file.model_type != kWord) {
    model.Set("user_defined", std::move(user_defined));
  }
  return model;
}

// The file's special pieces, then the others; of one id the latter.
Result<Json> AddedTokensJson(const ModelFile& file, const Json& others) {
  std::unordered_map<std::int64_t, const Json*> by_id;
  const JsonCursor cursor(others, "added_tokens");
  ASHLAR_TRY(const std::vector<JsonCursor> elements, cursor.AsArray());
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(const std::int64_t id, element.Integer("id", 0, Tokenizer::kMaxTokenId));
    by_id[id] = &element.value();
  }
  Json::Array added;
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const ModelPiece& piece = file.pieces[id];
    const bool special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    if (special && !by_id.contains(static_cast<std::int64_t>(id))) {
      added.push_back(AddedTokenJson({piece.content, static_cast<std::int32_t>(id)}, true));
    }
  }
  added.insert(added.end(), others.array()->begin(), others.array()->end());
  return Json(std::move(added));
}

}  // namespace

Result<std::string> SentencePieceTokenizerJson(std::string_view model,
                                               const SentencePieceOptions& options) {
  ASHLAR_TRY(ModelFile file, ReadModelFile(model));
  file.add_dummy_prefix = options.add_dummy_prefix.value_or(file.add_dummy_prefix);
  std::unordered_map<std::string_view, std::int32_t> ids;
  std::optional<std::int32_t> unknown;
  Json::Array user_defined;
  for (std::size_t i = 0; i < file.pieces.size(); ++i) {
    const ModelPiece& piece = file.pieces[i];
    const auto id = static_cast<std::int32_t>(i);
    if (const auto [other, added] = ids.emplace(piece.content, id); !added) {
      return Invalid("the pieces {} and {} are both {}", other->second, id,
                     QuoteForError(piece.content));
    }
    if (piece.type == PieceType::kUnknown) {
      if (unknown.has_value()) {
        return Invalid("the pieces {} and {} are both of the type unknown", *unknown, id);
      }
      unknown = id;
    }
    if (piece.type == PieceType::kUserDefined) {
      user_defined.push_back(piece.content);
    }
  }
  if (!unknown.has_value()) {
    return Invalid("no piece is of the type unknown");
  }
  ASHLAR_TRY(Json added_tokens, AddedTokensJson(file, options.added_tokens));
  for (const Json& token : *added_tokens.array()) {
    const std::string* content =
        token.Find("content") == nullptr ? nullptr : token.Find("content")->string();
    if (content != nullptr) {  // or else the tokenizer finds out
      ids.emplace(*content, static_cast<std::int32_t>(*token.Find("id")->integer()));
    }
  }
  const auto around = [&](const std::string& content) -> Result<std::vector<NamedId>> {
    const auto id = ids.find(content);
    if (content.empty()) {
      return std::vector<NamedId>();
    }
    if (id == ids.end()) {
      return Invalid("a text is to have {} around it, which is no token", QuoteForError(content));
    }
    return std::vector<NamedId>{{id->first, id->second}};
  };
  ASHLAR_TRY(const std::vector<NamedId> before, around(options.before));
  ASHLAR_TRY(const std::vector<NamedId> after, around(options.after));
  ASHLAR_TRY(Json model_json, ModelJson(file, *unknown));
  Json normalizer = Json::Of({{"type", "SentencePiece"},
                              {"precompiled_charsmap", ToBase64(file.precompiled_charsmap)},
                              {"user_defined", std::move(user_defined)},
                              {"add_dummy_prefix", file.add_dummy_prefix},
                              {"remove_extra_whitespaces", file.remove_extra_whitespaces},
                              {"escape_whitespaces", file.escape_whitespaces},
                              {"treat_whitespace_as_suffix", file.treat_whitespace_as_suffix}});
  ASHLAR_TRY(
      CheckedTokenizer made,
      MakeTokenizer(
          std::move(normalizer), Json(), std::move(model_json), TemplateJson(before, after),
          SentencePieceDecoderJson(file.add_dummy_prefix && !file.treat_whitespace_as_suffix),
          std::move(added_tokens)));
  return std::move(made.json);
}

}  // namespace ashlar
