// A little language for tests of the service: small networks that spell, and what was heard.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/base/json.h"
#include "ashlar/runtime/testing_networks.h"
#include "ashlar/server/service/service.h"

namespace ashlar::testing_service {

// A tokenizer whose tokens are the printable ASCII characters, id 0 for the first of `letters`; the
// last of its 96 is the special token "<end>".
inline std::string TokenizerOf(std::string_view letters) {
  Json vocabulary = Json::Object();
  for (int id = 0; id < 95; ++id) {
    vocabulary.Set(std::string(1, letters[static_cast<std::size_t>(id)]), id);
  }
  return WriteJson(Json::Of(
      {{"version", "1.0"},
       {"added_tokens", Json::Array{Json::Of({{"id", 95},
                                              {"content", "<end>"},
                                              {"single_word", false},
                                              {"lstrip", false},
                                              {"rstrip", false},
                                              {"normalized", false},
                                              {"special", true}})}},
       {"normalizer", nullptr},
       {"pre_tokenizer", nullptr},
       {"post_processor", nullptr},
       {"decoder", Json::Of({{"type", "Fuse"}})},
       {"model", Json::Of({{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::Array{}}})}}));
}

inline std::string PrintableLetters() {
  std::string letters;
  for (char c = ' '; c <= '~'; ++c) {
    letters += c;
  }
  return letters;
}
// Id 0 is the space.
inline std::string SpellingTokenizer() {
  return TokenizerOf(PrintableLetters());
}
// The space is the last one.
inline std::string BackwardTokenizer() {
  const std::string letters = PrintableLetters();
  return TokenizerOf(std::string(letters.rbegin(), letters.rend()));
}

// A random network of 96 tokens that spells. It has no end token.
inline Network SpellingNetwork(BlobStore& store, const testing_networks::LlamaSpec& spec) {
  Network network = testing_networks::RandomLlama(store, spec);
  const std::string tokenizer = SpellingTokenizer();
  network.files["tokenizer.json"] = {*store.Put(std::as_bytes(std::span(tokenizer))),
                                     tokenizer.size()};
  return network;
}

inline std::vector<std::int32_t> Spelled(std::string_view text) {
  std::vector<std::int32_t> ids;
  for (const char c : text) {
    ids.push_back(c - ' ');
  }
  return ids;
}

// Slows a service down after so many steps: what a test is to find running runs on then, however
// late the test's own thread is. Outlives the service, whose observer passes it before each step.
// Thread-safe.
class Brake {
 public:
  // From here on so many steps take what they take, and all further ones long.
  void After(std::int64_t steps) {
    const std::lock_guard lock(mutex_);
    left_ = steps;
    changed_.notify_all();
  }
  void Release() { After(std::numeric_limits<std::int64_t>::max()); }
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(200), [this] { return left_ > 0; });
    left_ -= left_ > 0 ? 1 : 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t left_ = std::numeric_limits<std::int64_t>::max();
};

// What one continuation has said.
struct Heard {
  std::string text;
  std::vector<SampledToken> tokens;
  GenerationEnd end = GenerationEnd::kNone;
  std::string stop_string;
  std::optional<SampledToken> stop_token;
  std::optional<Error> error;
  GenerationUsage usage;
  std::vector<PromptLogprob> prompt_logprobs;
  std::vector<float> embedding;
  int ends = 0;
  bool spoke_after_its_end = false;

  std::vector<std::int32_t> ids() const {
    std::vector<std::int32_t> ids;
    for (const SampledToken& token : tokens) {
      ids.push_back(token.token);
    }
    return ids;
  }
};

// Listens to one generation. Thread-safe.
class Ear {
 public:
  GenerationListener listener() {
    return [this](GenerationEvent event) {
      const std::lock_guard lock(mutex_);
      Heard& heard = heard_[event.continuation];
      heard.spoke_after_its_end |= heard.end != GenerationEnd::kNone;
      heard.text += event.text;
      heard.tokens.insert(heard.tokens.end(), event.tokens.begin(), event.tokens.end());
      heard.end = event.end;
      heard.ends += event.end != GenerationEnd::kNone ? 1 : 0;
      heard.stop_string += event.stop_string;
      heard.stop_token = event.stop_token;
      heard.usage = event.usage;
      if (event.error) {
        heard.error = event.error;
      }
      if (!event.prompt_logprobs.empty()) {
        heard.prompt_logprobs = std::move(event.prompt_logprobs);
      }
      if (!event.embedding.empty()) {
        heard.embedding = std::move(event.embedding);
      }
      changed_.notify_all();  // under the lock: who waits may end this ear
    };
  }
  // Waits for the end of a continuation.
  Heard Wait(int continuation = 0) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return heard_[continuation].end != GenerationEnd::kNone; });
    return heard_[continuation];
  }
  // Waits until it has said so many tokens, or has ended.
  void WaitForTokens(std::size_t count, int continuation = 0) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const Heard& heard = heard_[continuation];
      return heard.tokens.size() >= count || heard.end != GenerationEnd::kNone;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, Heard> heard_;
};

}  // namespace ashlar::testing_service
