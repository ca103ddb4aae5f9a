// WordPiece: from the front of a piece, again and again, the longest token (Schuster and Nakajima
// 2012); all but the first are spelled with a prefix ("##ing"). A piece with a rest that no token
// begins is one unknown token, and so is one that is too long.
#include <limits>

#include "ashlar/text/internal/byte_tree.h"
#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocabulary, std::int32_t unknown, std::string_view prefix,
            std::size_t max_characters)
      : vocabulary_(std::move(vocabulary)), unknown_(unknown), max_characters_(max_characters) {
    std::vector<ByteTree::Entry> first;
    std::vector<ByteTree::Entry> others;
    vocabulary_.ForEach([&](std::string_view content, std::int32_t id) {
      first.push_back({content, id});
      if (content.starts_with(prefix)) {
        others.push_back({content.substr(prefix.size()), id});
      }
    });
    first_ = ByteTree(std::move(first));
    others_ = ByteTree(std::move(others));
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    for (const TextRange range : pieces.ranges) {
      const std::string_view piece = pieces.View(range);
      const std::size_t count = ids.size();
      if (TooLong(piece) || !AppendTokens(piece, ids)) {
        ids.resize(count);
        ids.push_back(unknown_);
      }
    }
  }

 private:
  bool TooLong(std::string_view piece) const {
    std::size_t characters = 0;
    for (const char byte : piece) {
      characters += (static_cast<std::uint8_t>(byte) & 0xC0) != 0x80 ? 1 : 0;
    }
    return characters > max_characters_;
  }

  bool AppendTokens(std::string_view rest, std::vector<std::int32_t>& ids) const {
    const ByteTree* tree = &first_;
    while (!rest.empty()) {
      const ByteTree::Match match = tree->Longest(rest);
      if (match.size == 0) {
        return false;
      }
      ids.push_back(match.id);
      rest.remove_prefix(match.size);
      tree = &others_;
    }
    return true;
  }

  Vocabulary vocabulary_;
  std::int32_t unknown_;
  std::size_t max_characters_;
  ByteTree first_;   // of a piece's first token
  ByteTree others_;  // of the others, without their prefix
};

}  // namespace

ModelResult ParseWordPiece(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly(
      {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"}));
  ASHLAR_TRY(Vocabulary vocabulary, ParseVocabulary(json));
  ASHLAR_TRY(const std::int32_t unknown, ParseUnknownToken(json, vocabulary));
  ASHLAR_TRY(const std::string prefix, ParseLiteral(json, "continuing_subword_prefix"));
  ASHLAR_TRY(const std::int64_t max_characters,
             json.Integer("max_input_chars_per_word", 0, std::numeric_limits<std::int64_t>::max()));
  return std::make_unique<WordPiece>(std::move(vocabulary), unknown, prefix,
                                     static_cast<std::size_t>(max_characters));
}

}  // namespace ashlar::internal
