// Prepend: a prefix in front of every text that is not empty.
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    if (!text.empty()) {
      text.insert(0, prefix_);
    }
    return CheckStageSize(text.size(), max_bytes);
  }

 private:
  std::string prefix_;
};

}  // namespace

NormalizerResult ParsePrepend(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "prepend"}));
  ASHLAR_TRY(std::string prefix, ParseLiteral(json, "prepend"));
  return std::make_unique<Prepend>(std::move(prefix));
}

}  // namespace ashlar::internal
