// What an HTTP request is to those who answer it, and how they do: at once or as a stream, from any
// thread. Nothing here knows of sockets; http_server.h has those.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/base/result.h"

namespace ashlar {

struct HttpHeader {
  std::string name;
  std::string value;

  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

// In the order they were sent. Names compare without case.
struct HttpHeaders : std::vector<HttpHeader> {
  using std::vector<HttpHeader>::vector;
  // The first of this name, or null.
  const std::string* Find(std::string_view name) const;
};

// A request as it was received whole: within the server's limits, its framing checked.
struct HttpRequest {
  std::string method;  // "GET", as sent: the case counts
  std::string path;    // percent-decoded; begins with '/' and has no NUL
  std::string query;   // what follows '?', as sent; may be empty
  HttpHeaders headers;
  std::string body;  // decoded when it came in chunks
  std::string peer;  // "192.0.2.1:50514", "[2001:db8::1]:50514"
  // The client's X-Request-Id when it is 1 to 128 of the characters [A-Za-z0-9._:-], else made
  // here: 32 hex digits. The answer carries it.
  std::string id;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers = {};  // besides those of framing, Date and X-Request-Id
  std::string body = {};
};

HttpResponse JsonResponse(const Json& body, int status = 200);

// OpenAI's form: {"error":{"message","type","param","code"}}. The type follows from the status
// ("invalid_request_error", "authentication_error", "rate_limit_error", "server_error", ...);
// `param` names the member of the request that was wrong, `code` is for programs; "" is null.
Json HttpErrorBody(int status, std::string_view message, std::string_view code = "",
                   std::string_view param = "");
HttpResponse ErrorResponse(int status, std::string_view message, std::string_view code = "",
                           std::string_view param = "");
// 400 for kInvalid and kUnsupported, 404, 409, 503 for what is corrupt or used up, 500 for kIo.
int HttpStatusOf(const Error& error);
HttpResponse ErrorResponse(const Error& error, std::string_view param = "");
// 500, to the client whose request met an exception: with what it says.
HttpResponse ErrorResponse(const std::exception& exception);
// "std::bad_alloc": what a log may say of it, since what() may quote a request.
std::string ExceptionName(const std::exception& exception);

// An HttpResponder is the way back to one client. Thread-safe; calls never block.
//
// An answer is one Send, or one BeginStream, any number of Writes, and End. What comes after the
// answer's end, or after the client has gone, does nothing. A responder that goes before it has
// answered answers 500; one that goes in mid-stream cuts the connection, so that no client takes
// half an answer for a whole one. Each may throw std::bad_alloc, and has done nothing then: another
// answer, or end, may be given in its place.
//
// `sure` is called once in Send and End where these do not throw: when nothing can go wrong with
// the answer any more, and before its client can have its end. So what is said of it there is true,
// and what it held is free when its client comes again. It throws nothing, calls nothing here, and is
// brief: the connection waits for it.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  virtual void Send(HttpResponse response, const std::function<void()>& sure) = 0;
  void Send(HttpResponse response) {
    Send(std::move(response), [] {});
  }

  // Begins a body of unknown length (chunked; to a client of HTTP/1.0, until the connection ends).
  virtual void BeginStream(int status, std::string_view content_type, HttpHeaders headers = {}) = 0;
  // Sends `bytes` as soon as the client takes them. False: nobody will read this any more, since
  // the client has gone, or is so slow that its backlog passed the limit and it was cut off.
  virtual bool Write(std::string_view bytes) = 0;
  // After these bytes.
  virtual void End(std::string_view last, const std::function<void()>& sure) = 0;
  void End() {
    End({}, [] {});
  }

  // `closed` is called once, on a thread of the server, when the client goes before the answer has
  // ended (also while nothing is written: a read is always pending), and right here when it has
  // gone already. It is dropped uncalled when the answer ends. A client that shuts down its sending
  // half counts as gone: the two cannot be told apart. At most one; it must not block, and must not
  // keep the responder alive.
  virtual void OnClosed(std::function<void()> closed) = 0;
};

// Told of a request that the server answered itself: refused, of the method OPTIONS, or one whose
// handler threw. Of what was malformed it has as much as was read, and never a body. `exception` is
// what was thrown, by ExceptionName, or empty. Called on a thread of the server, quickly.
using HttpOwnAnswers =
    std::function<void(const HttpRequest& request, int status, const std::string& exception)>;

// Called on a thread of the server for each request; must not block (it hands work on). What it
// throws becomes a 500. The body of an answer to HEAD is left out by the server: answer as to GET.
using HttpHandler = std::function<void(HttpRequest, std::shared_ptr<HttpResponder>)>;

}  // namespace ashlar
