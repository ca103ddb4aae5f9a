// A TextChannel turns the tokens of one continuation into text for whoever asked for it.
#pragma once

#include <functional>
#include <optional>

#include "ashlar/runtime/stop_strings.h"
#include "ashlar/server/service/service.h"

namespace ashlar::internal {

// What the engine has done for a continuation in a step.
struct News {
  std::optional<SampledToken> token;
  GenerationEnd end = GenerationEnd::kNone;
  std::optional<Error> error;
  GenerationUsage usage;
  std::vector<PlanSpan> plans;
  std::vector<PromptLogprob> prompt_logprobs;
  std::vector<float> hidden_states;
};

// Confined. Calls the listener in Take, and nothing after an end.
class TextChannel {
 public:
  // `on_stopped` is called when a stop string has ended the text, so that no more is generated.
  TextChannel(const Generation& generation, int continuation, GenerationListener listener,
              std::function<void()> on_stopped);
  void Take(News news);

 private:
  const std::shared_ptr<const NetworkCard> network_;  // whose tokenizer the decoder uses
  const int continuation_;
  const GenerationListener listener_;
  const std::function<void()> on_stopped_;
  std::optional<StreamDecoder> decoder_;
  StopStrings stop_;
  bool ended_ = false;
};

}  // namespace ashlar::internal
