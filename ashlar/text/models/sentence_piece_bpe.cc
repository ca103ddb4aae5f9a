// SentencePieceBPE: sentencepiece's form of byte-pair encoding, of GGUF files ("llama") and
// tokenizer.model files. It has no list of merges: any two neighbours join whose text is a token,
// those with the greatest score first. Tokens of equal score come leftmost first, and a character
// may take part that is no token itself; a BPE model can say neither.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "ashlar/text/internal/byte_tree.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/merger.h"
#include "ashlar/text/models/model.h"
#include "ashlar/text/models/scored_pieces.h"
#include "ashlar/text/models/symbol_cuts.h"

namespace ashlar::internal {
namespace {

class SentencePieceBpe final : public Model {
 public:
  // `user_defined`: tokens that are found in the text as they are written and join with nothing.
  SentencePieceBpe(ScoredPieces pieces, const std::vector<std::int32_t>& user_defined)
      : pieces_(std::move(pieces)) {
    // Ids of symbols: the tokens', then characters of tokens that are none, then user-defined
    // tokens found as such, then all other characters.
    next_symbol_ = static_cast<std::int32_t>(pieces_.scores.size());
    MakeRules();
    first_user_defined_ = next_symbol_;
    std::vector<ByteTree::Entry> entries;
    for (const std::int32_t id : user_defined) {
      user_defined_.push_back(id);
      entries.push_back({*pieces_.vocabulary.Content(id), next_symbol_++});
    }
    frozen_ = ByteTree(std::move(entries));
    lone_ = next_symbol_;
    FindWholeWords();
  }

  const Vocabulary& vocabulary() const override { return pieces_.vocabulary; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    Merger merger;
    for (const TextRange range : pieces.ranges) {
      PieceEmitter emitter(pieces_, /*whole_runs=*/false, ids);
      for (std::string_view rest = pieces.View(range); !rest.empty();) {
        const std::string_view word = rest.substr(0, pieces_.FirstWordSize(rest));
        rest.remove_prefix(word.size());
        if (const auto id = pieces_.vocabulary.Id(word); id && whole_words_[*id]) {
          emitter.Token(*id);
        } else {
          Split(word, merger);
          merger.Merge(rules_);
          merger.ForEach([&](std::int32_t symbol, std::uint32_t begin) {
            Emit(symbol, word.substr(begin), emitter);
          });
        }
      }
      emitter.EndRun();
    }
  }

 private:
  template <class Visit>
  void ForEachScored(Visit visit) const {
    pieces_.vocabulary.ForEach([&](std::string_view content, std::int32_t id) {
      if (pieces_.HasScore(id)) {
        visit(content, id);
      }
    });
  }

  // The symbol of a character; lone_ when it is in no token.
  std::int32_t SymbolOf(std::string_view text) const {
    const std::optional<std::int32_t> id = pieces_.vocabulary.Id(text);
    if (id.has_value() && pieces_.HasScore(*id)) {
      return *id;
    }
    const auto part = parts_.find(std::string(text));
    return part == parts_.end() ? lone_ : part->second;
  }

  // One rule for every cut of a token into two symbols; equal scores are equal ranks.
  void MakeRules() {
    std::map<double, std::uint32_t, std::greater<>> ranks;
    ForEachScored([&](std::string_view content, std::int32_t id) {
      ranks.emplace(pieces_.scores[static_cast<std::size_t>(id)], 0);
      for (std::string_view rest = content; !rest.empty();) {
        const std::string_view character = rest.substr(0, FirstChar(rest).size);
        rest.remove_prefix(character.size());
        const std::optional<std::int32_t> token = pieces_.vocabulary.Id(character);
        if (!(token.has_value() && pieces_.HasScore(*token)) &&
            parts_.emplace(character, next_symbol_).second) {
          ++next_symbol_;
        }
      }
    });
    std::uint32_t next_rank = 0;
    for (auto& [score, rank] : ranks) {
      rank = next_rank++;
    }
    std::vector<std::string_view> texts(static_cast<std::size_t>(next_symbol_));  // by symbol
    for (const auto& [character, symbol] : parts_) {
      texts[static_cast<std::size_t>(symbol)] = character;
    }
    ForEachScored([&](std::string_view content, std::int32_t id) {
      texts[static_cast<std::size_t>(id)] = content;
    });
    const SymbolCuts cuts(texts);
    ForEachScored([&](std::string_view, std::int32_t id) {
      const std::uint32_t rank = ranks.at(pieces_.scores[static_cast<std::size_t>(id)]);
      cuts.ForEach(id, [&](std::int32_t left, std::int32_t right) {
        rules_.Set(left, right, {rank, id});
      });
    });
  }

