#include "ashlar/server/api/api.h"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "ashlar/base/ascii.h"
#include "ashlar/base/clock.h"
#include "ashlar/server/api/browser_guard.h"
#include "ashlar/server/api/constraints.h"
#include "ashlar/server/api/endpoint.h"
#include "ashlar/server/api/problem.h"
#include "ashlar/server/api/request_trace.h"
#include "ashlar/server/api/service_metrics.h"
#include "ashlar/server/api/work_queue.h"
#include "ashlar/server/api/work_run.h"

namespace ashlar {
namespace {

constexpr std::string_view kTail = "{id}";
constexpr std::size_t kLongBody = 256 << 10;  // that takes some 0.1 s to read and to make a prompt
constexpr int kLongReaders = 2;
constexpr int kMostWaits = 16;  // of administrators, at once; as many more may wait for these

// What stands in the path for "{id}"; nothing when the path is not the endpoint's.
std::optional<std::string_view> TailOf(const Endpoint& endpoint, std::string_view path) {
  if (!endpoint.path.ends_with(kTail)) {
    return endpoint.path == path ? std::optional(std::string_view()) : std::nullopt;
  }
  const std::string_view head = endpoint.path.substr(0, endpoint.path.size() - kTail.size());
  if (!path.starts_with(head) || path.size() == head.size()) {
    return std::nullopt;
  }
  return path.substr(head.size());
}

struct Route {
  const Endpoint* endpoint = nullptr;
  std::string tail;
};

// The endpoint of the request, or what its client is told.
std::variant<Route, HttpResponse> FindRoute(const HttpRequest& request) {
  std::string methods;
  // As GET: the server leaves the body out.
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : request.method;
  for (const Endpoint& endpoint : AllEndpoints()) {
    const std::optional<std::string_view> tail = TailOf(endpoint, request.path);
    if (tail && endpoint.method == method) {
      return Route{&endpoint, std::string(*tail)};
    }
    if (tail) {
      methods += (methods.empty() ? "" : ", ") + std::string(endpoint.method);
    }
  }
  if (methods.empty()) {
    return ErrorResponse(404, fmt::format("there is no {}", QuoteForError(request.path)),
                         "not_found");
  }
  HttpResponse response = ErrorResponse(405, fmt::format("{} takes {} only", request.path, methods),
                                        "method_not_allowed");
  response.headers.push_back({"Allow", methods});
  return response;
}

// By what the client says. Browsers let a page say so only where it may.
bool IsJson(const HttpHeaders& headers) {
  constexpr std::string_view kJson = "application/json";
  const std::string* const type = headers.Find("Content-Type");
  return type != nullptr &&
         EqualsIgnoringCase(std::string_view(*type).substr(0, type->find_first_of("; ")), kJson);
}

// Letters that an id may have: what a client named its request by, or what was made for it.
std::string PlainId(std::string_view id) {
  std::string plain;
  for (const char c : id) {
    plain += IsAsciiLetterOrDigit(c) ? c : '_';
  }
  return plain;
}

}  // namespace

// A request on its way to its answer.
struct Api::Call {
  HttpRequest request;
  std::size_t body_bytes = 0;  // it had, as it came
  std::int64_t arrived_micros = SteadyClock().NowMicros();
  Route route;
  std::shared_ptr<HttpResponder> responder;
  std::shared_ptr<const Tenant> tenant;
  std::shared_ptr<RequestTrace> trace;
  Admission admission;  // of what a tenant's limits hold

