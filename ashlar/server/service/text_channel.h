// A TextChannel turns the tokens of one continuation into text for whoever asked for it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ashlar/runtime/stop_strings.h"
#include "ashlar/server/service/prompt_scores.h"
#include "ashlar/server/service/service.h"

namespace ashlar::internal {

// What the engine has done for a continuation in a step.
struct News {
  std::optional<SampledToken> token;
  std::optional<SampledToken> stop_token;
  GenerationEnd end = GenerationEnd::kNone;
  std::optional<Error> error;
  std::exception_ptr thrown;  // what that tells of; null: nothing
  GenerationUsage usage;
  std::vector<PlanSpan> plans;
  // Written by tasks that were posted before the one that takes this.
  std::shared_ptr<PromptScores> prompt_scores;
  std::vector<float> embedding;
};

// Confined. Calls the listener in Take, and nothing after an end. What a library throws while a
// text is made is that continuation's failure.
class TextChannel {
 public:
  // `on_stopped` is called when a stop string or a failure has ended the text, so that no more is
  // generated.
  TextChannel(const Generation& generation, int continuation, GenerationListener listener,
              std::function<void()> on_stopped);
  void Take(News news);

 private:
  GenerationEvent EventOf(News news);

  const std::shared_ptr<const NetworkCard> network_;  // whose tokenizer the decoder uses
  const int continuation_;
  const GenerationListener listener_;
  const std::function<void()> on_stopped_;
  std::optional<StreamDecoder> decoder_;
  StopStrings stop_;
  std::int64_t tokens_left_ = 0;  // until a stop string may end it
  bool ended_ = false;
};

}  // namespace ashlar::internal
