#include "ashlar/server/api/completion_answer.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}; moves `offset` behind them.
Json CompletionLogprobs(const std::vector<PromptLogprob>& tokens, const NetworkCard& network,
                        std::int64_t& offset) {
  Json::Array texts, logprobs, tops, offsets;
  for (const PromptLogprob& token : tokens) {
    texts.push_back(TokenText(token.token, network));
    logprobs.push_back(token.logprob ? Json(LogprobNumber(*token.logprob)) : Json());
    Json top;
    if (token.logprob) {
      top = Json::Object();
      for (const TokenLogprob& other : token.top) {
        top.Set(TokenText(other.token, network), LogprobNumber(other.logprob));
      }
      top.Set(TokenText(token.token, network), LogprobNumber(*token.logprob));  // likely or not
    }
    tops.push_back(std::move(top));
    offsets.push_back(offset);
    offset += CharacterCount(network.tokenizer ? network.tokenizer->TokenBytes(token.token) : "");
  }
  return Json::Of({{"tokens", std::move(texts)},
                   {"token_logprobs", std::move(logprobs)},
                   {"top_logprobs", std::move(tops)},
                   {"text_offset", std::move(offsets)}});
}

}  // namespace

CompletionAnswer::CompletionAnswer(CompletionAnswerOptions options)
    : options_(std::move(options)),
      choices_(options_.echoes.size() * static_cast<std::size_t>(options_.continuations)),
      prompt_logprobs_(options_.echoes.size()) {
  CHECK(!options_.stream || options_.choices == options_.continuations);
}

CompletionAnswer::Choice& CompletionAnswer::At(int prompt, int continuation) {
  return choices_[static_cast<std::size_t>(prompt * options_.continuations + continuation)];
}

Json CompletionAnswer::Head() const {
  return Json::Of({{"id", options_.head.id},
                   {"object", "text_completion"},
                   {"created", options_.head.created},
                   {"model", options_.head.model},
                   {"system_fingerprint", plans_.FingerprintOf(options_.head)}});
}

void CompletionAnswer::Begin(int prompt, Choice& choice) {
  const auto which = static_cast<std::size_t>(prompt);
  choice.begun = true;
  choice.text.insert(0, options_.echoes[which]);
  if (prompt_logprobs_[which]) {
    const std::vector<PromptLogprob>& echoed = *prompt_logprobs_[which];
    choice.tokens.insert(choice.tokens.begin(), echoed.begin(), echoed.end());
  } else {
    choice.offset = CharacterCount(options_.echoes[which]);
  }
}

Json CompletionAnswer::ChoiceJson(int index, Choice& choice) const {
  Json logprobs;
  if (options_.logprobs) {
    logprobs = CompletionLogprobs(choice.tokens, *options_.network, choice.offset);
  }
  Json json = Json::Of({{"index", index},
                        {"text", choice.text},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", choice.finish.empty() ? Json() : Json(choice.finish)}});
  if (!choice.finish.empty()) {
    const auto which = static_cast<int>(&choice - choices_.data());
    plans_.TellOf(which / options_.continuations, which % options_.continuations, json);
  }
  return json;
}

std::string CompletionAnswer::Take(int index, const GenerationEvent& event) {
  usage_.Take(index, event);
  plans_.Take(index, event);
  Choice& choice = At(index, event.continuation);
  choice.text += event.text;
  const auto count = [&](const SampledToken& token) {
    choice.logprob_sum += LogprobNumber(token.logprob);
    ++choice.token_count;
  };
  if (event.stop_token) {
    count(*event.stop_token);
  }
  for (const SampledToken& token : event.tokens) {
    count(token);
    if (options_.logprobs) {
      choice.tokens.push_back({token.token, token.logprob, token.top});
    }
  }
  std::optional<std::vector<PromptLogprob>>& echoed =
      prompt_logprobs_[static_cast<std::size_t>(index)];
  if (options_.echo_logprobs && !echoed && !event.prompt_logprobs.empty()) {
    echoed = event.prompt_logprobs;
  }
  if (event.end != GenerationEnd::kNone) {
    choice.finish = FinishReasonName(event.end);
  }
  if (!options_.stream) {
    return {};
  }
  // The text of the prompt comes first, and waits for its log-probabilities.
  std::string out;
  for (int continuation = 0; continuation < options_.continuations; ++continuation) {
    Choice& ready = At(index, continuation);
    if (!ready.begun && (!options_.echo_logprobs || echoed)) {
      Begin(index, ready);
    }
    if (!ready.begun || (ready.text.empty() && ready.tokens.empty() && ready.finish.empty())) {
      continue;
    }
    Json chunk = Head();
    chunk.Set("choices",
              Json::Array{ChoiceJson(index * options_.continuations + continuation, ready)});
    if (options_.include_usage) {
      chunk.Set("usage", nullptr);
    }
    out += DataEvent(chunk);
    ready.text.clear();
    ready.tokens.clear();
    ready.finish.clear();
  }
  return out;
}

std::string CompletionAnswer::End() {
  std::string out;
  if (options_.include_usage) {
    Json chunk = Head();
    chunk.Set("choices", Json::Array());
    chunk.Set("usage", usage_.ForCompletions());
    out += DataEvent(chunk);
  }
  return out + std::string(kEventStreamDone);
}

Json CompletionAnswer::Whole() {
  Json::Array list;
  for (int prompt = 0; prompt < static_cast<int>(options_.echoes.size()); ++prompt) {
    std::vector<int> order(static_cast<std::size_t>(options_.continuations));
    std::iota(order.begin(), order.end(), 0);
    if (options_.choices < options_.continuations) {
      const auto likelihood = [&](int continuation) {
        const Choice& choice = At(prompt, continuation);
        // (Of an answer that a constraint ended at once nothing is known but that.)
        return choice.token_count == 0
                   ? -std::numeric_limits<double>::infinity()
                   : choice.logprob_sum / static_cast<double>(choice.token_count);
      };
      std::ranges::stable_sort(order, std::greater<>(), likelihood);
      order.resize(static_cast<std::size_t>(options_.choices));
    }
    for (const int continuation : order) {
      Choice& choice = At(prompt, continuation);
      Begin(prompt, choice);
      list.push_back(ChoiceJson(static_cast<int>(list.size()), choice));
    }
  }
  Json whole = Head();
  whole.Set("choices", std::move(list));
  whole.Set("usage", usage_.ForCompletions());
  return whole;
}

}  // namespace ashlar
