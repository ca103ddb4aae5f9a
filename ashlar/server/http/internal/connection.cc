#include "ashlar/server/http/internal/connection.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>

#include <boost/asio/post.hpp>
#include <netinet/tcp.h>

namespace ashlar::internal {
namespace {

namespace asio = boost::asio;

// What a client may send ahead of the answer that it waits for.
constexpr std::size_t kMaxAhead = 64 << 10;
// After the last answer the client has this long, and this much to send, before the connection is
// reset: an answer to a request that was not read whole would else be lost with the reset.
constexpr std::chrono::milliseconds kLinger{2'000};
constexpr std::size_t kMaxLingerBytes = 4 << 20;

std::string AddressOf(const TcpSocket& socket) {
  AsioError error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) {
    return "unknown";
  }
  const std::string address = endpoint.address().to_string();
  const bool is_v6 = endpoint.address().is_v6();
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", address, is_v6 ? "]" : "", endpoint.port());
}

// A peer that vanished without a word is found out within two minutes.
void SetSocketOptions(TcpSocket& socket) {
  AsioError ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const std::pair<int, int> options[] = {{TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}};
  for (const auto& [name, seconds] : options) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &seconds, sizeof(seconds));
  }
}

std::string NewRequestId() {
  std::array<unsigned char, 16> bytes;
  arc4random_buf(bytes.data(), bytes.size());
  std::string id;
  for (const unsigned char byte : bytes) {
    id += fmt::format("{:02x}", byte);
  }
  return id;
}

std::string AllowedOrigin(const std::string& allowed, const HttpHeaders& headers) {
  const std::string* origin = headers.Find("Origin");
  const bool matches = origin != nullptr && (allowed == "*" || allowed == *origin);
  return matches ? allowed : "";
}

}  // namespace

