// The answer of /v1/completions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ashlar/server/api/answer.h"

namespace ashlar {

struct CompletionAnswerOptions {
  AnswerHead head;
  std::shared_ptr<const NetworkCard> network;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
  int choices = 1;                  // of each prompt, the likeliest ones of those that were made
  int continuations = 1;            // of each prompt; as many as `choices` in a stream
  std::vector<std::string> echoes;  // of each prompt: what comes before its answer; may be empty
  bool echo_logprobs = false;       // those of the prompt's tokens come first
};

class CompletionAnswer final : public ApiAnswer {
 public:
  explicit CompletionAnswer(CompletionAnswerOptions options);

  std::string Take(int index, const GenerationEvent& event) override;
  std::string End() override;
  Json Whole() override;

 private:
  struct Choice {
    bool begun = false;
    std::string text;                   // of a stream: not sent yet
    std::vector<PromptLogprob> tokens;  // the same
    std::int64_t offset = 0;            // of the next token, in characters
    double logprob_sum = 0;        // with that of the token that ended it, where one did
    std::int64_t token_count = 0;  // of those
    std::string finish;
  };
  Choice& At(int prompt, int continuation);
  Json Head() const;
  Json ChoiceJson(int index, Choice& choice) const;
  // Puts the prompt's text and log-probabilities before those of the answer.
  void Begin(int prompt, Choice& choice);

  CompletionAnswerOptions options_;
  std::vector<Choice> choices_;  // [prompts, continuations]
  std::vector<std::optional<std::vector<PromptLogprob>>> prompt_logprobs_;
  UsageCount usage_;
  PlanTrail plans_;
};

}  // namespace ashlar
