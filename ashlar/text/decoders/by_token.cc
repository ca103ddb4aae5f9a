// BPEDecoder, CTC, Metaspace, WordPiece: stages that look at one whole token at a time.
#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/metaspace.h"

namespace ashlar::internal {
namespace {

// A running stage that is given each token when it is whole.
class TokenRun : public PieceSink {
 public:
  explicit TokenRun(PieceSink& next) : next_(next) {}

  void Append(std::string_view characters) final { token_ += characters; }
  void EndToken() final { OnToken(std::exchange(token_, {})); }
  void EndText() override { next_.EndText(); }

 protected:
  virtual void OnToken(std::string token) = 0;
  void Pass(std::string_view token) {
    next_.Append(token);
    next_.EndToken();
  }

 private:
  PieceSink& next_;
  std::string token_;
};

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, done)) {
    replaced += text.substr(done, at - done);
    replaced += to;
    done = at + from.size();
  }
  replaced += text.substr(done);
  return replaced;
}

// Undoes the spaces that cutting at punctuation and contractions leaves in English, one kind after
// the other.
std::string CleanUp(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kSteps[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kSteps) {
    text = ReplaceAll(text, from, to);
  }
  return text;
}

// ---- WordPiece: tokens with a space before each but the first, and but those that go on a word.

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override;
  void ToBytes(std::string& content) const override { content = TextOf(content, false); }

  std::string TextOf(std::string_view token, bool first) const {
    std::string text;
    if (first) {
      text = token;
    } else if (token.starts_with(prefix_)) {
      text = token.substr(prefix_.size());
    } else {
      text = fmt::format(" {}", token);
    }
    return cleanup_ ? CleanUp(std::move(text)) : text;
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class WordPieceRun final : public TokenRun {
 public:
  WordPieceRun(const WordPieceDecoder& decoder, PieceSink& next)
      : TokenRun(next), decoder_(decoder) {}

 private:
  void OnToken(std::string token) override {
    Pass(decoder_.TextOf(token, std::exchange(first_, false)));
  }
  const WordPieceDecoder& decoder_;
  bool first_ = true;
};

std::unique_ptr<PieceSink> WordPieceDecoder::Start(PieceSink& next) const {
  return std::make_unique<WordPieceRun>(*this, next);
}

// ---- Metaspace: its character is a space again, and in the first token nothing where the
// pre-tokenizer may have put it.

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(Metaspace metaspace) : metaspace_(std::move(metaspace)) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override;
  void ToBytes(std::string& content) const override { content = TextOf(content, false); }

  std::string TextOf(std::string_view token, bool first) const {
    const bool dropped = first && metaspace_.prepend != Metaspace::Prepend::kNever;
    return ReplaceAll(token, metaspace_.replacement, dropped ? "" : " ");
  }

 private:
  Metaspace metaspace_;
};

class MetaspaceRun final : public TokenRun {
 public:
  MetaspaceRun(const MetaspaceDecoder& decoder, PieceSink& next)
      : TokenRun(next), decoder_(decoder) {}

 private:
  void OnToken(std::string token) override {
    Pass(decoder_.TextOf(token, std::exchange(first_, false)));
  }
  const MetaspaceDecoder& decoder_;
  bool first_ = true;
};

std::unique_ptr<PieceSink> MetaspaceDecoder::Start(PieceSink& next) const {
  return std::make_unique<MetaspaceRun>(*this, next);
}

// ---- BPEDecoder: the suffix of a word's last token is a space, or nothing in the last token.

class SuffixRun final : public TokenRun {
 public:
  SuffixRun(std::string_view suffix, PieceSink& next) : TokenRun(next), suffix_(suffix) {}

  void EndText() override {
    if (waiting_.has_value()) {
      Pass(ReplaceAll(*waiting_, suffix_, ""));
    }
    TokenRun::EndText();
  }

 private:
  void OnToken(std::string token) override {
    if (waiting_.has_value()) {
      Pass(ReplaceAll(*waiting_, suffix_, " "));
    }
    waiting_ = std::move(token);
  }
  std::string_view suffix_;
  std::optional<std::string> waiting_;  // it may be the last
};

class SuffixDecoder final : public Decoder {
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<SuffixRun>(suffix_, next);
  }
  void ToBytes(std::string& content) const override { content = ReplaceAll(content, suffix_, " "); }

 private:
  std::string suffix_;  // not empty
};

// ---- CTC: of equal tokens in a row one stays; padding goes.

class CtcDecoder final : public Decoder {
 public:
  CtcDecoder(std::string padding, std::string delimiter, bool cleanup)
      : padding_(std::move(padding)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override;
  void ToBytes(std::string& content) const override {
    content = ReplaceAll(content, padding_, "");
    if (cleanup_) {
      content = ReplaceAll(CleanUp(std::move(content)), delimiter_, " ");
    }
  }

 private:
  std::string padding_;    // not empty
  std::string delimiter_;  // not empty
  bool cleanup_;
};

class CtcRun final : public TokenRun {
 public:
  CtcRun(const CtcDecoder& decoder, PieceSink& next) : TokenRun(next), decoder_(decoder) {}

 private:
  void OnToken(std::string token) override {
    if (previous_ == token) {
      return;
    }
    previous_ = token;
    decoder_.ToBytes(token);
    if (!token.empty()) {
      Pass(token);
    }
  }
  const CtcDecoder& decoder_;
  std::optional<std::string> previous_;
};

std::unique_ptr<PieceSink> CtcDecoder::Start(PieceSink& next) const {
  return std::make_unique<CtcRun>(*this, next);
}

Result<std::string> ParseMark(const JsonCursor& json, std::string_view key,
                              std::string_view otherwise) {
  ASHLAR_TRY(std::string mark, json.StringOr(key, otherwise));
  if (mark.empty() || mark.size() > kMaxLiteralBytes) {
    return json.Invalid("\"{}\" is 1 to {} bytes long, not {}", key, kMaxLiteralBytes, mark.size());
  }
  return mark;
}

}  // namespace

DecoderResult ParseWordPieceDecoder(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "prefix", "cleanup"}));
  ASHLAR_TRY(std::string prefix, ParseLiteral(json, "prefix"));
  ASHLAR_TRY(const bool cleanup, json.BoolOr("cleanup", true));
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}

DecoderResult ParseMetaspaceDecoder(const JsonCursor& json) {
  ASHLAR_TRY(Metaspace metaspace, ParseMetaspace(json));
  return std::make_unique<MetaspaceDecoder>(std::move(metaspace));
}

DecoderResult ParseBpeDecoder(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "suffix"}));
  ASHLAR_TRY(std::string suffix, ParseMark(json, "suffix", "</w>"));
  return std::make_unique<SuffixDecoder>(std::move(suffix));
}

DecoderResult ParseCtc(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "pad_token", "word_delimiter_token", "cleanup"}));
  ASHLAR_TRY(std::string padding, ParseMark(json, "pad_token", "<pad>"));
  ASHLAR_TRY(std::string delimiter, ParseMark(json, "word_delimiter_token", "|"));
  ASHLAR_TRY(const bool cleanup, json.BoolOr("cleanup", true));
  return std::make_unique<CtcDecoder>(std::move(padding), std::move(delimiter), cleanup);
}

}  // namespace ashlar::internal