  void Send(HttpResponse response) {
    const int status = response.status;
    responder->Send(std::move(response), [this, status] {
      trace->End(status);
      admission = Admission();
    });
  }
  void Send(const Result<Json>& answer) {
    const std::string_view type = route.endpoint->content_type;
    if (!answer.ok()) {
      Send(ProblemOf(answer.error()).Response());
    } else if (type.empty()) {
      Send(JsonResponse(*answer));
    } else {
      Send(HttpResponse{.content_type = std::string(type), .body = *answer->string()});
    }
  }
};

class Api::State {
 public:
  State(Service& service, BlobStore& store, const ApiOptions& options)
      : service_(service),
        store_(store),
        options_(options),
        guard_(options.host, options.cors_origin, options.allowed_hosts),
        started_(std::time(nullptr)),
        // What the service lets wait is not refused here.
        reading_(
            Threads(options.workers, std::max(options.max_waiting, service.options().max_waiting))),
        long_reading_(Threads(kLongReaders, options.max_waiting)),
        looking_(Threads(1, options.max_waiting)),
        waiting_(Threads(kMostWaits, kMostWaits)) {
    service.UseSpare(constraints_.kept());
    if (options.metrics != nullptr) {
      metrics_.emplace(*options.metrics);
      SampleService(*options.metrics, service);
    }
  }

  void Handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) {
    auto call = std::make_shared<Call>();  // tasks are copied, and a body may have 32 MB
    call->trace = NewTrace(request);
    call->responder = std::move(responder);
    OrFail(*call, [&] { Take(call, std::move(request)); });
  }

  void Close() {
    for (WorkQueue* const queue : {&reading_, &long_reading_, &looking_, &waiting_}) {
      queue->Close();
    }
  }

  std::shared_ptr<RequestTrace> NewTrace(const HttpRequest& request) {
    return std::make_shared<RequestTrace>(request, metrics_ ? &*metrics_ : nullptr, options_.log);
  }

 private:
  void Take(const std::shared_ptr<Call>& call, HttpRequest request) {
    std::variant<Route, HttpResponse> found = FindRoute(request);
    if (HttpResponse* refusal = std::get_if<HttpResponse>(&found)) {
      call->Send(std::move(*refusal));
      return;
    }
    call->route = std::get<Route>(std::move(found));
    call->request = std::move(request);
    call->body_bytes = call->request.body.size();
    if (const std::optional<Problem> refusal = Admit(*call)) {
      call->Send(refusal->Response());
      return;
    }
    if (call->route.endpoint->access == Access::kOpen) {  // quick, and asked when all else is busy
      call->Send(Manage(*call, Json(Json::Object())));
      return;
    }
    if (const auto seconds = QueueFor(*call).Post(
            call->tenant->name,
            {.run = [this, call] { OrFail(*call, [&] { Answer(*call); }); },
             .let_go =
                 [call] { OrFail(*call, [&] { call->Send(ShuttingDown().Response()); }); }})) {
      call->Send(Problem{.status = 429,
                         .message = "too many requests wait already; try again",
                         .code = "overloaded",
                         .retry_after_seconds = static_cast<double>(*seconds)}
                     .Response());
    }
  }

  bool has_keys() const { return options_.tenants != nullptr && options_.tenants->has_keys(); }
  WorkQueueOptions Threads(int threads, std::int64_t places) const {
    return {.threads = threads, .places = places, .one_tenant = [tenants = options_.tenants] {
              return tenants == nullptr || tenants->has_one();
            }};
  }

  // What takes long has threads of its own, so that nothing short ever waits for it.
  WorkQueue& QueueFor(const Call& call) {
    const Endpoint& endpoint = *call.route.endpoint;
    if (endpoint.manage != nullptr && !endpoint.reads_store) {
      return endpoint.waits ? waiting_ : looking_;
    }
    return call.body_bytes > kLongBody ? long_reading_ : reading_;
  }

  static Problem ProblemOfRefusal(const AdmissionRefusal& refusal) {
    return {.status = 429,
            .message = refusal.message,
            .code = "rate_limit_exceeded",
            .retry_after_seconds = static_cast<double>(refusal.retry_after_seconds)};
  }

