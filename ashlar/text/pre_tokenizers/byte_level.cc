// ByteLevel: cuts as GPT-2 does (unless told not to), then writes every byte as a letter of the
// byte alphabet.
#include <optional>

#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

// The expression of GPT-2's encoder.py.
constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, std::optional<Pattern> words)
      : add_prefix_space_(add_prefix_space), words_(std::move(words)) {}

  Status Apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      ASHLAR_TRY(Rewrite(pieces, [](std::string_view piece, std::string& text) {
        if (!piece.starts_with(' ')) {
          text.push_back(' ');
        }
        text += piece;
      }));
    }
    if (words_.has_value()) {
      ASHLAR_TRY(SplitPieces(*words_, SplitBehavior::kIsolated, /*invert=*/false, pieces));
    }
    return Rewrite(pieces, AppendByteLetters);
  }

 private:
  template <class Append>
  static Status Rewrite(Pieces& pieces, Append append) {
    std::string text;
    text.reserve(pieces.text.size() + pieces.ranges.size());
    for (TextRange& range : pieces.ranges) {
      const auto begin = static_cast<std::uint32_t>(text.size());
      append(pieces.View(range), text);
      ASHLAR_TRY(CheckStageSize(text.size(), pieces.max_bytes));
      range = {begin, static_cast<std::uint32_t>(text.size())};
    }
    pieces.text = std::move(text);
    return {};
  }

  bool add_prefix_space_;
  std::optional<Pattern> words_;
};

}  // namespace

PreTokenizerResult ParseByteLevelPreTokenizer(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  ASHLAR_TRY(const bool add_prefix_space, json.BoolOr("add_prefix_space", true));
  ASHLAR_TRY(json.BoolOr("trim_offsets", true));  // of offsets, which Encode does not give
  ASHLAR_TRY(const bool use_regex, json.BoolOr("use_regex", true));
  std::optional<Pattern> words;
  if (use_regex) {
    ASHLAR_TRY(words, Pattern::Regex(kGpt2Words));
  }
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, std::move(words));
}

}  // namespace ashlar::internal
