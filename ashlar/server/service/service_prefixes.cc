#include <algorithm>
#include <future>

#include "ashlar/server/service/service_state.h"

namespace ashlar {

Status Service::State::ReadThen(Generation generation, std::function<Status(NetworkId)> then) {
  generation.max_tokens = 0;
  generation.prompt_logprobs.reset();
  generation.hidden_states = false;
  generation.constraint = nullptr;
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> result = answer->get_future();
  // One of the two answers: what was read has ended with kLength.
  const auto on_event = [answer](const GenerationEvent& event) {
    if (event.end != GenerationEnd::kNone && event.end != GenerationEnd::kLength) {
      answer->set_value(event.error ? *event.error
                                    : Conflict("the prompt was not read to its end"));
    }
  };
  ASHLAR_TRY(Submit(std::move(generation), on_event,
                    [answer, then](NetworkId network) { answer->set_value(then(network)); }));
  return result.get();
}

Result<PrefixStatus> Service::State::PinPrefix(Generation generation) {
  PrefixStatus prefix{.network = generation.network->name,
                      .cache_scope = generation.cache_scope,
                      .tokens = std::ssize(generation.prompt)};
  const std::vector<std::int32_t> tokens = generation.prompt;
  ASHLAR_TRY(ReadThen(std::move(generation), [&](NetworkId network) -> Status {
    ASHLAR_TRY(const PinnedPrefix pinned,
               engine_.PinPrefix(network, tokens, CacheScopeNumber(prefix.cache_scope)));
    prefix.id = pinned.id;
    prefix.positions = pinned.positions;
    prefix.bytes = pinned.bytes;
    prefixes_.emplace(prefix.id, prefix);
    return {};
  }));
  return prefix;
}

Status Service::State::UnpinPrefix(PrefixId prefix) {
  return Ask([this, prefix](const std::function<void(Status)>& answer) {
    prefixes_.erase(prefix);
    answer(engine_.UnpinPrefix(prefix));
  });
}

std::vector<PrefixStatus> Service::State::PinnedPrefixes() {
  std::vector<PrefixStatus> prefixes;
  [[maybe_unused]] const Status asked =
      Ask([this, &prefixes](const std::function<void(Status)>& answer) {
        for (const auto& [id, prefix] : prefixes_) {
          prefixes.push_back(prefix);
        }
        answer({});
      });
  return prefixes;
}

Result<Session> Service::State::SaveSession(Generation generation) {
  const std::vector<std::int32_t> tokens = generation.prompt;
  const std::uint64_t scope = CacheScopeNumber(generation.cache_scope);
  Session session;
  ASHLAR_TRY(ReadThen(std::move(generation), [&](NetworkId network) -> Status {
    ASHLAR_TRY(session, engine_.SaveSession(network, tokens, scope));
    return {};
  }));
  return session;
}

Result<std::int64_t> Service::State::RestoreSession(const std::shared_ptr<const NetworkCard>& card,
                                                    const Session& session,
                                                    const std::string& cache_scope) {
  std::int64_t positions = 0;
  ASHLAR_TRY(Ask([&](std::function<void(Status)> answer) {
    const auto restore = [this, &card, &session, &cache_scope, &positions,
                          answer = std::move(answer)](const Status& loaded) {
      answer([&]() -> Status {
        ASHLAR_TRY(loaded);
        ASHLAR_TRY(positions, engine_.RestoreSession(ResidentFor(card).id, session,
                                                     CacheScopeNumber(cache_scope)));
        return {};
      }());
    };
    Resident& resident = ResidentFor(card);
    if (resident.state == Residency::kLoaded) {
      restore({});
    } else {
      Want(resident, {.generation = {}, .tell = restore});
    }
  }));
  return positions;
}

}  // namespace ashlar
