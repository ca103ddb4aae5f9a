#include "ashlar/text/post_processors/post_processor.h"

namespace ashlar::internal {
namespace {

constexpr StageType<PostProcessor> kPostProcessors[] = {
    {.name = "BertProcessing", .parse = ParseBertProcessing},
    {.name = "ByteLevel", .parse = ParseByteLevelPostProcessor},
    {.name = "RobertaProcessing", .parse = ParseRobertaProcessing},
    {.name = "TemplateProcessing", .parse = ParseTemplate},
};

}  // namespace

Result<StageList<PostProcessor>> ParsePostProcessors(const JsonCursor& json) {
  return ParseStages<PostProcessor>(json, "processors", kPostProcessors);
}

}  // namespace ashlar::internal
