// Strip: white space goes from the ends of the text.
#include "ashlar/text/internal/character_class.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  Status Apply(std::string& text, std::size_t) const override {
    std::string_view rest = text;
    while (left_ && !rest.empty() && IsSpace(FirstChar(rest).code)) {
      rest.remove_prefix(FirstChar(rest).size);
    }
    while (right_ && !rest.empty() && IsSpace(LastChar(rest).code)) {
      rest.remove_suffix(LastChar(rest).size);
    }
    text = std::string(rest);
    return {};
  }

 private:
  bool left_;
  bool right_;
};

}  // namespace

NormalizerResult ParseStripNormalizer(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "strip_left", "strip_right"}));
  ASHLAR_TRY(const bool left, json.Bool("strip_left"));
  ASHLAR_TRY(const bool right, json.Bool("strip_right"));
  return std::make_unique<StripNormalizer>(left, right);
}

}  // namespace ashlar::internal
