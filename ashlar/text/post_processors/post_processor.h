// A PostProcessor puts tokens around the ids of a text: begin and end markers.
// Immutable, thread-safe. A new one is a file in this folder and a line in all_post_processors.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void Apply(std::vector<std::int32_t>& ids) const = 0;
  // Every id that Apply may add; the tokenizer checks that each has a token.
  virtual std::vector<std::int32_t> added_ids() const = 0;
};

Result<StageList<PostProcessor>> ParsePostProcessors(const JsonCursor& json);

using PostProcessorResult = Result<std::unique_ptr<const PostProcessor>>;
PostProcessorResult ParseBertProcessing(const JsonCursor& json);
PostProcessorResult ParseByteLevelPostProcessor(const JsonCursor& json);
PostProcessorResult ParseRobertaProcessing(const JsonCursor& json);
PostProcessorResult ParseTemplate(const JsonCursor& json);

}  // namespace ashlar::internal
