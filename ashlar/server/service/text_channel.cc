#include "ashlar/server/service/text_channel.h"

#include <utility>

#include "ashlar/server/service/thrown.h"

namespace ashlar::internal {

TextChannel::TextChannel(const Generation& generation, int continuation,
                         GenerationListener listener, std::function<void()> on_stopped)
    : network_(generation.network),
      continuation_(continuation),
      listener_(std::move(listener)),
      on_stopped_(std::move(on_stopped)),
      stop_(generation.stop),
      tokens_left_(generation.min_tokens) {
  if (network_->tokenizer) {
    decoder_.emplace(*network_->tokenizer,
                     DecodeOptions{.skip_special_tokens = !generation.keep_special_tokens});
  }
}

void TextChannel::Take(News news) {
  if (ended_) {
    return;
  }
  GenerationEvent event{.continuation = continuation_, .usage = news.usage};
  const bool goes_on = news.end == GenerationEnd::kNone;
  try {
    event = EventOf(std::move(news));
  } catch (const std::exception& exception) {
    event.end = GenerationEnd::kFailed;
    event.thrown = std::current_exception();
    event.error = ErrorOf(exception);
  }
  ended_ = event.end != GenerationEnd::kNone;
  if (ended_ && goes_on) {
    on_stopped_();
  }
  listener_(std::move(event));
}

GenerationEvent TextChannel::EventOf(News news) {
  GenerationEvent event{.continuation = continuation_,
                        .end = news.end,
                        .stop_token = std::move(news.stop_token),
                        .error = std::move(news.error),
                        .thrown = std::move(news.thrown),
                        .usage = news.usage,
                        .plans = std::move(news.plans),
                        .embedding = std::move(news.embedding)};
  if (news.prompt_scores != nullptr) {
    if (news.prompt_scores->exception) {
      std::rethrow_exception(news.prompt_scores->exception);
    }
    event.prompt_logprobs = std::move(news.prompt_scores->tokens);
  }
  if (news.token) {
    if (decoder_) {
      event.text = decoder_->Push(news.token->token);
      event.text = --tokens_left_ >= 0 ? event.text : stop_.Push(event.text);
    }
    event.tokens.push_back(*std::move(news.token));
  }
  if (event.end != GenerationEnd::kNone && decoder_ && !stop_.stopped()) {
    event.text += stop_.Push(decoder_->Finish());
    event.text += stop_.Finish();
  }
  if (stop_.stopped()) {
    event.end = GenerationEnd::kStop;
    event.error.reset();
    event.stop_string = stop_.stopped_by();
    event.stop_token.reset();
  }
  return event;
}

}  // namespace ashlar::internal
