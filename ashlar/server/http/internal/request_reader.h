// A RequestReader makes requests out of the bytes of a connection, however these are cut. It does
// no input or output itself, so that tests and a fuzzer can feed it.
//
//   reader.Append(bytes);
//   while (reader.Advance() == RequestStage::kWhole) Answer(reader.Take());
//
// Framing is read strictly (RFC 9112): a message that two readers could take for two different ones
// is refused, since one of them may be a proxy in front of us. Confined to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ashlar/server/http/http.h"

namespace ashlar::internal {

enum class RequestStage {
  kIdle,    // between requests
  kHeader,  // a request has begun
  kBody,    // its header is read
  kWhole,   // Take it
  kRefused  // see refusal(); nothing after it can be read
};

struct ReceivedRequest {
  HttpRequest request;  // without peer; id is empty when the client gave none
  bool http_1_0 = false;
  bool keep_alive = true;
};

class RequestReader {
 public:
  RequestReader(std::size_t max_header_bytes, std::size_t max_body_bytes);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Keeps a copy until Advance comes to it.
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // Reads on, to the end of a request at most.
  RequestStage Advance();
  RequestStage stage() const { return stage_; }

  std::size_t buffered() const { return buffer_.size(); }  // bytes that no request has yet
  std::size_t body_bytes() const;                          // of the present request, so far
  // True once for a request whose client waits for "100 Continue" before it sends the body.
  bool TakeContinue();

  // The request, after which the next one can be read. Requires: kWhole.
  ReceivedRequest Take();
  // An answer, with its status. Requires: kRefused.
  const HttpResponse& refusal() const { return refusal_; }
  // Method, path and id of the present request, also of one that was refused: each as far as it was
  // read, or else empty.
  HttpRequest Head() const;

 private:
  class Parser;
  RequestStage Refuse(HttpResponse refusal);
  bool FindHeaderEnd();
  bool Feed(std::size_t bytes);

  const std::size_t max_header_bytes_;
  const std::size_t max_body_bytes_;
  std::string buffer_;
  std::size_t scanned_ = 0;  // of buffer_, which is all header so far and has no fault
  std::unique_ptr<Parser> parser_;
  RequestStage stage_ = RequestStage::kIdle;
  HttpResponse refusal_;
  HttpRequest refused_head_;
};

}  // namespace ashlar::internal