  // Finds out who asks, and whether they may.
  std::optional<Problem> Admit(Call& call) const {
    const Access access = call.route.endpoint->access;
    if (!has_keys() && access != Access::kOpen) {
      if (auto refusal = guard_.Refusal(call.request.headers, access == Access::kAdmin)) {
        return refusal;
      }
    }
    call.tenant = options_.tenants == nullptr
                      ? std::make_shared<const Tenant>(Tenant{.admin = true})
                      : options_.tenants->Find(BearerKey(call.request.headers));
    if (call.tenant == nullptr && access == Access::kOpen) {
      call.tenant = std::make_shared<const Tenant>(Tenant{.networks = {}});
      return std::nullopt;
    }
    if (call.tenant == nullptr) {
      return Problem{.status = 401,
                     .message = fmt::format("{}: send \"Authorization: Bearer KEY\"",
                                            BearerKey(call.request.headers).empty()
                                                ? "this server asks for a key, and none was sent"
                                                : "there is no such key"),
                     .code = "invalid_api_key"};
    }
    call.trace->SetTenant(call.tenant->name);
    if (access == Access::kAdmin && !call.tenant->admin) {
      return Problem{
          .status = 403,
          .message = fmt::format("{} needs an administrator's key", call.route.endpoint->path),
          .code = "forbidden"};
    }
    if (access == Access::kAdmin && !call.request.body.empty() && !IsJson(call.request.headers)) {
      return Problem{.status = 415,
                     .message = "a body under /admin needs \"Content-Type: application/json\"",
                     .code = "unsupported_media_type"};
    }
    // Reading a request takes time too: tokens, templates, grammars.
    if (options_.tenants != nullptr && call.route.endpoint->manage == nullptr) {
      AdmissionResult admitted = options_.tenants->Admit(*call.tenant);
      if (!admitted.ok()) {
        return ProblemOfRefusal(*admitted.refusal);
      }
      call.admission = std::move(admitted.admission);
    }
    return std::nullopt;
  }

  // Does a part of it on a thread that no library's exception may end: the request fails by it.
  template <class Part>
  static void OrFail(Call& call, const Part& part) {
    try {
      part();
    } catch (const std::exception& exception) {
      try {
        call.trace->SetException(ExceptionName(exception));
        call.Send(ErrorResponse(exception));
      } catch (const std::exception&) {  // whoever drops the call's responder answers with 500
      }
    }
  }

  void Answer(Call& call) {
    const Endpoint& endpoint = *call.route.endpoint;
    Json body = Json::Object();
    if (endpoint.method != "GET") {
      Result<Json> parsed = ParseJson(call.request.body.empty() ? "{}" : call.request.body);
      if (!parsed.ok()) {
        call.Send(ProblemOf(parsed.error().In("the body is no JSON")).Response());
        return;
      }
      body = *std::move(parsed);
      call.request.body = std::string();
    }
    if (endpoint.manage != nullptr) {
      const Result<Json> answer = Manage(call, body);
      // What the service takes in no more is of no part of the request.
      if (!answer.ok() && service_.draining() && ProblemOf(answer.error()).status == 429) {
        call.Send(ShuttingDown().Response());
      } else {
        call.Send(answer);
      }
      return;
    }
    const Result<Parameters> parameters = Parameters::Read(JsonCursor(body), endpoint.parameters);
    if (!parameters.ok()) {
      call.Send(ProblemOf(parameters.error()).Response());
      return;
    }
    const Result<RequestSetting> setting = Setting(call, *parameters);
    if (!setting.ok()) {
      call.Send(ProblemOf(setting.error()).Response());
    } else if (endpoint.reply != nullptr) {
      call.Send(endpoint.reply(*parameters, *setting));
    } else {
      Begin(call, *parameters, *setting);
    }
  }

