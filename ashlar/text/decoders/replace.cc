// Replace: in each token, every occurrence of a literal, or every match of a regular expression,
// becomes another text. What an expression matches is known when its token has ended: behind a Fuse
// a stream holds all back to the end of the text.
#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/pattern.h"
#include "ashlar/text/internal/utf8.h"

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

  std::size_t growth() const override {
    return std::max<std::size_t>(1, (content_.size() + pattern_.size() - 1) / pattern_.size());
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

// What an expression may cost beside what the token's length pays for: a text has many tokens.
constexpr std::uint64_t kTokenSteps = 8192;

class RegexReplaceDecoder final : public Decoder {
 public:
  RegexReplaceDecoder(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override;
  // As it is, when the expression gives up on it (pattern.h): a decoder has no errors.
  void ToBytes(std::string& content) const override {
    std::vector<TextRange> matches;
    if (!IsUtf8(content) ||
        !PatternSearch(pattern_, content.size(), kTokenSteps).FindAll(content, matches).ok()) {
      return;
    }
    std::string replaced;
    std::size_t at = 0;
    for (const TextRange match : matches) {
      replaced.append(content, at, match.begin - at);
      replaced += content_;
      at = match.end;
    }
    replaced.append(content, at);
    content = std::move(replaced);
  }
  // A match may be empty, and stand between any two characters.
  std::size_t growth() const override { return content_.size() + 1; }

 private:
  Pattern pattern_;
  std::string content_;
};

class RegexReplaceRun final : public PieceSink {
 public:
  RegexReplaceRun(const RegexReplaceDecoder& replace, PieceSink& next)
      : replace_(replace), next_(next) {}

  void Append(std::string_view characters) override { token_ += characters; }
  void EndToken() override {
    replace_.ToBytes(token_);
    next_.Append(token_);
    token_.clear();
    next_.EndToken();
  }
  void EndText() override { next_.EndText(); }

 private:
  const RegexReplaceDecoder& replace_;
  PieceSink& next_;
  std::string token_;
};

std::unique_ptr<PieceSink> RegexReplaceDecoder::Start(PieceSink& next) const {
  return std::make_unique<RegexReplaceRun>(*this, next);
}

}  // namespace

DecoderResult ParseReplaceDecoder(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "pattern", "content"}));
  ASHLAR_TRY(const JsonCursor pattern_json, json.At("pattern"));
  ASHLAR_TRY(Pattern pattern, Pattern::Parse(pattern_json));
  ASHLAR_TRY(std::string content, ParseLiteral(json, "content"));
  if (pattern.literal() == nullptr) {
    return std::make_unique<RegexReplaceDecoder>(std::move(pattern), std::move(content));
  }
  return std::make_unique<ReplaceDecoder>(*pattern.literal(), std::move(content));
}

}  // namespace ashlar::internal
