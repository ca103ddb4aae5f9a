// Replace: in each token, every occurrence of a literal becomes another text. A regular
// expression is refused: what it matches in a fused text is not known before the text ends.
#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/pattern.h"

namespace ashlar::internal {
namespace {

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override;
  void ToBytes(std::string& content) const override {
    std::string replaced;
    replaced += content.substr(ReplaceIn(content, replaced));
    content = std::move(replaced);
  }

  // Appends `text` to `replaced` up to the end of the last occurrence in it; returns that end.
  std::size_t ReplaceIn(std::string_view text, std::string& replaced) const {
    std::size_t done = 0;
    for (std::size_t at = text.find(pattern_); at != text.npos; at = text.find(pattern_, done)) {
      replaced += text.substr(done, at - done);
      replaced += content_;
      done = at + pattern_.size();
    }
    return done;
  }

  // Where the longest end of `text` begins that may be the front of an occurrence.
  std::size_t OpenEnd(std::string_view text) const {
    std::size_t begin = text.size() - std::min(text.size(), pattern_.size() - 1);
    while (!pattern_.starts_with(text.substr(begin))) {
      ++begin;
    }
    return begin;
  }

 private:
  std::string pattern_;  // not empty
  std::string content_;
};

class ReplaceRun final : public PieceSink {
 public:
  ReplaceRun(const ReplaceDecoder& replace, PieceSink& next) : replace_(replace), next_(next) {}

  void Append(std::string_view characters) override {
    open_ += characters;
    std::string text;
    const std::size_t done = replace_.ReplaceIn(open_, text);
    const std::string_view rest = std::string_view(open_).substr(done);
    const std::size_t open = replace_.OpenEnd(rest);
    text += rest.substr(0, open);
    next_.Append(text);
    open_.erase(0, done + open);
  }
  void EndToken() override {
    next_.Append(open_);
    open_.clear();
    next_.EndToken();
  }
  void EndText() override { next_.EndText(); }

 private:
  const ReplaceDecoder& replace_;
  PieceSink& next_;
  std::string open_;  // the end of what came, which may be the front of an occurrence
};

std::unique_ptr<PieceSink> ReplaceDecoder::Start(PieceSink& next) const {
  return std::make_unique<ReplaceRun>(*this, next);
}

}  // namespace

DecoderResult ParseReplaceDecoder(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "pattern", "content"}));
  ASHLAR_TRY(const JsonCursor pattern_json, json.At("pattern"));
  ASHLAR_TRY(const Pattern pattern, Pattern::Parse(pattern_json));
  if (pattern.literal() == nullptr) {
    return Unsupported("{}: a decoder replaces a String that is not empty, no Regex",
                       pattern_json.path());
  }
  ASHLAR_TRY(std::string content, ParseLiteral(json, "content"));
  return std::make_unique<ReplaceDecoder>(*pattern.literal(), std::move(content));
}

}  // namespace ashlar::internal
