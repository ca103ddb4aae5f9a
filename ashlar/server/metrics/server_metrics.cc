#include "ashlar/server/metrics/server_metrics.h"

#include <ctime>

#include "ashlar/server/memory/memory_readings.h"

namespace ashlar {
namespace {

const LabelNames kByModelAndTenant = {"model", "tenant"};

}  // namespace

ServerMetrics::ServerMetrics(Metrics& metrics)
    : requests_(metrics.Counters("ashlar_requests_total", "Requests that were answered.",
                                 {"model", "tenant", "status"})),
      ends_(metrics.Counters("ashlar_request_success_total",
                             "Requests that were answered with tokens to their end, by why these "
                             "ended.",
                             {"model", "tenant", "finished_reason"})),
      prompt_tokens_(
          metrics.Counters("ashlar_prompt_tokens_total", "Tokens of prompts.", kByModelAndTenant)),
      completion_tokens_(metrics.Counters("ashlar_generation_tokens_total",
                                          "Tokens that were generated.", kByModelAndTenant)),
      prefix_queries_(metrics.Counters(
          "ashlar_prefix_cache_queries_total",
          "Tokens of prompts that were looked for in the prefix cache.", kByModelAndTenant)),
      prefix_hits_(metrics.Counters("ashlar_prefix_cache_hits_total",
                                    "Tokens of prompts that were found in the prefix cache.",
                                    kByModelAndTenant)),
      first_token_(metrics.Histograms("ashlar_time_to_first_token_seconds",
                                      "From a request to the first token of its answer.",
                                      kRequestSeconds, kByModelAndTenant)),
      token_gaps_(metrics.Histograms("ashlar_inter_token_latency_seconds",
                                     "Between two tokens of one answer.", kTokenSeconds,
                                     kByModelAndTenant)),
      request_(metrics.Histograms("ashlar_e2e_request_latency_seconds",
                                  "From a request to the end of its answer.", kRequestSeconds,
                                  kByModelAndTenant)),
      queue_(metrics.Histograms("ashlar_request_queue_time_seconds",
                                "From a request to the first step that worked on it.",
                                kRequestSeconds, kByModelAndTenant)),
      prefill_(
          metrics.Histograms("ashlar_request_prefill_time_seconds",
                             "From the first step that worked on a request to its first token.",
                             kRequestSeconds, kByModelAndTenant)),
      decode_(metrics.Histograms("ashlar_request_decode_time_seconds",
                                 "From the first token of an answer to its end.", kRequestSeconds,
                                 kByModelAndTenant)),
      prompt_sizes_(metrics.Histograms("ashlar_request_prompt_tokens",
                                       "Tokens of a request's prompts.", kTokenCounts,
                                       kByModelAndTenant)),
      answer_tokens_(metrics.Histograms("ashlar_request_generation_tokens", "Tokens of one answer.",
                                        kTokenCounts, kByModelAndTenant)) {}

void ServerMetrics::OnRequestEnd(const RequestReport& report) {
  const LabelValues labels = {report.model, report.tenant};
  requests_.With({report.model, report.tenant, fmt::format("{}", report.status)}).Add();
  request_.With(labels).Observe(report.total_seconds);
  if (report.prompt_tokens > 0) {
    prompt_tokens_.With(labels).Add(static_cast<std::uint64_t>(report.prompt_tokens));
    prefix_queries_.With(labels).Add(static_cast<std::uint64_t>(report.prompt_tokens));
    prefix_hits_.With(labels).Add(static_cast<std::uint64_t>(report.cached_tokens));
    prompt_sizes_.With(labels).Observe(static_cast<double>(report.prompt_tokens));
  }
  if (report.completion_tokens > 0) {  // those of an answer that failed were generated, too
    completion_tokens_.With(labels).Add(static_cast<std::uint64_t>(report.completion_tokens));
    if (constexpr int kOk = 200; report.status == kOk) {
      ends_.With({report.model, report.tenant, report.finish_reason}).Add();
    }
  }
  if (report.queue_seconds) {
    queue_.With(labels).Observe(*report.queue_seconds);
  }
  if (report.first_token_seconds) {
    first_token_.With(labels).Observe(*report.first_token_seconds);
    decode_.With(labels).Observe(report.total_seconds - *report.first_token_seconds);
  }
  if (report.prefill_seconds) {
    prefill_.With(labels).Observe(*report.prefill_seconds);
  }
}

void SampleProcess(Metrics& metrics) {
  metrics.Sampled("process_resident_memory_bytes", "Memory of the process that is resident.",
                  SampledType::kGauge, [] { return static_cast<double>(ResidentBytes()); });
  metrics.Sampled("process_start_time_seconds", "When it began, in seconds since 1970.",
                  SampledType::kGauge,
                  [began = std::time(nullptr)] { return static_cast<double>(began); });
}

void SampleHttpServer(Metrics& metrics, const HttpServer& server) {
  struct Row {
    const char* name;
    const char* help;
    SampledType type;
    std::uint64_t HttpServerCounts::*count;
  };
  constexpr Row kRows[] = {
      {"ashlar_http_connections", "Open connections.", SampledType::kGauge,
       &HttpServerCounts::connections},
      {"ashlar_http_requests_active", "Requests that are being answered.", SampledType::kGauge,
       &HttpServerCounts::requests},
      {"ashlar_http_connections_accepted_total", "Connections that were accepted.",
       SampledType::kCounter, &HttpServerCounts::accepted_connections},
      {"ashlar_http_connections_refused_total",
       "Connections over the limit, or for which no file was left.", SampledType::kCounter,
       &HttpServerCounts::refused_connections},
      {"ashlar_http_requests_refused_total",
       "Requests that were malformed, over a limit, or too slow.", SampledType::kCounter,
       &HttpServerCounts::refused_requests},
      {"ashlar_http_streams_cut_total", "Answers whose client read too slowly.",
       SampledType::kCounter, &HttpServerCounts::cut_streams},
  };
  for (const Row& row : kRows) {
    metrics.Sampled(row.name, row.help, row.type, [&server, count = row.count] {
      return static_cast<double>(server.counts().*count);
    });
  }
}

}  // namespace ashlar
