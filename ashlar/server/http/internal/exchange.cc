#include "ashlar/server/http/internal/exchange.h"

#include <utility>

#include "ashlar/server/http/internal/server_core.h"

namespace ashlar::internal {
namespace {

class ExchangeResponder final : public HttpResponder {
 public:
  explicit ExchangeResponder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~ExchangeResponder() override { exchange_->Abandon(); }

  void Send(HttpResponse response, const std::function<void()>& sure) override {
    exchange_->Send(response, sure);
  }
  void BeginStream(int status, std::string_view content_type, HttpHeaders headers) override {
    exchange_->BeginStream(status, content_type, headers);
  }
  bool Write(std::string_view bytes) override { return exchange_->Write(bytes); }
  void End(std::string_view last, const std::function<void()>& sure) override {
    exchange_->End(last, sure);
  }
  void OnClosed(std::function<void()> closed) override { exchange_->OnClosed(std::move(closed)); }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::shared_ptr<HttpResponder> MakeResponder(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<ExchangeResponder>(std::move(exchange));
}

Exchange::Exchange(std::shared_ptr<ServerCore> core, ResponseFrame frame,
                   std::function<void()> wake)
    : core_(std::move(core)), wake_(std::move(wake)), frame_(std::move(frame)) {}

std::string Exchange::HeadLocked(int status, std::string_view content_type,
                                 const HttpHeaders& headers,
                                 std::optional<std::size_t> body_bytes) {
  const bool ends_with_connection = !body_bytes && frame_.http_1_0;
  frame_.keep_alive = frame_.keep_alive && !core_->draining && !ends_with_connection;
  return ResponseHead(frame_, status, content_type, headers, body_bytes);
}

std::string Exchange::FramedLocked(std::string_view bytes) const {
  std::string framed;
  if (bytes.empty() || frame_.head_only) {
    return framed;
  }
  if (frame_.http_1_0) {
    framed = bytes;
  } else {
    AppendChunk(framed, bytes);
  }
  return framed;
}

std::function<void()> Exchange::LeaveLocked(State state) {
  state_ = state;
  return std::exchange(on_closed_, nullptr);
}

// Woken before anything changes: the connection, which looks here under the lock, finds the change.

void Exchange::Send(const HttpResponse& response, const std::function<void()>& sure) {
  std::function<void()> dropped;
  const std::lock_guard lock(mutex_);
  if (state_ != State::kWaiting) {
    sure();
    return;
  }
  std::string bytes =
      HeadLocked(response.status, response.content_type, response.headers, response.body.size());
  if (!frame_.head_only && response.status != 204) {
    bytes += response.body;
  }
  wake_();
  sure();
  output_ = std::move(bytes);
  dropped = LeaveLocked(State::kEnded);
}

void Exchange::BeginStream(int status, std::string_view content_type, const HttpHeaders& headers) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kWaiting) {
    return;
  }
  std::string head = HeadLocked(status, content_type, headers, std::nullopt);
  wake_();
  output_ = std::move(head);
  state_ = State::kStreaming;
}

bool Exchange::Write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kStreaming) {
    return false;
  }
  if (output_.size() + being_written_ > core_->options.max_backlog_bytes) {
    wake_();
    ++core_->cut_streams;
    output_ = {};
    state_ = State::kCut;  // Close, which follows, calls on_closed_
    return false;
  }
  const std::string framed = FramedLocked(bytes);
  const bool first = output_.empty() && !framed.empty();
  if (first) {  // else the connection knows that there is something
    wake_();
  }
  output_ += framed;
  return true;
}

void Exchange::End(std::string_view last, const std::function<void()>& sure) {
  std::function<void()> dropped;
  const std::lock_guard lock(mutex_);
  if (state_ != State::kStreaming) {
    sure();
    return;
  }
  std::string bytes = FramedLocked(last);
  if (!frame_.http_1_0 && !frame_.head_only) {
    bytes += kLastChunk;
  }
  output_.reserve(output_.size() + bytes.size());
  wake_();
  sure();
  output_ += bytes;
  dropped = LeaveLocked(State::kEnded);
}

void Exchange::OnClosed(std::function<void()> closed) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kEnded) {
      return;
    }
    if (state_ != State::kCut && state_ != State::kClosed) {
      on_closed_ = std::move(closed);
      return;
    }
  }
  closed();
}

void Exchange::Abandon() noexcept {
  try {
    Send(ErrorResponse(500, "the request was dropped without an answer", "internal_error"), [] {});
  } catch (const std::exception&) {  // then its connection is cut, as in mid-stream
  }
  std::function<void()> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kWaiting && state_ != State::kStreaming) {
      return;
    }
    dropped = LeaveLocked(State::kCut);
  }
  try {
    wake_();
  } catch (const std::exception&) {  // it is cut when its client goes
  }
}

std::string Exchange::TakeOutput() {
  const std::lock_guard lock(mutex_);
  being_written_ = output_.size();
  return std::exchange(output_, {});
}

bool Exchange::ended() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kEnded;
}

bool Exchange::is_cut() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kCut;
}

bool Exchange::keep_alive() const {
  const std::lock_guard lock(mutex_);
  return frame_.keep_alive;
}

void Exchange::Close() {
  std::function<void()> closed;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kClosed || state_ == State::kEnded) {
      return;
    }
    closed = LeaveLocked(State::kClosed);
  }
  if (closed) {
    closed();
  }
}

}  // namespace ashlar::internal
