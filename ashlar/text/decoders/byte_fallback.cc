// ByteFallback: tokens such as <0xE2> are bytes. A run of them is one text when its bytes are
// well-formed UTF-8, else one U+FFFD for each: the last byte decides, so a stream waits for it.
#include <optional>

#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

constexpr std::size_t kByteTokenSize = 6;

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
    return (c | 0x20) - 'a' + 10;
  }
  return std::nullopt;
}

std::optional<char> ByteOf(std::string_view token) {
  if (token.size() != kByteTokenSize || !token.starts_with("<0x") || !token.ends_with('>')) {
    return std::nullopt;
  }
  const std::optional<int> high = HexDigit(token[3]);
  const std::optional<int> low = HexDigit(token[4]);
  if (!high.has_value() || !low.has_value()) {
    return std::nullopt;
  }
  return static_cast<char>(*high * 16 + *low);
}

class ByteFallbackRun final : public PieceSink {
 public:
  explicit ByteFallbackRun(PieceSink& next) : next_(next) {}

  void Append(std::string_view characters) override {
    if (!is_text_) {
      token_ += characters;
      if (token_.size() <= kByteTokenSize) {
        return;  // it may yet be a byte
      }
      EndBytes();
      is_text_ = true;
      characters = token_;
    }
    next_.Append(characters);
  }
  void EndToken() override {
    const std::optional<char> byte = is_text_ ? std::nullopt : ByteOf(token_);
    if (byte.has_value()) {
      bytes_.push_back(*byte);
    } else {
      if (!is_text_) {
        EndBytes();
        next_.Append(token_);
      }
      next_.EndToken();
    }
    token_.clear();
    is_text_ = false;
  }
  void EndText() override {
    EndBytes();
    next_.EndText();
  }

 private:
  void EndBytes() {
    if (bytes_.empty()) {
      return;
    }
    if (IsUtf8(bytes_)) {
      next_.Append(bytes_);
      next_.EndToken();
    } else {
      for (std::size_t i = 0; i < bytes_.size(); ++i) {
        next_.Append(kReplacementCharacter);
        next_.EndToken();
      }
    }
    bytes_.clear();
  }

  PieceSink& next_;
  std::string bytes_;     // of the run so far
  std::string token_;     // the current token, while it may be a byte
  bool is_text_ = false;  // the current token is too long to be a byte, and already passed on
};

class ByteFallback final : public Decoder {
 public:
  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<ByteFallbackRun>(next);
  }
  void ToBytes(std::string& content) const override {
    if (const std::optional<char> byte = ByteOf(content); byte.has_value()) {
      content.assign(1, *byte);
    }
  }
};

}  // namespace

DecoderResult ParseByteFallback(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return std::make_unique<ByteFallback>();
}

}  // namespace ashlar::internal
