// What a tokenizer without a decoder does: tokens with a space between them.
#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

class SpaceJoinRun final : public PieceSink {
 public:
  explicit SpaceJoinRun(PieceSink& next) : next_(next) {}

  void Append(std::string_view characters) override {
    // The space goes out with the next token, not after this one: the text may end here.
    if (space_due_) {
      next_.Append(" ");
      space_due_ = false;
    }
    next_.Append(characters);
  }
  void EndToken() override {
    if (space_due_) {  // the token that ends is empty
      next_.Append(" ");
    }
    space_due_ = true;
    next_.EndToken();
  }
  void EndText() override { next_.EndText(); }

 private:
  PieceSink& next_;
  bool space_due_ = false;
};

class SpaceJoin final : public Decoder {
 public:
  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<SpaceJoinRun>(next);
  }
  void ToBytes(std::string&) const override {}
};

}  // namespace

std::unique_ptr<const Decoder> MakeSpaceJoin() {
  return std::make_unique<SpaceJoin>();
}

}  // namespace ashlar::internal
