#include "ashlar/server/service/text_channel.h"

#include <utility>

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
  GenerationEvent event{.continuation = continuation_,
                        .end = news.end,
                        .stop_token = std::move(news.stop_token),
                        .error = std::move(news.error),
                        .usage = news.usage,
                        .plans = std::move(news.plans),
                        .embedding = std::move(news.embedding)};
  if (news.prompt_logprobs != nullptr) {
    event.prompt_logprobs = std::move(*news.prompt_logprobs);
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
    if (event.end == GenerationEnd::kNone) {
      on_stopped_();
    }
    event.end = GenerationEnd::kStop;
    event.error.reset();
    event.stop_string = stop_.stopped_by();
    event.stop_token.reset();
  }
  ended_ = event.end != GenerationEnd::kNone;
  listener_(std::move(event));
}

}  // namespace ashlar::internal
