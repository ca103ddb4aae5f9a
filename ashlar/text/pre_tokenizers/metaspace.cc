// Metaspace: spaces become a visible character, "▁", which then begins a word.
#include "ashlar/text/internal/metaspace.h"

#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  MetaspacePreTokenizer(Metaspace metaspace, Pattern replacement)
      : metaspace_(std::move(metaspace)), replacement_(std::move(replacement)) {}

  Status Apply(Pieces& pieces) const override {
    const std::string& mark = metaspace_.replacement;
    ASHLAR_TRY(
        RewritePieces(pieces, [&](std::string_view piece, bool begins_input, std::string& out) {
          const bool prefixed = metaspace_.prepend == Metaspace::Prepend::kAlways ||
                                (metaspace_.prepend == Metaspace::Prepend::kFirst && begins_input);
          if (prefixed && !piece.starts_with(' ') && !piece.starts_with(mark)) {
            out += mark;
          }
          for (const char c : piece) {
            if (c == ' ') {
              out += mark;
            } else {
              out.push_back(c);
            }
          }
        }));
    if (!metaspace_.split) {
      return {};
    }
    return SplitPieces(replacement_, SplitBehavior::kMergedWithNext, /*invert=*/false, pieces);
  }

 private:
  Metaspace metaspace_;
  Pattern replacement_;
};

}  // namespace

PreTokenizerResult ParseMetaspacePreTokenizer(const JsonCursor& json) {
  ASHLAR_TRY(Metaspace metaspace, ParseMetaspace(json));
  const Json literal = Json::Of({{"String", metaspace.replacement}});
  ASHLAR_TRY(Pattern replacement, Pattern::Parse(JsonCursor(literal)));
  return std::make_unique<MetaspacePreTokenizer>(std::move(metaspace), std::move(replacement));
}

}  // namespace ashlar::internal
