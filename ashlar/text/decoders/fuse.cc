// Fuse: all tokens become one, for the stages after it.
#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

class FuseRun final : public PieceSink {
 public:
  explicit FuseRun(PieceSink& next) : next_(next) {}

  void Append(std::string_view characters) override { next_.Append(characters); }
  void EndToken() override {}
  void EndText() override {
    next_.EndToken();
    next_.EndText();
  }

 private:
  PieceSink& next_;
};

class Fuse final : public Decoder {
 public:
  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<FuseRun>(next);
  }
  void ToBytes(std::string&) const override {}
};

}  // namespace

DecoderResult ParseFuse(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return std::make_unique<Fuse>();
}

}  // namespace ashlar::internal
