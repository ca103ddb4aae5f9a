// The Api answers HTTP requests: OpenAI's endpoints, those that clients of similar servers use, and
// those for who runs the server. What there is stands in one table, endpoints.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ashlar/server/access_log/access_log.h"
#include "ashlar/server/http/http.h"
#include "ashlar/server/metrics/metrics.h"
#include "ashlar/server/service/service.h"
#include "ashlar/server/tenants/tenants.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

struct ApiOptions {
  // Each may be null: then anybody may ask for anything, nothing is counted, nothing is logged.
  // They must outlive the Api.
  Tenants* tenants = nullptr;
  Metrics* metrics = nullptr;
  AccessLog* log = nullptr;
  // Of the server, whose clients they are: by them browser_guard.h knows web pages, where no keys
  // are asked for.
  std::string host = "127.0.0.1";
  std::string cors_origin = {};
  std::vector<std::string> allowed_hosts = {};
  int workers = 3;                 // threads that read requests and write prompts
  std::int64_t max_waiting = 256;  // places for requests that no thread has begun: see WorkQueue
};

// Thread-safe. The service and the store must outlive it.
class Api {
 public:
  Api(Service& service, BlobStore& store, const ApiOptions& options = {});
  // Closes, and waits for the requests that workers have begun.
  ~Api();

  // What no worker has begun, and what comes from now on, is answered with 503.
  void Close();

  // An HttpHandler.
  void Handle(HttpRequest request, std::shared_ptr<HttpResponder> responder);
  // An HttpOwnAnswers: such answers are logged and counted, too.
  void OnOwnAnswer(const HttpRequest& request, int status, const std::string& exception = "");

 private:
  struct Call;
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ashlar