  // As with BPE, most words of prose are one token, and which ones is found out once.
  void FindWholeWords() {
    Merger merger;
    whole_words_.resize(static_cast<std::size_t>(pieces_.vocabulary.size()));
    ForEachScored([&](std::string_view content, std::int32_t id) {
      Split(content, merger);
      merger.Merge(rules_);
      bool whole = !content.empty();
      merger.ForEach([&](std::int32_t symbol, std::uint32_t) { whole = whole && symbol == id; });
      if (whole) {
        whole_words_[id] = true;
      }
    });
  }

  void Split(std::string_view word, Merger& merger) const {
    merger.Clear();
    for (std::size_t at = 0; at < word.size();) {
      const std::string_view rest = word.substr(at);
      const ByteTree::Match match = frozen_.Longest(rest);
      const std::size_t size = match.size > 0 ? match.size : FirstChar(rest).size;
      merger.Add(match.size > 0 ? match.id : SymbolOf(rest.substr(0, size)), at);
      at += size;
    }
  }

  // `text` begins with the symbol's.
  void Emit(std::int32_t symbol, std::string_view text, PieceEmitter& emitter) const {
    if (symbol >= first_user_defined_ && symbol < lone_) {
      emitter.Token(user_defined_[static_cast<std::size_t>(symbol - first_user_defined_)]);
    } else if (symbol < static_cast<std::int32_t>(pieces_.scores.size())) {
      emitter.Token(symbol);
    } else {
      emitter.Unknown(text.substr(0, FirstChar(text).size));
    }
  }

  ScoredPieces pieces_;
  MergeTable rules_;
  std::unordered_map<std::string, std::int32_t> parts_;
  ByteTree frozen_;                         // user-defined tokens -> their symbols
  std::vector<std::int32_t> user_defined_;  // by symbol, from first_user_defined_ on
  std::int32_t next_symbol_ = 0;
  std::int32_t first_user_defined_ = 0;
  std::int32_t lone_ = 0;
  std::vector<bool> whole_words_;  // by id
};

}  // namespace

ModelResult ParseSentencePieceBpe(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "unk_id", "vocab", "byte_fallback", "user_defined"}));
  ASHLAR_TRY(ScoredPieces pieces, ScoredPieces::Parse(json, /*unscored=*/true));
  std::vector<std::int32_t> user_defined;
  ASHLAR_TRY(const std::optional<JsonCursor> list, json.Find("user_defined"));
  if (list.has_value()) {
    ASHLAR_TRY(const std::vector<JsonCursor> ids, list->AsArray(pieces.scores.size()));
    for (const JsonCursor& element : ids) {
      ASHLAR_TRY(const std::int64_t id,
                 element.AsInteger(0, static_cast<std::int64_t>(pieces.scores.size()) - 1));
      const auto content = pieces.vocabulary.Content(static_cast<std::int32_t>(id));
      if (!content || content->empty()) {
        return element.Invalid("the id {} has no token that could be found in a text", id);
      }
      user_defined.push_back(static_cast<std::int32_t>(id));
    }
  }
  return std::make_unique<SentencePieceBpe>(std::move(pieces), user_defined);
}

}  // namespace ashlar::internal
