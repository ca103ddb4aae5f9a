// A Connection reads requests from one client, has them answered one after another, and writes the
// answers.
//
// A read is always pending, also while a request is answered, so that a client that goes is
// noticed; what a client sends ahead of its answer is kept up to a bound, and left in the socket
// beyond. Confined to its strand, but for executor().
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "ashlar/server/http/internal/exchange.h"
#include "ashlar/server/http/internal/request_reader.h"
#include "ashlar/server/http/internal/server_core.h"
#include "ashlar/server/http/internal/transport.h"

namespace ashlar::internal {

// 503, to come again soon.
HttpResponse Overloaded(std::string_view message);

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, TcpSocket socket);

  void Start();
  // Instead of Start: answers so, whatever is asked, and closes.
  void StartRefusing(const HttpResponse& refusal);
  // Closes now if it is idle, else after the answer that is due.
  void Drain();
  void Close();

  boost::asio::any_io_executor executor() const { return executor_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  void StartReading();
  void OnRead(AsioError error, std::string_view bytes);
  void Step();        // reads requests until one is being answered
  bool ChargeBody();  // false: all bodies together are too large
  void Dispatch();
  HttpResponse AnswerToOptions(const HttpRequest& request) const;
  void RefuseRequest(const HttpResponse& refusal);
  void Refuse(const HttpResponse& refusal, const std::string& request_id);
  void TellOfOwnAnswer(const HttpRequest& request, int status,
                       const std::string& exception = "") const;
  void Flush();  // writes what there is to write
  void OnWritten(AsioError error, std::size_t bytes);
  void FinishExchange();
  void Linger();
  void SetReadDeadline(std::chrono::milliseconds from_now);
  void ArmTimer();
  void OnTimer();

  const std::shared_ptr<ServerCore> core_;  // first, to go last
  const boost::asio::any_io_executor executor_;
  std::string peer_;
  std::unique_ptr<Transport> transport_;
  RequestReader reader_;
  RequestStage timed_stage_ = RequestStage::kWhole;  // the stage that read_deadline_ is for
  std::size_t charged_body_bytes_ = 0;
  std::shared_ptr<Exchange> exchange_;  // null while no request is being answered
  std::string direct_;                  // to be written, besides the exchange's output
  std::string out_;                     // being written, from written_ on
  std::size_t written_ = 0;
  std::size_t lingered_bytes_ = 0;

  bool reading_ = false;
  bool writing_ = false;
  bool read_ended_ = false;         // by the client
  bool close_after_write_ = false;  // no more requests
  bool lingering_ = false;          // all is written: waiting for the client to close
  bool closed_ = false;

  boost::asio::steady_timer timer_;
  Time armed_for_ = Time::max();
  Time read_deadline_ = Time::max();
  Time write_deadline_ = Time::max();
};

}  // namespace ashlar::internal
