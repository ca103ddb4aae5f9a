// BPE: byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909). A piece begins as its
// characters; of all neighbours with a merge, those with the lowest rank, leftmost first, become
// one token, until none is left.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/internal/pair_table.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

constexpr std::int32_t kNone = -1;

// What two neighbouring tokens become.
struct MergeRule {
  std::uint32_t rank;
  std::int32_t id;
};

// (left id, right id) -> MergeRule.
using MergeTable = PairTable<MergeRule>;

struct Symbol {
  std::int32_t id;  // kNone: merged into a symbol before it
  std::int32_t previous;
  std::int32_t next;  // kNone at the ends
};

// A merge that was possible when it was queued: it still is if the two tokens are still there.
struct Candidate {
  std::uint32_t rank;
  std::int32_t at;  // the left symbol
  std::int32_t left_id;
  std::int32_t right_id;
  std::int32_t merged_id;
};

// The front of a heap is its greatest: the lowest rank, then the leftmost.
bool ComesLater(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

// Of one Encode: the buffers are reused from piece to piece.
struct Scratch {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
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
    for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
      byte_ids_[byte] = vocabulary_.Id(fmt::format("<0x{:02X}>", byte)).value_or(kNone);
    }
    FindWholeWords();
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    Scratch scratch;
    for (const TextRange range : pieces.ranges) {
      const std::string_view piece = pieces.View(range);
      if (const auto word = whole_words_.find(piece); word != whole_words_.end()) {
        ids.push_back(word->second);
        continue;
      }
      Merge(piece, scratch);
      for (const Symbol& symbol : scratch.symbols) {
        if (symbol.id != kNone) {
          ids.push_back(symbol.id);
        }
      }
    }
  }

 private:
  // Two thirds of the pieces of prose are one token. Which tokens the merges make when they are
  // the whole piece is found out once; with ignore_merges it is all of them.
  void FindWholeWords() {
    Scratch scratch;
    vocabulary_.ForEach([&](std::string_view content, std::int32_t id) {
      if (!options_.ignore_merges) {
        Merge(content, scratch);
        const std::vector<Symbol>& symbols = scratch.symbols;
        if (symbols.empty() || symbols.front().id != id || symbols.front().next != kNone) {
          return;
        }
      }
      whole_words_.emplace(content, id);
    });
  }

  // Leaves the tokens of `piece` in `scratch`.
  void Merge(std::string_view piece, Scratch& scratch) const {
    SplitCharacters(piece, scratch);
    MergeAll(scratch);
  }

  static void AddSymbol(std::int32_t id, std::vector<Symbol>& symbols) {
    const auto at = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
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

  // Appends the byte tokens of `character`; false, and nothing, when one of them is missing.
  bool AddBytes(std::string_view character, std::vector<Symbol>& symbols) const {
    const auto id = [&](char byte) { return byte_ids_[static_cast<std::uint8_t>(byte)]; };
    if (std::any_of(character.begin(), character.end(), [&](char c) { return id(c) == kNone; })) {
      return false;
    }
    for (const char byte : character) {
      AddSymbol(id(byte), symbols);
    }
    return true;
  }

  void SplitCharacters(std::string_view piece, Scratch& scratch) const {
    std::vector<Symbol>& symbols = scratch.symbols;
    symbols.clear();
    // An unknown token waits for the next one, with which it may fuse. As in the reference, byte
    // tokens pass it by.
    bool unknown_waits = false;
    for (std::size_t at = 0; at < piece.size();) {
      const Utf8Char c = FirstChar(piece.substr(at));
      const std::int32_t id = CharacterId(piece.substr(at, c.size), c.code, at == 0,
                                          at + c.size == piece.size(), scratch);
      at += c.size;
      if (id != kNone) {
        if (unknown_waits) {
          AddSymbol(*options_.unknown, symbols);
          unknown_waits = false;
        }
        AddSymbol(id, symbols);
      } else if (options_.byte_fallback && AddBytes(scratch.character, symbols)) {
        continue;
      } else if (options_.unknown.has_value()) {
        if (unknown_waits && !options_.fuse_unknown) {
          AddSymbol(*options_.unknown, symbols);
        }
        unknown_waits = true;
      }
    }
    if (unknown_waits) {
      AddSymbol(*options_.unknown, symbols);
    }
    if (!symbols.empty()) {
      symbols.back().next = kNone;
    }
  }

  void Queue(std::int32_t left, std::int32_t right, Scratch& scratch) const {
    if (left == kNone || right == kNone) {
      return;
    }
    const std::int32_t left_id = scratch.symbols[left].id;
    const std::int32_t right_id = scratch.symbols[right].id;
    const MergeRule* merge = merges_.Find(left_id, right_id);
    if (merge != nullptr) {
      scratch.heap.push_back({merge->rank, left, left_id, right_id, merge->id});
      std::push_heap(scratch.heap.begin(), scratch.heap.end(), ComesLater);
    }
  }

  // Every merge removes a symbol and queues at most two candidates, so that at most 3 n are ever
  // queued: O(n log n).
  void MergeAll(Scratch& scratch) const {
    std::vector<Symbol>& symbols = scratch.symbols;
    scratch.heap.clear();
    for (std::int32_t at = 0; at + 1 < static_cast<std::int32_t>(symbols.size()); ++at) {
      Queue(at, at + 1, scratch);
    }
    while (!scratch.heap.empty()) {
      std::pop_heap(scratch.heap.begin(), scratch.heap.end(), ComesLater);
      const Candidate candidate = scratch.heap.back();
      scratch.heap.pop_back();
      Symbol& left = symbols[candidate.at];
      if (left.id != candidate.left_id || left.next == kNone) {
        continue;
      }
      Symbol& right = symbols[left.next];
      if (right.id != candidate.right_id) {
        continue;
      }
      left.id = candidate.merged_id;
      left.next = right.next;
      right.id = kNone;
      if (left.next != kNone) {
        symbols[left.next].previous = candidate.at;
      }
      Queue(left.previous, candidate.at, scratch);
      Queue(candidate.at, left.next, scratch);
    }
  }

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::unordered_map<std::string_view, std::int32_t> whole_words_;  // views of vocabulary_
  std::array<std::int32_t, kByteAlphabetEnd> letter_ids_;  // by code point; kNone: no token
  std::array<std::int32_t, 256> byte_ids_;                 // of "<0x00>" and so on, likewise
};

Result<Vocabulary> ParseVocabulary(const JsonCursor& model) {
  ASHLAR_TRY(const JsonCursor json, model.At("vocab"));
  const Json::Object* members = json.value().object();
  if (members == nullptr) {
    return json.Invalid("expected an object of ids by token, found {}", json.value().type_name());
  }
  Vocabulary vocabulary;
  vocabulary.Reserve(members->size());
  for (const auto& [content, id] : *members) {
    if (id.integer() == nullptr) {
      return json.Invalid("the id of {} is no integer but {}", QuoteForError(content),
                          id.type_name());
    }
    if (Status added = vocabulary.Add(content, *id.integer()); !added.ok()) {
      return added.error().In(json.path());
    }
  }
  return vocabulary;
}

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
  if (unknown.has_value()) {
    ASHLAR_TRY(const std::string content, unknown->AsString());
    options.unknown = vocabulary.Id(content);
    if (!options.unknown.has_value()) {
      return unknown->Invalid("{} is not in the vocabulary", QuoteForError(content));
    }
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
