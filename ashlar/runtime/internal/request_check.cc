#include "ashlar/runtime/internal/request_check.h"

#include <algorithm>

#include "ashlar/plan/plan.h"

namespace ashlar::internal {

Status CheckRequest(const Request& request, const LoadedNetwork& network, const PageRoom& room) {
  const auto length = static_cast<std::int64_t>(request.prompt.size());
  if (length == 0) {
    return Invalid("the prompt is empty; it needs at least one token");
  }
  if (request.max_tokens < 0 || request.max_tokens > network.max_positions) {
    return Invalid("max_tokens must be in [0, {}], not {}", network.max_positions,
                   request.max_tokens);
  }
  if (length > network.max_positions - request.max_tokens) {
    return Invalid("a prompt of {} tokens and {} new ones pass the limit of {} positions", length,
                   request.max_tokens, network.max_positions);
  }
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    const std::int32_t token = request.prompt[i];
    if (token < 0 || token >= network.token_limit) {
      return Invalid("prompt token {} is {}, but the network's ids are in [0, {})", i, token,
                     network.token_limit);
    }
  }
  ASHLAR_TRY(request.sampling.Check(network.logits));
  if (request.hidden_states && (!request.prompt_logits || request.max_tokens != 0)) {
    return Invalid("hidden_states needs prompt_logits, and max_tokens 0, not {}",
                   request.max_tokens);
  }
  if (request.hidden_states && network.hidden == 0) {
    return Invalid("the network's last node reads tokens: it has no hidden states");
  }
  const std::uint64_t page_bytes = network.StateBytes(length + request.max_tokens);
  if (page_bytes > room.most - std::min(room.most, room.pinned)) {
    return Exhausted(
        "{} positions need {} of state pages, but the budget of all pages is {}, of which pinned "
        "prefixes have {}",
        length + request.max_tokens, FormatBytes(page_bytes), FormatBytes(room.most),
        FormatBytes(room.pinned));
  }
  return {};
}

}  // namespace ashlar::internal
