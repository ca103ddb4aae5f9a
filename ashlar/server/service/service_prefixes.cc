#include <future>
#include <limits>

#include "ashlar/base/check.h"
#include "ashlar/server/service/service_state.h"
#include "ashlar/server/service/thrown.h"

namespace ashlar {

namespace {

constexpr std::int64_t kReadAgainMicros = 1'000'000;  // before a reading that failed is tried again

// Nothing but the reading of its prompt.
Generation PromptAlone(Generation generation) {
  generation.max_tokens = 0;
  generation.prompt_logprobs.reset();
  generation.embedding.reset();
  generation.constraint = nullptr;
  generation.continuations = 1;
  return generation;
}

}  // namespace

Status Service::State::ReadThen(Generation generation, std::function<Status(NetworkId)> then) {
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> result = answer->get_future();
  // One of the two answers: what was read has ended with kLength.
  const auto on_event = [answer](const GenerationEvent& event) {
    if (event.end != GenerationEnd::kNone && event.end != GenerationEnd::kLength) {
      answer->set_value(event.error ? *event.error
                                    : Conflict("the prompt was not read to its end"));
    }
  };
  ASHLAR_TRY(Submit(PromptAlone(std::move(generation)), on_event, nullptr,
                    [this, answer, then](NetworkId network) {
                      Status status = then(network);
                      PublishStatus();  // as Ask does
                      answer->set_value(std::move(status));
                    }));
  return result.get();
}

Result<PrefixStatus> Service::State::PinPrefix(Generation generation, PromptOf prompt_of) {
  KeptPrefix kept{.status = {.network = generation.network->name,
                             .cache_scope = generation.cache_scope,
                             .tokens = std::ssize(generation.prompt)},
                  .reading = PromptAlone(generation),
                  .prompt_of = std::move(prompt_of),
                  .tokenizer = generation.network->TokenizerFile()};
  kept.reading.priority = std::numeric_limits<int>::min();  // when it is read again
  kept.reading.deadline_micros = 0;
  ASHLAR_TRY(ReadThen(std::move(generation), [&](NetworkId network) -> Status {
    ASHLAR_TRY(HoldPrefix(kept, network));
    kept.status.id = PrefixId{next_prefix_++};
    prefixes_.emplace(kept.status.id, kept);
    return {};
  }));
  return kept.status;
}

Status Service::State::UnpinPrefix(PrefixId prefix) {
  return Ask([this, prefix](const std::function<void(Status)>& answer) {
    const auto found = prefixes_.find(prefix);
    if (found == prefixes_.end()) {
      answer(NotFound("no prefix {} is pinned", static_cast<std::uint64_t>(prefix)));
      return;
    }
    LetGo(found->second);
    prefixes_.erase(found);
    answer({});
  });
}

std::vector<PrefixStatus> Service::State::PinnedPrefixes() {
  std::vector<PrefixStatus> prefixes;
  [[maybe_unused]] const Status asked =
      Ask([this, &prefixes](const std::function<void(Status)>& answer) {
        for (const auto& [id, kept] : prefixes_) {
          prefixes.push_back(kept.status);
        }
        answer({});
      });
  return prefixes;
}

// Requires: its pages are cached, or this is kNotFound.
Status Service::State::HoldPrefix(KeptPrefix& kept, NetworkId network) {
  ASHLAR_TRY(
      const PinnedPrefix pinned,
      engine_.PinPrefix(network, kept.reading.prompt, CacheScopeNumber(kept.reading.cache_scope)));
  kept.pin = pinned.id;
  kept.status.plan = engine_.PlanOf(network);
  kept.status.positions = pinned.positions;
  kept.status.bytes = pinned.bytes;
  kept.status.failure.reset();
  return {};
}

void Service::State::LetGo(KeptPrefix& kept) {
  if (kept.pin) {
    CHECK(engine_.UnpinPrefix(*std::exchange(kept.pin, std::nullopt)).ok());
    kept.status.plan = 0;
    kept.status.positions = 0;
    kept.status.bytes = 0;
  }
}

// A prefix is of whatever its name names, which shows when that is asked for. (What was asked for
// before the name moved goes on with the older network beside the newer one.)
void Service::State::MovePrefixes(const std::shared_ptr<const NetworkCard>& card) {
  for (auto& [id, kept] : prefixes_) {
    if (kept.status.network != card->name || kept.reading.network->number >= card->number) {
      continue;
    }
    if (KeyOf(*std::exchange(kept.reading.network, card)) != KeyOf(*card)) {
      LetGo(kept);
      kept.status.failure.reset();
      kept.read_after = 0;
      WritePrefix(id, kept);
    }
  }
}

// By the tokenizer of its network, where that is another one: on the thread that network waits for.
void Service::State::WritePrefix(PrefixId id, KeptPrefix& kept) {
  const std::shared_ptr<const NetworkCard> card = kept.reading.network;
  if (kept.tokenizer == card->TokenizerFile()) {
    return;
  }
  if (kept.prompt_of == nullptr) {
    FailPrefix(kept, Invalid("it was pinned as token ids, and network \"{}\" has another tokenizer "
                             "now: unpin it, and pin it as text or by ids of that one",
                             card->name));
    return;
  }
  loader_.Post([this, id, card, prompt_of = kept.prompt_of] {
    Post([this, id, card, prompt = internal::OrThrown([&] { return prompt_of(*card); })] {
      const auto found = prefixes_.find(id);
      if (found == prefixes_.end() || KeyOf(*found->second.reading.network) != KeyOf(*card)) {
        return;
      }
      if (!prompt.ok()) {
        FailPrefix(found->second, prompt.error());
        return;
      }
      found->second.reading.prompt = *prompt;
      found->second.status.tokens = std::ssize(*prompt);
      found->second.tokenizer = card->TokenizerFile();
    });
  });
}

void Service::State::FailPrefix(KeptPrefix& kept, const Error& error) {
  const bool known = kept.status.failure && kept.status.failure->message == error.message;
  kept.status.failure = error;
  if (!known && observer_.on_failure) {
    observer_.on_failure(
        error.In(fmt::format("the pinned prefix {} of network \"{}\"",
                             static_cast<std::uint64_t>(kept.status.id), kept.status.network)));
  }
}

// Pages of a plan that is no more serve nobody. Those of the new one are held as soon as some
// request has left them, or else read when nothing else is to be done. (While its network is not
// loaded a prefix is as it was: it may come again as it went.)
void Service::State::FollowPrefixes() {
  const std::int64_t now = Now();
  if (prefixes_.empty() || now - followed_prefixes_at_ < kLookMicros) {
    return;
  }
  followed_prefixes_at_ = now;
  for (auto& [id, kept] : prefixes_) {
    const auto found = residents_.find(KeyOf(*kept.reading.network));
    if (found == residents_.end() || found->second.state != Residency::kLoaded) {
      continue;
    }
    const Resident& resident = found->second;
    if (kept.pin && kept.status.plan != engine_.PlanOf(resident.id)) {
      LetGo(kept);
    }
    const bool written = kept.tokenizer == resident.card->TokenizerFile();
    if (!kept.pin && written && !HoldPrefix(kept, resident.id).ok() && jobs_.empty() && !full_ &&
        !draining && now >= kept.read_after) {
      ReadPrefix(id, kept);
      return;  // one after the other: the next when this one has been read
    }
  }
}

void Service::State::ReadPrefix(PrefixId id, KeptPrefix& kept) {
  kept.read_after = Now() + kReadAgainMicros;
  const auto fail = [this, id, key = KeyOf(*kept.reading.network)](const Error& error) {
    const auto found = prefixes_.find(id);
    const bool passes = error.code == ErrorCode::kConflict;  // others are in the way
    if (found != prefixes_.end() && !found->second.pin && !passes &&
        KeyOf(*found->second.reading.network) == key) {  // it has not moved
      FailPrefix(found->second, error);
    }
  };
  const Result<GenerationId> reading = Submit(
      kept.reading,
      [this, fail](const GenerationEvent& event) {
        if (event.error) {
          Post([fail, error = *event.error] { fail(error); });
        }
      },
      nullptr,
      [this, id, fail](NetworkId network) {
        const auto found = prefixes_.find(id);
        if (found == prefixes_.end() || found->second.pin) {
          return;
        }
        const auto resident = residents_.find(KeyOf(*found->second.reading.network));
        if (resident != residents_.end() && resident->second.id == network) {  // it has not moved
          if (const Status held = HoldPrefix(found->second, network); !held.ok()) {
            fail(held.error());
          }
        }
      });
  if (!reading.ok()) {
    fail(reading.error());
  }
}

Result<Session> Service::State::SaveSession(Generation generation) {
  const std::vector<std::int32_t> tokens = generation.prompt;
  const std::uint64_t scope = CacheScopeNumber(generation.cache_scope);
  Session session;
  ASHLAR_TRY(ReadThen(std::move(generation), [&](NetworkId network) -> Status {
    Result<Session> saved = engine_.SaveSession(network, tokens, scope);
    if (!saved.ok() && saved.error().code == ErrorCode::kNotFound) {  // though it was just read
      return Invalid("a session of {} tokens has no whole page", tokens.size());
    }
    ASHLAR_TRY(session, std::move(saved));
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