HttpResponse Overloaded(std::string_view message) {
  HttpResponse response = ErrorResponse(503, message, "server_overloaded");
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

Connection::Connection(std::shared_ptr<ServerCore> core, TcpSocket socket)
    : core_(std::move(core)),
      executor_(socket.get_executor()),
      peer_(AddressOf(socket)),
      reader_(core_->options.max_header_bytes, core_->options.max_body_bytes),
      timer_(executor_) {
  SetSocketOptions(socket);
  transport_ = core_->tls != nullptr ? TlsTransport(std::move(socket), core_->tls->context())
                                     : PlainTransport(std::move(socket));
}

void Connection::Start() {
  SetReadDeadline(core_->options.idle_timeout);
  transport_->Handshake([self = shared_from_this()](AsioError error) {
    if (self->closed_) {
      return;
    }
    if (error) {
      return self->Close();
    }
    self->Step();
    self->StartReading();
  });
}

void Connection::StartRefusing(const HttpResponse& refusal) {
  if (core_->tls != nullptr) {
    return Close();  // no handshake for those who are refused
  }
  Refuse(refusal, NewRequestId());  // no request has come
}

// ---- Reading

void Connection::StartReading() {
  const bool is_far_ahead = exchange_ != nullptr && reader_.buffered() > kMaxAhead;
  if (reading_ || closed_ || read_ended_ || is_far_ahead) {
    return;
  }
  reading_ = true;
  transport_->Read([self = shared_from_this()](AsioError error, std::string_view bytes) {
    self->OnRead(error, bytes);
  });
}

void Connection::OnRead(AsioError error, std::string_view bytes) {
  reading_ = false;
  if (closed_) {
    return;
  }
  if (error || bytes.empty()) {
    read_ended_ = true;
    // What has been said whole is still written; the rest would be for nobody.
    const bool has_answer = (exchange_ != nullptr && exchange_->ended()) || close_after_write_;
    return has_answer && !lingering_ ? void() : Close();
  }
  if (close_after_write_) {
    lingered_bytes_ += bytes.size();
    if (lingered_bytes_ > kMaxLingerBytes) {
      return Close();
    }
  } else {
    reader_.Append(bytes);
    Step();
  }
  StartReading();
}

void Connection::Step() {
  while (exchange_ == nullptr && !close_after_write_ && !closed_) {
    const RequestStage stage = reader_.Advance();
    if (!ChargeBody()) {
      return RefuseRequest(
          Overloaded("the server holds as many bytes of requests as it may; try again"));
    }
    if (stage == RequestStage::kWhole) {
      timed_stage_ = stage;
      Dispatch();
      continue;
    }
    if (stage == RequestStage::kRefused) {
      return RefuseRequest(reader_.refusal());
    }
    if (stage == RequestStage::kIdle && core_->draining) {
      return Linger();
    }
    // Once per stage: a byte now and then does not win time.
    if (stage != std::exchange(timed_stage_, stage)) {
      SetReadDeadline(stage == RequestStage::kIdle     ? core_->options.idle_timeout
                      : stage == RequestStage::kHeader ? core_->options.header_timeout
                                                       : core_->options.body_timeout);
    }
    if (reader_.TakeContinue()) {
      direct_ += "HTTP/1.1 100 Continue\r\n\r\n";
      Flush();
    }
    return;
  }
}

bool Connection::ChargeBody() {
  const std::size_t more =
      reader_.body_bytes() - std::min(reader_.body_bytes(), charged_body_bytes_);
  charged_body_bytes_ += more;
  return (core_->body_bytes += more) <= core_->options.max_all_body_bytes || more == 0;
}

// ---- Answering

void Connection::Dispatch() {
  auto [request, http_1_0, keep_alive] = reader_.Take();
  SetReadDeadline(std::chrono::milliseconds::max());
  request.peer = peer_;
  if (request.id.empty()) {
    request.id = NewRequestId();
  }
  exchange_ = std::make_shared<Exchange>(
      core_,
      ResponseFrame{.http_1_0 = http_1_0,
                    .head_only = request.method == "HEAD",
                    .keep_alive = keep_alive,
                    .request_id = request.id,
                    .cors_origin = AllowedOrigin(core_->options.cors_origin, request.headers)},
      [weak = weak_from_this(), executor = executor_] {
        if (const auto connection = weak.lock()) {
          // Weakly, since this may come when the server's threads have ended: then nobody runs it.
          asio::post(executor, [weak] {
            if (const auto self = weak.lock()) {
              self->Flush();
            }
          });
        }
      });
  const auto responder = MakeResponder(exchange_);
  if (++core_->requests > core_->options.max_requests) {
    ++core_->refused_requests;
    HttpResponse refusal = Overloaded("the server answers as many requests as it may; try again");
    TellOfOwnAnswer(request, refusal.status);
    return responder->Send(std::move(refusal));
  }
  if (request.method == "OPTIONS") {
    HttpResponse answer = AnswerToOptions(request);
    TellOfOwnAnswer(request, answer.status);
    return responder->Send(std::move(answer));
  }
  ++core_->handled_requests;
  // What is told of it if the handler, which takes it, throws.
  const HttpRequest head{
      .method = request.method, .path = request.path, .peer = peer_, .id = request.id};
  try {
    core_->handler(std::move(request), responder);
  } catch (const std::exception& exception) {
    HttpResponse answer = ErrorResponse(exception);
    TellOfOwnAnswer(head, answer.status, ExceptionName(exception));
    responder->Send(std::move(answer));
  }
}

// A browser asks so whether it may send a request to another origin.
HttpResponse Connection::AnswerToOptions(const HttpRequest& request) const {
  constexpr const char* kMethods = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
  HttpResponse answer{.status = 204, .headers = {{"Allow", kMethods}}};
  if (request.headers.Find("Access-Control-Request-Method") != nullptr &&
      !AllowedOrigin(core_->options.cors_origin, request.headers).empty()) {
    const std::string* names = request.headers.Find("Access-Control-Request-Headers");
    answer.headers.push_back({"Access-Control-Allow-Methods", kMethods});
    answer.headers.push_back({"Access-Control-Allow-Headers",
                              names != nullptr ? *names : "Authorization, Content-Type"});
    answer.headers.push_back({"Access-Control-Max-Age", "86400"});
  }
  return answer;
}

void Connection::RefuseRequest(const HttpResponse& refusal) {
  ++core_->refused_requests;
  HttpRequest request = reader_.Head();
  request.peer = peer_;
  if (request.id.empty()) {
    request.id = NewRequestId();
  }
  TellOfOwnAnswer(request, refusal.status);
  Refuse(refusal, request.id);
}

// The last that this connection says.
void Connection::Refuse(const HttpResponse& refusal, const std::string& request_id) {
  close_after_write_ = true;
  SetReadDeadline(std::chrono::milliseconds::max());
  const ResponseFrame frame{.keep_alive = false, .request_id = request_id};
  direct_ += ResponseHead(frame, refusal.status, refusal.content_type, refusal.headers,
                          refusal.body.size()) +
             refusal.body;
  Flush();
}

void Connection::TellOfOwnAnswer(const HttpRequest& request, int status,
                                 const std::string& exception) const {
  if (core_->own_answers) {
    core_->own_answers(request, status, exception);
  }
}

// ---- Writing

void Connection::Flush() {
  if (closed_) {
    return;
  }
  if (exchange_ != nullptr && exchange_->is_cut()) {
    return Close();
  }
  if (writing_) {
    return;
  }
  if (out_ = std::exchange(direct_, {}); out_.empty() && exchange_ != nullptr) {
    // First whether it has ended: what is said between the two is then not lost.
    const bool ended = exchange_->ended();
    out_ = exchange_->TakeOutput();
    if (out_.empty() && ended) {
      return FinishExchange();
    }
  }
  if (out_.empty()) {
    return close_after_write_ && !lingering_ ? Linger() : void();
  }
  written_ = 0;
  OnWritten({}, 0);
}

void Connection::OnWritten(AsioError error, std::size_t bytes) {
  writing_ = false;
  write_deadline_ = Time::max();
  if (closed_) {
    return;
  }
  if (error) {
    return Close();
  }
  written_ += bytes;
  if (written_ == out_.size()) {
    out_ = {};
    return Flush();
  }
  if (exchange_ != nullptr && exchange_->is_cut()) {
    return Close();
  }
  writing_ = true;
  write_deadline_ = std::chrono::steady_clock::now() + core_->options.write_timeout;
  ArmTimer();
  transport_->Write(std::string_view(out_).substr(written_),
                    [self = shared_from_this()](AsioError failure, std::size_t count) {
                      self->OnWritten(failure, count);
                    });
}

void Connection::FinishExchange() {
  const bool keep_alive = exchange_->keep_alive() && !core_->draining && !read_ended_;
  exchange_.reset();
  --core_->requests;
  core_->body_bytes -= std::exchange(charged_body_bytes_, 0);
  if (!keep_alive) {
    return Linger();
  }
  Step();
  StartReading();
}

void Connection::Linger() {
  close_after_write_ = true;
  lingering_ = true;
  if (read_ended_) {
    return Close();
  }
  SetReadDeadline(kLinger);
  transport_->ShutdownSend([self = shared_from_this()](AsioError error) {
    if (error) {
      self->Close();
    }
  });
  StartReading();
}

void Connection::Drain() {
  if (!closed_ && exchange_ == nullptr && reader_.stage() == RequestStage::kIdle &&
      !close_after_write_) {
    Close();
  }
}

void Connection::Close() {
  if (closed_) {
    return;
  }
  closed_ = true;
  timer_.cancel();
  transport_->Close();
  core_->body_bytes -= std::exchange(charged_body_bytes_, 0);
  if (exchange_ != nullptr) {
    --core_->requests;
    exchange_->Close();
    exchange_.reset();
  }
  const std::lock_guard lock(core_->mutex);
  core_->connections.erase(this);
  core_->gone.notify_all();
}

// ---- Time

void Connection::SetReadDeadline(std::chrono::milliseconds from_now) {
  read_deadline_ = from_now == std::chrono::milliseconds::max()
                       ? Time::max()
                       : std::chrono::steady_clock::now() + from_now;
  ArmTimer();
}

// Deadlines mostly move away; then the timer is left as it is, and looks again when it fires.
void Connection::ArmTimer() {
  const Time next = std::min(read_deadline_, write_deadline_);
  if (next >= armed_for_ || closed_) {
    return;
  }
  armed_for_ = next;
  timer_.expires_at(next);
  timer_.async_wait([self = shared_from_this()](AsioError error) {
    if (!error && !self->closed_) {
      self->armed_for_ = Time::max();
      self->OnTimer();
    }
  });
}

void Connection::OnTimer() {
  const Time now = std::chrono::steady_clock::now();
  if (write_deadline_ <= now) {
    ++core_->cut_streams;
    return Close();
  }
  if (read_deadline_ > now) {
    return ArmTimer();
  }
  const RequestStage stage = reader_.stage();
  if (lingering_ || (stage != RequestStage::kHeader && stage != RequestStage::kBody)) {
    return Close();
  }
  RefuseRequest(ErrorResponse(408,
                              fmt::format("the {} of the request did not come in time",
                                          stage == RequestStage::kHeader ? "header" : "body"),
                              "request_timeout"));
}

}  // namespace ashlar::internal
