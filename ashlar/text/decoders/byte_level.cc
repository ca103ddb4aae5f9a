// ByteLevel: letters of the byte alphabet become bytes, and the bytes of all tokens one text.
// A token with a character outside of the alphabet (an added token, say) stands for itself.
#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

class ByteLevelRun final : public PieceSink {
 public:
  explicit ByteLevelRun(PieceSink& next) : next_(next) {}

  void Append(std::string_view characters) override { token_ += characters; }
  void EndToken() override {
    std::string text;
    repair_.Append(BytesOfLetters(token_).value_or(token_), text);
    token_.clear();
    next_.Append(text);
  }
  void EndText() override {
    std::string text;
    repair_.Finish(text);
    next_.Append(text);
    next_.EndToken();
    next_.EndText();
  }

 private:
  PieceSink& next_;
  std::string token_;
  Utf8Repair repair_;
};

class ByteLevelDecoder final : public Decoder {
 public:
  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<ByteLevelRun>(next);
  }
  void ToBytes(std::string& content) const override {
    if (IsUtf8(content)) {  // not bytes of a stage before
      content = BytesOfLetters(content).value_or(content);
    }
  }
};

}  // namespace

DecoderResult ParseByteLevelDecoder(const JsonCursor& json) {
  // Settings that the file always has, and that only encoding reads.
  ASHLAR_TRY(json.AllowOnly({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  ASHLAR_TRY(json.BoolOr("add_prefix_space", true));
  ASHLAR_TRY(json.BoolOr("trim_offsets", true));
  ASHLAR_TRY(json.BoolOr("use_regex", true));
  return std::make_unique<ByteLevelDecoder>();
}

}  // namespace ashlar::internal
