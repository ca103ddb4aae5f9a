// An Exchange is one request being answered: what the answering side has said, and the connection
// has not written yet.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "ashlar/server/http/http.h"
#include "ashlar/server/http/internal/response_bytes.h"

namespace ashlar::internal {

struct ServerCore;

// Thread-safe. `wake`, called on any thread, makes the connection look here; it must not call back.
// Where it throws (it may take memory), nothing has been said, and `sure` has not run.
class Exchange {
 public:
  Exchange(std::shared_ptr<ServerCore> core, ResponseFrame frame, std::function<void()> wake);

  // ---- The answering side (see HttpResponder)
  void Send(const HttpResponse& response, const std::function<void()>& sure);
  void BeginStream(int status, std::string_view content_type, const HttpHeaders& headers);
  bool Write(std::string_view bytes);
  void End(std::string_view last, const std::function<void()>& sure);
  void OnClosed(std::function<void()> closed);
  void Abandon() noexcept;  // nobody can answer any more

  // ---- The connection's side
  // What is to be written; the bytes of the call before have been.
  std::string TakeOutput();
  bool ended() const;   // all that will ever be written has been said
  bool is_cut() const;  // the connection must be closed, since the answer can't be whole
  bool keep_alive() const;
  void Close();  // the client has gone

 private:
  enum class State { kWaiting, kStreaming, kEnded, kCut, kClosed };

  std::string HeadLocked(int status, std::string_view content_type, const HttpHeaders& headers,
                         std::optional<std::size_t> body_bytes);
  // As they go over the wire in a stream.
  std::string FramedLocked(std::string_view bytes) const;
  // Leaves State::kWaiting or kStreaming; returns what must be destroyed without the lock.
  std::function<void()> LeaveLocked(State state);

  const std::shared_ptr<ServerCore> core_;
  const std::function<void()> wake_;

  mutable std::mutex mutex_;
  State state_ = State::kWaiting;
  ResponseFrame frame_;
  std::string output_;
  std::size_t being_written_ = 0;  // bytes that TakeOutput gave
  std::function<void()> on_closed_;
};

// The HttpResponder of an exchange.
std::shared_ptr<HttpResponder> MakeResponder(std::shared_ptr<Exchange> exchange);

}  // namespace ashlar::internal
