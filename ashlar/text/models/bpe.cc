// BPE: byte-pair encoding. A piece begins as its characters, which the file's merges join
// (merger.h), the first of them first.
#include <algorithm>
#include <array>
#include <vector>

#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/internal/byte_tokens.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/merger.h"
#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

constexpr std::int32_t kNone = -1;

// Of one Encode: the buffers are reused from piece to piece.
struct Scratch {
  Merger merger;
  std::vector<std::int32_t> bytes;
  std::string character;
};

struct BpeOptions {
  std::optional<std::int32_t> unknown;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
  std::string continuing_prefix;  // of every character but a piece's first
  std::string end_suffix;         // of a piece's last character
};

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
      : vocabulary_(std::move(vocabulary)),
        merges_(std::move(merges)),
        options_(std::move(options)) {
    std::string content;
    for (std::size_t code = 0; code < letter_ids_.size(); ++code) {
      content.clear();
      AppendUtf8(static_cast<char32_t>(code), content);
      letter_ids_[code] = vocabulary_.Id(content).value_or(kNone);
    }
    if (options_.byte_fallback) {
      byte_tokens_ = ByteTokens(vocabulary_);
    }
    FindWholeWords();
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    Scratch scratch;
    for (const TextRange range : pieces.ranges) {
      const std::string_view piece = pieces.View(range);
      if (const auto id = vocabulary_.Id(piece); id && whole_words_[*id]) {
        ids.push_back(*id);
        continue;
      }
      Merge(piece, scratch);
      scratch.merger.ForEach([&](std::int32_t id, std::uint32_t) { ids.push_back(id); });
    }
  }

 private:
  // Two thirds of the pieces of prose are one token. Which tokens the merges make when they are
  // the whole piece is found out once; with ignore_merges it is all of them.
  void FindWholeWords() {
    Scratch scratch;
    whole_words_.resize(static_cast<std::size_t>(vocabulary_.size()));
    vocabulary_.ForEach([&](std::string_view content, std::int32_t id) {
      if (!options_.ignore_merges) {
        Merge(content, scratch);
        std::vector<std::int32_t>& ids = scratch.bytes;
        ids.clear();
        scratch.merger.ForEach([&](std::int32_t each, std::uint32_t) { ids.push_back(each); });
        if (ids.size() != 1 || ids[0] != id) {
          return;
        }
      }
      whole_words_[id] = true;
    });
  }

  // Leaves the tokens of `piece` in `scratch`.
  void Merge(std::string_view piece, Scratch& scratch) const {
    SplitCharacters(piece, scratch);
    scratch.merger.Merge(merges_);
  }

  // The token of one character of a piece; kNone when there is none.
  std::int32_t CharacterId(std::string_view character, char32_t code, bool first, bool last,
                           Scratch& scratch) const {
    const bool prefixed = !first && !options_.continuing_prefix.empty();
    const bool suffixed = last && !options_.end_suffix.empty();
    scratch.character.clear();
    if (prefixed) {
      scratch.character = options_.continuing_prefix;
    }
    scratch.character += character;
    if (suffixed) {
      scratch.character += options_.end_suffix;
    }
    if (!prefixed && !suffixed && code < letter_ids_.size()) {
      return letter_ids_[code];
    }
    return vocabulary_.Id(scratch.character).value_or(kNone);
  }

  void SplitCharacters(std::string_view piece, Scratch& scratch) const {
    Merger& merger = scratch.merger;
    merger.Clear();
    // An unknown token waits for the next one, with which it may fuse. As in the reference, byte
    // tokens pass it by.
    bool unknown_waits = false;
    for (std::size_t at = 0; at < piece.size();) {
      const Utf8Char c = FirstChar(piece.substr(at));
      const std::int32_t id = CharacterId(piece.substr(at, c.size), c.code, at == 0,
                                          at + c.size == piece.size(), scratch);
      const std::size_t begin = at;
      at += c.size;
      scratch.bytes.clear();
      if (id != kNone) {
        if (unknown_waits) {
          merger.Add(*options_.unknown, begin);
          unknown_waits = false;
        }
        merger.Add(id, begin);
      } else if (byte_tokens_.Append(scratch.character, scratch.bytes)) {
        for (const std::int32_t byte : scratch.bytes) {
          merger.Add(byte, begin);
        }
      } else if (options_.unknown.has_value()) {
        if (unknown_waits && !options_.fuse_unknown) {
          merger.Add(*options_.unknown, begin);
        }
        unknown_waits = true;
      }
    }
    if (unknown_waits) {
      merger.Add(*options_.unknown, piece.size());
    }
  }

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::vector<bool> whole_words_;                          // by id
  std::array<std::int32_t, kByteAlphabetEnd> letter_ids_;  // by code point; kNone: no token
  ByteTokens byte_tokens_;                                 // none without byte_fallback
};

