#include "ashlar/text/post_processors/post_processor.h"

namespace ashlar::internal {
namespace {

constexpr StageType<PostProcessor> kPostProcessors[] = {
    {.name = "ByteLevel", .parse = ParseByteLevelPostProcessor},
    {.name = "TemplateProcessing", .parse = ParseTemplate},
};

}  // namespace

Result<StageList<PostProcessor>> ParsePostProcessors(const JsonCursor& json) {
  return ParseStages<PostProcessor>(json, "processors", kPostProcessors);
}

}  // namespace ashlar::internal
