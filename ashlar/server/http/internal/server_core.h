// What the connections of one server share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include "ashlar/server/http/http_server.h"
#include "ashlar/server/http/internal/tls_certificate.h"

namespace ashlar::internal {

class Connection;

// Outlives every connection and every responder, each of which shares it: a responder may be used
// after its server has gone. Members are constant after Start, atomic, or guarded by `mutex`.
struct ServerCore {
  HttpServerOptions options;
  HttpHandler handler;
  HttpOwnAnswers own_answers;           // may be empty
  std::unique_ptr<TlsCertificate> tls;  // null: no TLS
  boost::asio::io_context io;

  std::atomic<bool> draining = false;
  std::atomic<std::size_t> body_bytes = 0;  // of all requests that are read or answered
  std::atomic<std::uint64_t> requests = 0;  // see HttpServerCounts
  std::atomic<std::uint64_t> accepted_connections = 0;
  std::atomic<std::uint64_t> refused_connections = 0;
  std::atomic<std::uint64_t> handled_requests = 0;
  std::atomic<std::uint64_t> refused_requests = 0;
  std::atomic<std::uint64_t> cut_streams = 0;

  std::mutex mutex;
  std::condition_variable gone;  // notified when a connection goes
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections;
};

}  // namespace ashlar::internal
