// What a server tells Prometheus of the requests that it answers. What the engine and the networks
// are doing is sampled from them (Metrics::Sampled), by whoever has them.
#pragma once

#include <optional>
#include <string>

#include "ashlar/server/http/http_server.h"
#include "ashlar/server/metrics/metrics.h"

namespace ashlar {

// A request that has ended, in the words of the metrics; "" for a model that there is none of.
struct RequestReport {
  std::string model;
  std::string tenant;
  int status = 200;
  std::string finish_reason;  // "stop", "length", "cancelled", ...; "" for a request without tokens
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;      // of those, that were found in the prefix cache
  std::int64_t completion_tokens = 0;  // of all its answers
  double total_seconds = 0;
  std::optional<double> queue_seconds;
  std::optional<double> prefill_seconds;      // from there to its first token
  std::optional<double> first_token_seconds;  // from the request to the first token
};

class ServerMetrics {
 public:
  // Registers its families in `metrics`, which must outlive it.
  explicit ServerMetrics(Metrics& metrics);

  void OnRequestEnd(const RequestReport& report);
  // Between two tokens of one stream.
  Histogram& token_gaps(const std::string& model, const std::string& tenant) {
    return token_gaps_.With({model, tenant});
  }
  // Tokens of an answer that ended well; a request may have several.
  Histogram& answer_tokens(const std::string& model, const std::string& tenant) {
    return answer_tokens_.With({model, tenant});
  }

 private:
  Family<Counter>& requests_;
  Family<Counter>& ends_;
  Family<Counter>& prompt_tokens_;
  Family<Counter>& completion_tokens_;
  Family<Counter>& prefix_queries_;
  Family<Counter>& prefix_hits_;
  Family<Histogram>& first_token_;
  Family<Histogram>& token_gaps_;
  Family<Histogram>& request_;
  Family<Histogram>& queue_;
  Family<Histogram>& prefill_;
  Family<Histogram>& decode_;
  Family<Histogram>& prompt_sizes_;
  Family<Histogram>& answer_tokens_;
};

// The process by the names that Prometheus's own clients give: call it as the process begins.
void SampleProcess(Metrics& metrics);

// The counts of an HttpServer, which must outlive `metrics`'s last exposition.
void SampleHttpServer(Metrics& metrics, const HttpServer& server);

}  // namespace ashlar
