// A RequestTrace follows one request to its end, for the access log and the metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "ashlar/server/access_log/access_log.h"
#include "ashlar/server/api/work_run.h"
#include "ashlar/server/metrics/server_metrics.h"

namespace ashlar {

// OnEvent and End come from other threads than the rest, after it. The first End counts, and throws
// nothing: where memory is too short for its line, there is none. A trace that goes before it has
// one ends with 500: what its client is told by a responder that was dropped.
class RequestTrace {
 public:
  // Both may be null, and must outlive it.
  RequestTrace(const HttpRequest& request, ServerMetrics* metrics, AccessLog* log);
  ~RequestTrace() { End(500); }

  void SetTenant(const std::string& name) { record_.tenant = name; }
  void SetModel(const std::string& name) { record_.model = name; }
  // By ExceptionName; "": none.
  void SetException(const std::string& name) { record_.exception = name; }

  // News of generation `index`.
  void OnEvent(std::size_t index, const GenerationEvent& event);
  // A request of generations has ended.
  void End(const WorkOutcome& outcome) noexcept;
  // Another one has.
  void End(int status) noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  void Write();

  ServerMetrics* metrics_;
  AccessLog* log_;
  AccessRecord record_;
  std::atomic<bool> ended_ = false;
  std::optional<double> prefill_seconds_;
  std::atomic<double> first_token_seconds_ = 0;  // an event may come while another thread ends it
  Clock::time_point began_ = Clock::now();
  std::map<std::pair<std::size_t, int>, Clock::time_point> last_tokens_;  // of each continuation
};

}  // namespace ashlar
