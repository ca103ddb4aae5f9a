// Unigram: of all ways to write a piece as tokens, the one with the greatest sum of scores (Kudo
// 2018, arXiv:1804.10959), found by dynamic programming from left to right (Viterbi). A character
// that is no token by itself may be unknown, at a score below all others.
//
// SentencePieceUnigram, of GGUF files and tokenizer.model files, is the same with tokens that no
// text becomes, and with what tokens and scores leave unsaid: the unknown score, and the precision
// in which sentencepiece adds up. Equal sums are common (a run of one character), so precision
// decides.
#include <algorithm>
#include <limits>

#include "ashlar/text/internal/byte_tree.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/model.h"
#include "ashlar/text/models/scored_pieces.h"

namespace ashlar::internal {
namespace {

template <class Score>
class Unigram final : public Model {
 public:
  Unigram(ScoredPieces pieces, double unknown_score, bool whole_runs)
      : pieces_(std::move(pieces)),
        unknown_score_(static_cast<Score>(unknown_score)),
        whole_runs_(whole_runs) {
    std::vector<ByteTree::Entry> entries;
    pieces_.vocabulary.ForEach([&](std::string_view content, std::int32_t id) {
      if (pieces_.HasScore(id)) {
        entries.push_back({content, id});
      }
    });
    tree_ = ByteTree(std::move(entries));
  }

  const Vocabulary& vocabulary() const override { return pieces_.vocabulary; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    std::vector<Node> nodes;
    std::vector<Step> steps;
    for (const TextRange range : pieces.ranges) {
      PieceEmitter emitter(pieces_, whole_runs_, ids);
      Score sum = 0;
      for (std::string_view rest = pieces.View(range); !rest.empty();) {
        const std::string_view word = rest.substr(0, pieces_.FirstWordSize(rest));
        rest.remove_prefix(word.size());
        sum = BestPath(word, sum, nodes, steps);
        for (const Step& step : steps) {
          if (step.id == kUnknown || step.id == pieces_.unknown) {
            emitter.Unknown(word.substr(step.begin, step.size));
          } else {
            emitter.Token(step.id);
          }
        }
      }
      emitter.EndRun();
    }
  }

 private:
  static constexpr std::int32_t kUnknown = -1;

  // Of the best path that ends at a byte.
  struct Node {
    Score sum = 0;
    std::uint32_t size = 0;  // of its last token; 0: no path ends here
    std::int32_t id = kUnknown;
  };
  struct Step {
    std::size_t begin;
    std::uint32_t size;
    std::int32_t id;
  };

  // As in sentencepiece, a sum is compared before it is rounded.
  static void Offer(Node& node, double sum, std::size_t size, std::int32_t id) {
    if (node.size == 0 || sum > node.sum) {
      node = {static_cast<Score>(sum), static_cast<std::uint32_t>(size), id};
    }
  }

  // Puts the tokens of `word` into `steps`, and returns the sum of `sum` and their scores.
  Score BestPath(std::string_view word, Score sum, std::vector<Node>& nodes,
                 std::vector<Step>& steps) const {
    nodes.assign(word.size() + 1, Node());
    nodes[0].sum = sum;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t character = FirstChar(word.substr(at)).size;
      const Score here = nodes[at].sum;
      bool character_is_token = false;
      tree_.ForEachPrefix(word.substr(at), [&](std::size_t size, std::int32_t id) {
        Offer(nodes[at + size], here + pieces_.scores[static_cast<std::size_t>(id)], size, id);
        character_is_token = character_is_token || size == character;
      });
      if (!character_is_token) {
        Offer(nodes[at + character], here + unknown_score_, character, kUnknown);
      }
      at += character;
    }
    steps.clear();
    for (std::size_t end = word.size(); end > 0; end -= nodes[end].size) {
      steps.push_back({end - nodes[end].size, nodes[end].size, nodes[end].id});
    }
    std::reverse(steps.begin(), steps.end());
    return nodes[word.size()].sum;
  }

  ScoredPieces pieces_;
  Score unknown_score_;
  bool whole_runs_;
  ByteTree tree_;
};

}  // namespace

ModelResult ParseUnigram(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "unk_id", "vocab", "byte_fallback"}));
  ASHLAR_TRY(ScoredPieces pieces, ScoredPieces::Parse(json, /*unscored=*/false));
  const double lowest = pieces.scores.empty() ? 0 : std::ranges::min(pieces.scores);
  return std::make_unique<Unigram<double>>(std::move(pieces), lowest - kUnknownPenalty,
                                           /*whole_runs=*/true);
}

ModelResult ParseSentencePieceUnigram(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly(
      {"type", "unk_id", "vocab", "byte_fallback", "unknown_score", "single_precision"}));
  ASHLAR_TRY(ScoredPieces pieces, ScoredPieces::Parse(json, /*unscored=*/true));
  ASHLAR_TRY(const double unknown_score, json.Real("unknown_score"));
  ASHLAR_TRY(const bool single_precision, json.Bool("single_precision"));
  if (single_precision) {
    return std::make_unique<Unigram<float>>(std::move(pieces), unknown_score,
                                            /*whole_runs=*/false);
  }
  return std::make_unique<Unigram<double>>(std::move(pieces), unknown_score,
                                           /*whole_runs=*/false);
}

}  // namespace ashlar::internal
