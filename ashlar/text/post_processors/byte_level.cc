// ByteLevel as a post-processor mends offsets into the text, which Encode does not give; the ids
// stay as they are.
#include "ashlar/text/post_processors/post_processor.h"

namespace ashlar::internal {
namespace {

class ByteLevelPostProcessor final : public PostProcessor {
 public:
  void Apply(std::vector<std::int32_t>&) const override {}
  std::vector<std::int32_t> added_ids() const override { return {}; }
};

}  // namespace

PostProcessorResult ParseByteLevelPostProcessor(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  ASHLAR_TRY(json.BoolOr("add_prefix_space", true));
  ASHLAR_TRY(json.BoolOr("trim_offsets", true));
  ASHLAR_TRY(json.BoolOr("use_regex", true));
  return std::make_unique<ByteLevelPostProcessor>();
}

}  // namespace ashlar::internal