  void Begin(Call& call, const Parameters& parameters, const RequestSetting& setting) {
    Result<std::unique_ptr<BegunRequest>> begun = service_.BeginRequest();
    if (!begun.ok()) {
      Problem problem = service_.draining() ? ShuttingDown() : ProblemOf(begun.error());
      problem.retry_after_seconds = static_cast<double>(service_.RetrySeconds(call.tenant->name));
      call.Send(problem.Response());
      return;
    }
    Result<Work> work = call.route.endpoint->work(parameters, setting);
    if (!work.ok()) {
      call.Send(ProblemOf(work.error()).Response());
      return;
    }
    if (options_.tenants != nullptr) {
      std::int64_t tokens = 0;
      for (const Generation& generation : work->generations) {
        tokens += std::ssize(generation.prompt) + generation.max_tokens * generation.continuations;
      }
      if (const auto refusal = options_.tenants->Charge(*call.tenant, tokens, call.admission)) {
        call.Send(ProblemOfRefusal(*refusal).Response());
        return;
      }
    }
    auto admission = std::make_shared<Admission>(std::move(call.admission));
    // The rest of what was read is short beside reading.
    StartWork({service_, reading_, call.tenant->name}, *std::move(begun), *std::move(work),
              call.responder,
              {.on_event = [trace = call.trace](
                               std::size_t index,
                               const GenerationEvent& event) { trace->OnEvent(index, event); },
               .on_end =
                   [trace = call.trace, admission](const WorkOutcome& outcome) {
                     admission->Settle(outcome.prompt_tokens + outcome.completion_tokens);
                     *admission = Admission();
                     trace->End(outcome);
                   }});
  }

  Result<Json> Manage(const Call& call, const Json& body) {
    const Endpoint& endpoint = *call.route.endpoint;
    ASHLAR_TRY(const Parameters parameters,
               Parameters::Read(JsonCursor(body), endpoint.parameters));
    return endpoint.manage(parameters, {.service = service_,
                                        .store = store_,
                                        .started = started_,
                                        .path_tail = call.route.tail,
                                        .tenant = *call.tenant,
                                        .tenants = options_.tenants,
                                        .metrics = options_.metrics});
  }

  // The network that a request names, or else the only one that there is for the tenant.
  Result<std::shared_ptr<const NetworkCard>> FindNetwork(const Call& call,
                                                         const Parameters& parameters) {
    std::string name = parameters.String("model", "");
    if (!parameters.Has("model")) {
      ASHLAR_TRY(std::vector<std::string> names, service_.cards().Names());
      std::erase_if(names, [&](const std::string& each) { return !call.tenant->MayUse(each); });
      if (names.size() != 1) {
        return Invalid("$.model: is required, since there are {} networks", names.size());
      }
      name = names.front();
    }
    return FindFor(*call.tenant, name, service_);
  }

  Result<RequestSetting> Setting(const Call& call, const Parameters& parameters) {
    const Tenant& tenant = *call.tenant;
    RequestSetting setting{.id = PlainId(call.request.id),
                           .created = std::time(nullptr),
                           .arrived_micros = call.arrived_micros,
                           .tenant = tenant.name,
                           .cache_scope = tenant.cache_scope(),
                           .any_precision = tenant.reuse_any_precision,
                           .priority = tenant.priority,
                           .constraints = &constraints_};
    ASHLAR_TRY(setting.network, FindNetwork(call, parameters));
    setting.max_positions = LongestFor(tenant, *setting.network, service_);
    setting.room = service_.RoomFor(*setting.network);
    call.trace->SetModel(setting.network->name);
    std::random_device random;
    // 53 bits: what every client reads back as it is.
    setting.seed = (std::uint64_t{random()} << 32 | random()) >> 11;
    return setting;
  }

  Service& service_;
  BlobStore& store_;
  const ApiOptions options_;
  const BrowserGuard guard_;
  std::int64_t started_;
  std::optional<ServerMetrics> metrics_;
  Constraints constraints_{service_.options().memory_bytes};
  // Last: their tasks use the others.
  WorkQueue reading_;
  WorkQueue long_reading_;
  WorkQueue looking_;  // at what is in memory: what operators ask when all else is busy
  WorkQueue waiting_;
};

Api::Api(Service& service, BlobStore& store, const ApiOptions& options)
    : state_(std::make_unique<State>(service, store, options)) {}

Api::~Api() = default;

void Api::Close() {
  state_->Close();
}

void Api::OnOwnAnswer(const HttpRequest& request, int status, const std::string& exception) {
  const std::shared_ptr<RequestTrace> trace = state_->NewTrace(request);
  trace->SetException(exception);
  trace->End(status);
}

void Api::Handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) {
  state_->Handle(std::move(request), std::move(responder));
}

}  // namespace ashlar
