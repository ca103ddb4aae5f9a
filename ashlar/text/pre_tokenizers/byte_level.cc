// ByteLevel: cuts as GPT-2 does (unless told not to), then writes every byte as a letter of the
// byte alphabet.
#include <optional>

#include "ashlar/text/gguf_pre_tokenizers.h"
#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, std::optional<Pattern> words)
      : add_prefix_space_(add_prefix_space), words_(std::move(words)) {}

  Status Apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      ASHLAR_TRY(RewritePieces(pieces, [](std::string_view piece, bool, std::string& text) {
        if (!piece.starts_with(' ')) {
          text.push_back(' ');
        }
        text += piece;
      }));
    }
    if (words_.has_value()) {
      ASHLAR_TRY(SplitPieces(*words_, SplitBehavior::kIsolated, /*invert=*/false, pieces));
    }
    return RewritePieces(pieces, [](std::string_view piece, bool, std::string& text) {
      AppendByteLetters(piece, text);
    });
  }

 private:
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
    ASHLAR_TRY(words, Pattern::Regex(kByteLevelWords));
  }
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, std::move(words));
}

}  // namespace ashlar::internal
