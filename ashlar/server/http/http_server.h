// An HttpServer takes HTTP/1.1 requests from the network and hands each, whole, to one handler.
//
// Few threads serve any number of connections: an idle connection costs a socket and about two
// kilobytes. Requests of one connection are answered in their order, one at a time. Everything that
// a client controls is bounded (see the options), by a refusal that says so: 400 for what is
// malformed or could be read in two ways (RFC 9112, 11.2: request smuggling), 408, 413, 431, 503.
// Thread-safe. The handler and OnClosed callbacks run on the server's threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ashlar/base/result.h"
#include "ashlar/server/http/http.h"

namespace ashlar {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address or a name; "::" and "0.0.0.0" are all interfaces
  std::uint16_t port = 0;          // 0: any that is free
  int threads = 2;

  // PEM files; both empty: no TLS. TLS 1.2 or newer.
  std::string certificate_file;
  std::string key_file;

  // "": no cross-origin requests from browsers. "*", or one origin ("https://example.com").
  std::string cors_origin;

  std::size_t max_connections = 16'384;  // lowered to what the system's limit on files allows
  std::size_t max_requests = 4'096;      // being answered at once; those beyond get 503
  std::size_t max_header_bytes = 32 << 10;
  std::size_t max_body_bytes = 32 << 20;
  std::size_t max_all_body_bytes = 512 << 20;  // of all requests at once; those beyond get 503
  std::size_t max_backlog_bytes = 1 << 20;     // of a stream that the client does not read

  std::chrono::milliseconds idle_timeout{75'000};    // between requests, and for a TLS handshake
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to its body
  std::chrono::milliseconds body_timeout{60'000};    // for the whole body
  std::chrono::milliseconds write_timeout{30'000};   // in which a client takes not one byte
};

// What the server has seen, for metrics.
struct HttpServerCounts {
  std::uint64_t connections = 0;           // open now
  std::uint64_t requests = 0;              // being answered now
  std::uint64_t accepted_connections = 0;  // ever
  std::uint64_t refused_connections = 0;   // ever: over the limit, or out of files
  std::uint64_t handled_requests = 0;      // ever: given to the handler
  std::uint64_t refused_requests = 0;      // ever: malformed, over a limit, too slow
  std::uint64_t cut_streams = 0;           // ever: the client was too slow a reader
};

class HttpServer {
 public:
  // Listens and serves. Raises the process's soft limit on open files to its hard limit.
  // kInvalid: an option or a certificate is wrong; kConflict: the port is taken; kIo.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, HttpHandler handler,
                                                   HttpOwnAnswers own_answers = {});

  virtual ~HttpServer() = default;  // cuts what runs; no callback runs after it

  virtual std::uint16_t port() const = 0;  // where it listens
  virtual HttpServerCounts counts() const = 0;

  // Reads the certificate's files again when they have changed: true when connections from now on
  // have what they say. An error, once for each change, leaves all as it was.
  virtual Result<bool> ReloadCertificate() = 0;

  // Stops listening, closes idle connections, and waits until every request that was begun has been
  // answered; what is left after `patience` is cut. True when nothing was.
  virtual bool Drain(std::chrono::milliseconds patience) = 0;
};

}  // namespace ashlar
