// A WorkRun takes a request's generations through the service and its answer to the client.
//
// Few of a request's generations are in the service at a time, so that an embedding of thousands of
// texts does not fill its queue. A client that goes away takes its generations with it. A request
// that fails, or whose client has gone, is over when the service has let go of them all: what was
// read and generated until then counts. One that meets an exception fails with 500, on whichever
// thread it was thrown. Where memory is too short to say so it is dropped, and its responder and
// its observer with it, when the last of its generations has ended.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/server/api/generation_parameters.h"
#include "ashlar/server/api/problem.h"
#include "ashlar/server/api/work_queue.h"
#include "ashlar/server/http/http.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

// What became of a request, for logs and metrics.
struct WorkOutcome {
  int status = 200;                     // 499: the client went away first
  std::string finish_reason;            // of the last to end: "stop", "length", "cancelled", ...
  std::string exception;                // that ended it, by ExceptionName; "": none
  std::optional<double> queue_seconds;  // of the first one to be begun
  double prefill_seconds = 0;           // from there to its first token; 0: there was none
  std::int64_t prompt_tokens = 0;       // of prompts whose reading was begun
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
};

// Told of each event before it is answered, on the service's thread of text, and once of the end,
// on whichever thread brought it about: that one, one of the queue, the HTTP server's when the
// client goes, who called StartWork, or who closes the queue. Quickly. on_end throws nothing, and
// is of an answer that is sure, before its client can have the end of it: see HttpResponder.
struct WorkObserver {
  std::function<void(std::size_t index, const GenerationEvent&)> on_event;
  std::function<void(const WorkOutcome&)> on_end;
};

// Where a request's answer runs; all must outlive it.
struct WorkPlace {
  Service& service;
  WorkQueue& queue;
  std::string tenant;  // whose turn in the queue it takes
};

// Returns at once; throws only before anything has been begun. The answer goes to `responder`.
// `begun` goes with the last generation.
void StartWork(WorkPlace place, std::unique_ptr<BegunRequest> begun, Work work,
               std::shared_ptr<HttpResponder> responder, WorkObserver observer);

}  // namespace ashlar
