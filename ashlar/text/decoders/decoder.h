// A Decoder turns the contents of tokens into text. Decoders form a chain; each is fed token by
// token and feeds the next, so that decoding a whole and decoding a stream are one code path.
//
// Immutable, thread-safe. A new one is a file in this folder and a line in all_decoders.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {

// A running stage of a chain, or its end. A token arrives as any number of Appends, each whole
// characters, and an EndToken; a stage that fuses tokens makes one long token of them.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  virtual void Append(std::string_view characters) = 0;
  virtual void EndToken() = 0;
  virtual void EndText() = 0;  // after the last token; nothing comes after it
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // A fresh run of this stage, which feeds `next`. `next` and this outlive it.
  virtual std::unique_ptr<PieceSink> Start(PieceSink& next) const = 0;
  // What one token stands for, wherever it is in a text: `content` becomes bytes (not always
  // well-formed). A stage whose work depends on the place in the text does nothing here.
  virtual void ToBytes(std::string& content) const = 0;
  // How many bytes may come of each that goes in, beyond what a replacement character takes.
  virtual std::size_t growth() const { return 1; }
};

// Null in the file means, as in the reference, tokens with spaces between them. kInvalid for stages
// that together could make a text more than 64 times as long.
Result<StageList<Decoder>> ParseDecoders(const JsonCursor& json);

using DecoderResult = Result<std::unique_ptr<const Decoder>>;
DecoderResult ParseBpeDecoder(const JsonCursor& json);
DecoderResult ParseByteFallback(const JsonCursor& json);
DecoderResult ParseByteLevelDecoder(const JsonCursor& json);
DecoderResult ParseCtc(const JsonCursor& json);
DecoderResult ParseFuse(const JsonCursor& json);
DecoderResult ParseMetaspaceDecoder(const JsonCursor& json);
DecoderResult ParseReplaceDecoder(const JsonCursor& json);
DecoderResult ParseStrip(const JsonCursor& json);
DecoderResult ParseWordPieceDecoder(const JsonCursor& json);
std::unique_ptr<const Decoder> MakeSpaceJoin();

}  // namespace ashlar::internal
