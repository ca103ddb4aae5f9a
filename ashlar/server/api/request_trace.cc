#include "ashlar/server/api/request_trace.h"

namespace ashlar {

RequestTrace::RequestTrace(const HttpRequest& request, ServerMetrics* metrics, AccessLog* log)
    : metrics_(metrics),
      log_(log),
      record_{.time = std::chrono::system_clock::now(),
              .request_id = request.id,
              .peer = request.peer,
              .method = request.method,
              .path = request.path} {}

void RequestTrace::OnEvent(std::size_t index, const GenerationEvent& event) {
  const bool whole = event.end == GenerationEnd::kStop || event.end == GenerationEnd::kLength;
  if (metrics_ != nullptr && whole && event.usage.completion_tokens > 0) {
    metrics_->answer_tokens(record_.model, record_.tenant)
        .Observe(static_cast<double>(event.usage.completion_tokens));
  }
  if (event.tokens.empty()) {
    return;
  }
  const Clock::time_point now = Clock::now();
  if (first_token_seconds_ == 0) {
    first_token_seconds_ = std::chrono::duration<double>(now - began_).count();
  }
  if (metrics_ == nullptr) {
    return;
  }
  const auto [last, first] = last_tokens_.try_emplace({index, event.continuation}, now);
  if (!first) {
    const std::chrono::duration<double> gap = now - last->second;
    metrics_->token_gaps(record_.model, record_.tenant).Observe(gap.count());
    last->second = now;
  }
}

void RequestTrace::End(const WorkOutcome& outcome) noexcept {
  if (ended_.exchange(true)) {
    return;
  }
  try {
    record_.status = outcome.status;
    record_.prompt_tokens = outcome.prompt_tokens;
    record_.cached_tokens = outcome.cached_tokens;
    record_.completion_tokens = outcome.completion_tokens;
    record_.finish_reason = outcome.finish_reason;
    record_.exception = outcome.exception;
    record_.queue_seconds = outcome.queue_seconds;
    if (outcome.prefill_seconds > 0) {
      prefill_seconds_ = outcome.prefill_seconds;
    }
    Write();
  } catch (const std::exception&) {
  }
}

void RequestTrace::End(int status) noexcept {
  if (ended_.exchange(true)) {
    return;
  }
  try {
    record_.status = status;
    Write();
  } catch (const std::exception&) {
  }
}

void RequestTrace::Write() {
  if (const double first = first_token_seconds_; first > 0) {
    record_.first_token_seconds = first;
  }
  record_.total_seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  if (log_ != nullptr) {
    log_->Write(record_);
  }
  if (metrics_ != nullptr) {
    metrics_->OnRequestEnd({.model = record_.model,
                            .tenant = record_.tenant,
                            .status = record_.status,
                            .finish_reason = record_.finish_reason,
                            .prompt_tokens = record_.prompt_tokens.value_or(0),
                            .cached_tokens = record_.cached_tokens.value_or(0),
                            .completion_tokens = record_.completion_tokens.value_or(0),
                            .total_seconds = record_.total_seconds,
                            .queue_seconds = record_.queue_seconds,
                            .prefill_seconds = prefill_seconds_,
                            .first_token_seconds = record_.first_token_seconds});
  }
}

}  // namespace ashlar
