// Strip: takes up to `start` copies of one character off the front of each token, and up to
// `stop` off its end.
#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

class StripRun final : public PieceSink {
 public:
  StripRun(std::string_view stripped, std::int64_t start, std::int64_t stop, PieceSink& next)
      : stripped_(stripped), start_(start), stop_(stop), start_left_(start), next_(next) {}

  void Append(std::string_view characters) override {
    while (start_left_ > 0 && !characters.empty()) {
      if (!characters.starts_with(stripped_)) {
        start_left_ = 0;
        break;
      }
      characters.remove_prefix(stripped_.size());
      --start_left_;
    }
    // The last `stop_` copies wait: they go if the token ends with them.
    std::size_t body = characters.size();
    std::int64_t copies = 0;
    while (characters.substr(0, body).ends_with(stripped_)) {
      body -= stripped_.size();
      ++copies;
    }
    if (body > 0) {
      Release(waiting_);
      next_.Append(characters.substr(0, body));
    }
    waiting_ += copies;
    Release(waiting_ - stop_);
  }
  void EndToken() override {
    waiting_ = 0;
    start_left_ = start_;
    next_.EndToken();
  }
  void EndText() override { next_.EndText(); }

 private:
  // Lets `copies` of those that wait go on.
  void Release(std::int64_t copies) {
    for (; copies > 0; --copies, --waiting_) {
      next_.Append(stripped_);
    }
  }

  std::string_view stripped_;  // one character
  std::int64_t start_;
  std::int64_t stop_;
  std::int64_t start_left_;
  std::int64_t waiting_ = 0;
  PieceSink& next_;
};

class Strip final : public Decoder {
 public:
  Strip(std::string stripped, std::int64_t start, std::int64_t stop)
      : stripped_(std::move(stripped)), start_(start), stop_(stop) {}

  std::unique_ptr<PieceSink> Start(PieceSink& next) const override {
    return std::make_unique<StripRun>(stripped_, start_, stop_, next);
  }
  void ToBytes(std::string&) const override {}

 private:
  std::string stripped_;
  std::int64_t start_;
  std::int64_t stop_;
};

}  // namespace

DecoderResult ParseStrip(const JsonCursor& json) {
  constexpr std::int64_t kMaxCopies = 1 << 20;
  ASHLAR_TRY(json.AllowOnly({"type", "content", "start", "stop"}));
  ASHLAR_TRY(std::string stripped, ParseCharacter(json, "content"));
  ASHLAR_TRY(const std::int64_t start, json.Integer("start", 0, kMaxCopies));
  ASHLAR_TRY(const std::int64_t stop, json.Integer("stop", 0, kMaxCopies));
  return std::make_unique<Strip>(std::move(stripped), start, stop);
}

}  // namespace ashlar::internal
