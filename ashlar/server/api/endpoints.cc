#include <algorithm>

#include "ashlar/server/api/chat.h"
#include "ashlar/server/api/completions.h"
#include "ashlar/server/api/constraints.h"
#include "ashlar/server/api/embeddings.h"
#include "ashlar/server/api/endpoint.h"
#include "ashlar/server/api/kept_prompts.h"
#include "ashlar/server/api/management.h"
#include "ashlar/server/api/responses.h"
#include "ashlar/server/api/tokens.h"

namespace ashlar {
namespace {

constexpr const ParameterPart* kChatTable[] = {
    &kModelParameter,   &kTemplateParameters, &kChatParameters,    &kGuideParameters,
    &kStreamParameters, &kCountParameter,     &kSamplingParameters};
constexpr const ParameterPart* kCompletionTable[] = {&kModelParameter,  &kCompletionParameters,
                                                     &kGuideParameters, &kStreamParameters,
                                                     &kCountParameter,  &kSamplingParameters};
constexpr const ParameterPart* kResponsesTable[] = {&kModelParameter, &kResponsesParameters,
                                                    &kGuideParameters, &kSamplingParameters};
constexpr const ParameterPart* kInfillTable[] = {&kModelParameter, &kInfillParameters,
                                                 &kStreamParameters, &kCountParameter,
                                                 &kSamplingParameters};
constexpr const ParameterPart* kEmbeddingTable[] = {&kModelParameter, &kEmbeddingParameters};
constexpr const ParameterPart* kRerankTable[] = {&kModelParameter, &kRerankParameters};
constexpr const ParameterPart* kScoreTable[] = {&kModelParameter, &kScoreParameters};
constexpr const ParameterPart* kTokenizeTable[] = {&kModelParameter, &kTokenizeParameters};
constexpr const ParameterPart* kDetokenizeTable[] = {&kModelParameter, &kDetokenizeParameters};
constexpr const ParameterPart* kTemplateTable[] = {&kModelParameter, &kTemplateParameters};
constexpr const ParameterPart* kLoadTable[] = {&kLoadParameters};
constexpr const ParameterPart* kUnloadTable[] = {&kUnloadParameters};
constexpr const ParameterPart* kPinTable[] = {&kPinParameters};
constexpr const ParameterPart* kDeriveTable[] = {&kDeriveParameters};
constexpr const ParameterPart* kPinPrefixTable[] = {&kScopeParameters, &kPromptParameters};
constexpr const ParameterPart* kSaveTable[] = {&kScopeParameters, &kPromptParameters,
                                               &kSessionParameters};
constexpr const ParameterPart* kRestoreTable[] = {&kScopeParameters, &kSessionParameters};
constexpr const ParameterPart* kBudgetTable[] = {&kBudgetParameters};
constexpr const ParameterPart* kDrainTable[] = {&kDrainParameters};

constexpr Endpoint kEndpoints[] = {
    {.method = "POST",
     .path = "/v1/chat/completions",
     .summary = "The next message of a conversation.",
     .answer = "`chat.completion`, or a stream of `chat.completion.chunk`",
     .parameters = kChatTable,
     .work = ReadChat},
    {.method = "POST",
     .path = "/v1/completions",
     .summary = "What follows a text.",
     .answer = "`text_completion`, or a stream of them",
     .parameters = kCompletionTable,
     .work = ReadCompletion},
    {.method = "POST",
     .path = "/v1/responses",
     .summary = "A response to messages and results of tools; nothing is kept between requests.",
     .answer = "`response`, or a stream of named events",
     .parameters = kResponsesTable,
     .work = ReadResponses},
    {.method = "POST",
     .path = "/v1/embeddings",
     .summary = "A vector for each text.",
     .answer = "a `list` of `embedding`",
     .parameters = kEmbeddingTable,
     .work = ReadEmbeddings},
    {.method = "POST",
     .path = "/v1/rerank",
     .summary = "Documents in the order in which they answer a query.",
     .answer = "`results` of `{index, relevance_score}`, best first",
     .parameters = kRerankTable,
     .work = ReadRerank},
    {.method = "POST",
     .path = "/v1/score",
     .summary = "How well pairs of texts go together.",
     .answer = "a `list` of `score`",
     .parameters = kScoreTable,
     .work = ReadScore},
    {.method = "POST",
     .path = "/infill",
     .summary = "What stands between two texts, where the network's vocabulary has marks for it.",
     .answer = "`text_completion`, or a stream of them",
     .parameters = kInfillTable,
     .work = ReadInfill},
    {.method = "POST",
     .path = "/tokenize",
     .summary = "The tokens of a text.",
     .answer = "`{tokens, count, max_model_len}`",
     .parameters = kTokenizeTable,
     .reply = Tokenize},
    {.method = "POST",
     .path = "/detokenize",
     .summary = "The text of tokens.",
     .answer = "`{content}`",
     .parameters = kDetokenizeTable,
     .reply = Detokenize},
    {.method = "POST",
     .path = "/apply-template",
     .summary = "The prompt that a conversation becomes.",
     .answer = "`{prompt}`",
     .parameters = kTemplateTable,
     .reply = ApplyTemplate},
    {.method = "GET",
     .path = "/v1/models",
     .summary = "The networks of the store, each with its context (`max_model_len`).",
     .answer = "a `list` of `model`",
     .reads_store = true,
     .manage = ListModels},
    {.method = "GET",
     .path = "/v1/models/{id}",
     .summary = "One of them, with its digest, its size and its context.",
     .answer = "`model`",
     .reads_store = true,
     .manage = ShowModel},
    {.method = "GET",
     .path = "/health",
     .access = Access::kOpen,
     .summary = "Whether requests are taken: 200, or 503 while the server shuts down.",
     .answer = "`{status}`",
     .manage = ShowReady},
    {.method = "GET",
     .path = "/health/ready",
     .access = Access::kOpen,
     .summary = "The same.",
     .answer = "`{status}`",
     .manage = ShowReady},
    {.method = "GET",
     .path = "/health/live",
     .access = Access::kOpen,
     .summary = "Whether the process answers at all.",
     .answer = "`{status}`",
     .manage = ShowLive},
    {.method = "GET",
     .path = "/metrics",
     .access = Access::kAdmin,
     .summary = "Counters, gauges and histograms for Prometheus, by model and tenant.",
     .answer = "text (exposition format 0.0.4)",
     .content_type = Metrics::kContentType,
     .manage = ShowMetrics},
    {.method = "GET",
     .path = "/admin/networks",
     .access = Access::kAdmin,
     .summary =
         "Every network of the store, with what it takes in memory: all its bytes, and those "
         "that no other loaded network has.",
     .answer = "`networks`",
     .manage = ListNetworks},
    {.method = "GET",
     .path = "/admin/status",
     .access = Access::kAdmin,
     .summary = "Budgets and what is used of them, the prefix cache, the engine's counters.",
     .answer = "`{running, waiting, weights, pages, prompts, engine}`",
     .manage = ShowStatus},
    {.method = "POST",
     .path = "/admin/networks/load",
     .access = Access::kAdmin,
     .summary = "Loads a network before somebody asks for it.",
     .answer = "`{model, state, kv_format}`",
     .parameters = kLoadTable,
     .waits = true,
     .manage = LoadNetwork},
    {.method = "POST",
     .path = "/admin/networks/unload",
     .access = Access::kAdmin,
     .summary = "Unloads a network that nobody uses; 409 while somebody does.",
     .answer = "`{model, state}`",
     .parameters = kUnloadTable,
     .waits = true,
     .manage = UnloadNetwork},
    {.method = "POST",
     .path = "/admin/networks/pin",
     .access = Access::kAdmin,
     .summary = "Keeps a network loaded, or no longer: then all that was asked for by this name, "
                "also before its tag moved or its format of state changed. 409 where it was "
                "unpinned while it was being loaded.",
     .answer = "`{model, pinned}`",
     .parameters = kPinTable,
     .waits = true,
     .manage = PinNetwork},
    {.method = "POST",
     .path = "/admin/networks/derive",
     .access = Access::kAdmin,
     .summary =
         "Makes a network from another by transforms, as `ashlar derive` does; 409 when there is "
         "one of its name.",
     .answer = "`{model, digest, parameters, added_manifest_bytes, remarks}`",
     .parameters = kDeriveTable,
     .waits = true,
     .manage = DeriveNetwork},
    {.method = "GET",
     .path = "/admin/budget",
     .access = Access::kAdmin,
     .summary = "The budget of the process's memory, how it is divided, and the plans that follow.",
     .answer = "`{bytes, follows_system, floor_bytes, full, weights, pages, resizes, refused, "
               "plans}`",
     .manage = ShowBudget},
    {.method = "PATCH",
     .path = "/admin/budget",
     .access = Access::kAdmin,
     .summary = "Changes the budget while requests run. When it answers, what has no room any more "
                "is gone: cached prompts, networks that nobody uses, levels of weights. What has "
                "room again returns little by little. 400 where the program alone takes more, 409 "
                "where the budget follows the system.",
     .answer = "the same, and `old_bytes`",
     .parameters = kBudgetTable,
     .waits = true,
     .manage = SetBudget},
    {.method = "POST",
     .path = "/admin/prefixes",
     .access = Access::kAdmin,
     .summary = "Reads the beginning of prompts to come, such as a system prompt, and keeps it "
                "cached until it is let go. All of them may have half of `--pages`: 503 beyond.",
     .answer = "`{id, model, tenant, prompt_tokens, cached_tokens, plan, bytes, failure}`",
     .parameters = kPinPrefixTable,
     .waits = true,
     .manage = PinPrefix},
    {.method = "GET",
     .path = "/admin/prefixes",
     .access = Access::kAdmin,
     .summary = "What is kept so.",
     .answer =
         "`prefixes`, each as when it was pinned, by the plan of its network; null while that "
         "has to read it again, with the reason in `failure` where it cannot",
     .waits = true,
     .manage = ListPrefixes},
    {.method = "DELETE",
     .path = "/admin/prefixes/{id}",
     .access = Access::kAdmin,
     .summary = "Lets a prefix go: it stays cached until its memory is wanted.",
     .answer = "`{id, deleted}`",
     .waits = true,
     .manage = UnpinPrefix},
    {.method = "POST",
     .path = "/admin/sessions/save",
     .access = Access::kAdmin,
     .summary = "Saves what was computed for a prompt to a file (docs/formats/session.md), reading "
                "what of it is not cached.",
     .answer = "`{model, file, prompt_tokens, bytes}`",
     .parameters = kSaveTable,
     .waits = true,
     .manage = SaveSession},
    {.method = "POST",
     .path = "/admin/sessions/restore",
     .access = Access::kAdmin,
     .summary =
         "Puts what was saved into the cache, in this or another process: prompts that begin "
         "with its tokens find it, to the same bits. 400 when the network, the format of its "
         "state or the kernels are others, or bytes of the file.",
     .answer = "`{model, file, prompt_tokens, cached_tokens}`",
     .parameters = kRestoreTable,
     .waits = true,
     .manage = RestoreSession},
    {.method = "POST",
     .path = "/admin/drain",
     .access = Access::kAdmin,
     .summary = "Takes no more requests, and answers when those that run have ended.",
     .answer = "`{drained, cancelled}`",
     .parameters = kDrainTable,
     .waits = true,
     .manage = DrainServer},
};

}  // namespace

std::int64_t LongestFor(const Tenant& tenant, const NetworkCard& network, const Service& service) {
  const std::int64_t possible = service.ContextOf(network);
  const std::int64_t allowed = tenant.limits.context_length;
  return allowed == 0 ? possible : std::min(possible, allowed);
}

Result<std::shared_ptr<const NetworkCard>> FindFor(const Tenant& tenant, const std::string& name,
                                                   Service& service) {
  const Error none = NotFound("$.model: there is no network {}", QuoteForError(name));
  if (!tenant.MayUse(name)) {
    return none;
  }
  Result<std::shared_ptr<const NetworkCard>> card = service.cards().Find(name);
  return !card.ok() && card.error().code == ErrorCode::kNotFound ? none : card;
}

std::span<const Endpoint> AllEndpoints() {
  return kEndpoints;
}

}  // namespace ashlar