struct MergeParts {
  std::string_view left;
  std::string_view right;
};

// ["a", "b"], or in older files "a b".
std::optional<MergeParts> ReadMerge(const Json& merge) {
  if (const std::string* text = merge.string(); text != nullptr) {
    const std::size_t space = text->find(' ');
    if (space == text->npos || text->find(' ', space + 1) != text->npos) {
      return std::nullopt;
    }
    return MergeParts{std::string_view(*text).substr(0, space),
                      std::string_view(*text).substr(space + 1)};
  }
  const Json::Array* pair = merge.array();
  if (pair == nullptr || pair->size() != 2 || (*pair)[0].string() == nullptr ||
      (*pair)[1].string() == nullptr) {
    return std::nullopt;
  }
  return MergeParts{*(*pair)[0].string(), *(*pair)[1].string()};
}

Result<MergeTable> ParseMerges(const JsonCursor& model, const Vocabulary& vocabulary,
                               std::string_view continuing_prefix) {
  ASHLAR_TRY(const JsonCursor json, model.At("merges"));
  const Json::Array* elements = json.value().array();
  if (elements == nullptr) {
    return json.Invalid("expected an array of merges, found {}", json.value().type_name());
  }
  MergeTable merges(elements->size());
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < elements->size(); ++i) {
    const Json& element = (*elements)[i];
    if (element.string() != nullptr && element.string()->starts_with("#version")) {
      continue;  // the first line of a merges.txt
    }
    const auto wrong = [&](std::string_view what) {
      return Invalid("{}[{}]: {}", json.path(), i, what);
    };
    const std::optional<MergeParts> parts = ReadMerge(element);
    if (!parts.has_value()) {
      return wrong("expected two tokens, as [\"a\", \"b\"] or \"a b\"");
    }
    if (!parts->right.starts_with(continuing_prefix)) {
      return wrong(QuoteForError(parts->right) + " lacks the continuing_subword_prefix");
    }
    const std::string merged =
        std::string(parts->left) + std::string(parts->right.substr(continuing_prefix.size()));
    const auto left = vocabulary.Id(parts->left);
    const auto right = vocabulary.Id(parts->right);
    const auto id = vocabulary.Id(merged);
    if (!left.has_value() || !right.has_value() || !id.has_value()) {
      const std::string_view missing = !left.has_value()    ? parts->left
                                       : !right.has_value() ? parts->right
                                                            : std::string_view(merged);
      return wrong(QuoteForError(missing) + " is not in the vocabulary");
    }
    merges.Set(*left, *right, {rank, *id});
    ++rank;
  }
  return merges;
}

}  // namespace

ModelResult ParseBpe(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "dropout", "unk_token", "continuing_subword_prefix",
                             "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
                             "vocab", "merges"}));
  ASHLAR_TRY(const double dropout, json.RealOr("dropout", 0));
  if (dropout != 0) {
    return Unsupported("{}.dropout: {} is not supported, only null: encoding is deterministic",
                       json.path(), dropout);
  }
  ASHLAR_TRY(Vocabulary vocabulary, ParseVocabulary(json));
  BpeOptions options;
  ASHLAR_TRY(const std::optional<JsonCursor> unknown, json.Find("unk_token"));
  // Older files spell "none" as the empty string.
  if (unknown.has_value() && unknown->value() != Json("")) {
    ASHLAR_TRY(options.unknown, ParseUnknownToken(json, vocabulary));
  }
  ASHLAR_TRY(options.fuse_unknown, json.BoolOr("fuse_unk", false));
  ASHLAR_TRY(options.byte_fallback, json.BoolOr("byte_fallback", false));
  ASHLAR_TRY(options.ignore_merges, json.BoolOr("ignore_merges", false));
  ASHLAR_TRY(options.continuing_prefix, json.StringOr("continuing_subword_prefix", ""));
  ASHLAR_TRY(options.end_suffix, json.StringOr("end_of_word_suffix", ""));
  if (options.continuing_prefix.size() + options.end_suffix.size() > kMaxLiteralBytes) {
    return json.Invalid("continuing_subword_prefix and end_of_word_suffix are over {} bytes long",
                        kMaxLiteralBytes);
  }
  ASHLAR_TRY(MergeTable merges, ParseMerges(json, vocabulary, options.continuing_prefix));
  return std::make_unique<Bpe>(std::move(vocabulary), std::move(merges), std::move(options));
}

}  // namespace ashlar::internal
