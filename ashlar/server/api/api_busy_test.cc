// What a server does for one while it is busy for another, and what of a request counts that was
// cut short.
#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/clock.h"
#include "ashlar/base/test_time.h"
#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

constexpr std::string_view kToken = R"({"model": "plain", "prompt": "a", "max_tokens": 1})";

// A door that is open or shut.
class Door {
 public:
  void Set(bool open) {
    open_ = open;
    open_.notify_all();
  }
  void Pass() {
    ++before_;
    open_.wait(false);
  }
  int count() const { return before_; }  // that came so far
  void WaitForSomebody(int count = 1) const {
    while (before_ < count) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  std::atomic<bool> open_ = true;
  std::atomic<int> before_ = 0;
};

// A store whose tags are read through a door.
class SlowStore final : public PassingStore {
 public:
  SlowStore(BlobStore& base, Door& door) : PassingStore(base), door_(door) {}
  Result<Tags> ReadTags() const override {
    door_.Pass();
    return PassingStore::ReadTags();
  }

 private:
  Door& door_;
};

std::shared_ptr<HeardResponder> BeginOf(Api& api, std::string_view path, std::string_view body,
                                        const std::string& key = "") {
  auto responder = std::make_shared<HeardResponder>();
  api.Handle({.method = body.empty() ? "GET" : "POST",
              .path = std::string(path),
              .headers = {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + key}},
              .body = std::string(body),
              .id = "x"},
             responder);
  return responder;
}

TEST_F(ApiTest, WhatAdministratorsWaitForStopsNobodyElse) {
  Door door;
  SlowStore slow(*store_, door);
  Metrics metrics;
  Api api(*service_, slow, {.metrics = &metrics});
  door.Set(false);
  std::vector<std::shared_ptr<HeardResponder>> waiting;
  for (int i = 0; i < 16; ++i) {
    waiting.push_back(
        BeginOf(api, "/admin/networks/derive",
                R"({"name": "new", "from": "plain", "steps": [{"transform": "drop"}]})"));
  }
  EXPECT_EQ(BeginOf(api, "/v1/completions", kToken)->Wait().status, 200);
  EXPECT_EQ(BeginOf(api, "/tokenize", R"({"model": "plain", "content": "a"})")->Wait().status, 200);
  for (const char* path : {"/v1/models", "/v1/models/plain", "/metrics", "/admin/status",
                           "/admin/networks", "/admin/budget", "/health"}) {
    EXPECT_EQ(BeginOf(api, path, "")->Wait().status, 200) << path;
  }
  door.WaitForSomebody(2);
  for (const auto& each : waiting) {
    EXPECT_FALSE(each->over());
  }
  std::vector<std::shared_ptr<HeardResponder>> more;
  for (int i = 0; i < 32; ++i) {
    more.push_back(BeginOf(api, "/admin/networks/unload", R"({"model": "none"})"));
  }
  EXPECT_EQ(more.back()->Wait().status, 429) << "no more of it waits than is bounded";
  door.Set(true);
  for (const auto& each : waiting) {
    EXPECT_NE(each->Wait().status, 200) << "drop wants arguments";
  }
  for (const auto& each : more) {
    each->Wait();
  }
}

TEST_F(ApiTest, AServerThatDrainsSaysSoAtOnceHoweverManyWaitForIt) {
  auto begun = *service_->BeginRequest();
  std::vector<std::shared_ptr<HeardResponder>> drains;
  for (int i = 0; i < 8; ++i) {
    drains.push_back(Begin("POST", "/admin/drain", R"({"seconds": 60})"));
  }
  ASSERT_TRUE(Eventually([&] { return service_->draining(); }));
  EXPECT_EQ(Ask("/v1/completions", kToken).status, 503);
  for (const auto& each : drains) {
    EXPECT_FALSE(each->over());
  }
  begun.reset();
  for (const auto& each : drains) {
    EXPECT_EQ(each->Wait().body, R"({"drained":true,"cancelled":false})");
  }
}

TEST_F(ApiTest, WhatIsLongToReadStopsNothingShort) {
  // (A queue of its own: one that is only turned about would let the short one wait for threads.)
  Door door;
  SlowStore slow(*store_, door);
  const auto service = *Service::Start(slow, {.engine = service_->options().engine});
  Api api(*service, *store_, {.workers = 1});
  const std::string text(300 << 10, 'a');
  door.Set(false);
  std::vector<std::shared_ptr<HeardResponder>> longs;
  for (int i = 0; i < 3; ++i) {
    longs.push_back(
        BeginOf(api, "/tokenize", R"({"model": "plain", "content": ")" + text + R"("})"));
  }
  const HttpResponse brief = BeginOf(api, "/tokenize", R"({"content": 1, "model": 2})")->Wait();
  EXPECT_EQ(brief.status, 400);
  for (const auto& each : longs) {
    EXPECT_FALSE(each->over());
  }
  door.Set(true);
  for (const auto& each : longs) {
    EXPECT_EQ(each->Wait().status, 200);
  }
}

TEST_F(ApiTest, TheOnlyTenantOfAFileHasEveryThreadThatReads) {
  const std::string key = NewKey();
  std::ofstream(directory_ / "keys.toml") << fmt::format(
      "[[tenant]]\nname = \"alice\"\nkeys = [\"{}\"]\n", KeyDigestText(DigestOfKey(key)));
  const SteadyClock clock;
  const auto tenants = *Tenants::Open(directory_ / "keys.toml", clock);
  Door door;
  SlowStore slow(*store_, door);
  const auto service = *Service::Start(slow, {.engine = service_->options().engine});
  Api api(*service, *store_, {.tenants = tenants.get(), .workers = 2});
  const int before = door.count();
  door.Set(false);
  const std::string_view ask = R"({"model": "plain", "content": "a"})";
  const auto first = BeginOf(api, "/tokenize", ask, key);
  const auto second = BeginOf(api, "/tokenize", ask, key);
  EXPECT_TRUE(Eventually([&] { return door.count() == before + 2; }));
  door.Set(true);
  EXPECT_EQ(first->Wait().status, 200);
  EXPECT_EQ(second->Wait().status, 200);
}

TEST_F(ApiTest, ATimeoutRunsWhileARequestWaitsForAThread) {
  Door door;
  SlowStore slow(*store_, door);
  const auto service = *Service::Start(slow, {.engine = service_->options().engine});
  Api api(*service, *store_, {.workers = 1});
  door.Set(false);
  const auto first = BeginOf(api, "/tokenize", R"({"model": "plain", "content": "a"})");
  const auto second =
      BeginOf(api, "/v1/completions",
              R"({"model": "plain", "prompt": "a", "max_tokens": 200, "timeout": 0.05})");
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  door.Set(true);
  EXPECT_EQ(first->Wait().status, 200);
  EXPECT_EQ(second->Wait().status, 504);
  EXPECT_EQ(service->status().engine.rows, 0u);
}

TEST_F(ApiTest, WhatWaitsWhenTheServerEndsIsRefusedAndHoldsNobodyUp) {
  Door door;
  SlowStore slow(*store_, door);
  const auto service = *Service::Start(slow, {.engine = service_->options().engine});
  std::vector<std::shared_ptr<HeardResponder>> waiting;
  std::shared_ptr<HeardResponder> first;
  {
    Api api(*service, *store_, {.workers = 1});
    door.Set(false);
    const std::string_view ask = R"({"model": "plain", "content": "a"})";
    const int before = door.count();  // the service, as it started
    first = BeginOf(api, "/tokenize", ask);
    door.WaitForSomebody(before + 1);
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(BeginOf(api, "/tokenize", ask));
    }
    api.Close();
    waiting.push_back(BeginOf(api, "/tokenize", ask));
    for (const auto& each : waiting) {
      EXPECT_EQ(each->Wait().status, 503);
    }
    EXPECT_FALSE(first->over());
    door.Set(true);
  }
  EXPECT_EQ(first->Wait().status, 200);
}

TEST_F(ApiTest, ADrainLetsARequestOfManyPromptsEnd) {
  constexpr int kPrompts = 150;
  std::string prompts = R"("a")";
  for (int i = 1; i < kPrompts; ++i) {
    prompts += R"(, "a")";
  }
  const auto begun = Begin("POST", "/v1/completions",
                           R"({"model": "plain", "max_tokens": 8, "prompt": [)" + prompts + "]}");
  ASSERT_TRUE(Eventually([&] { return service_->status().engine.steps > 0; }));
  EXPECT_TRUE(service_->Drain(600));
  const HttpResponse response = begun->Wait();
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(At(*ParseJson(response.body), {"choices"}).array()->size(), std::size_t{kPrompts});
}

TEST_F(ApiTest, ADrainThatHasNoMorePatienceEndsARequestOfManyPrompts) {
  std::string prompts = R"("a")";
  for (int i = 1; i < 200; ++i) {
    prompts += R"(, "a")";
  }
  brake_.After(10);
  const auto begun = Begin("POST", "/v1/completions",
                           R"({"model": "plain", "max_tokens": 100, "prompt": [)" + prompts + "]}");
  ASSERT_TRUE(Eventually([&] { return service_->status().engine.steps > 0; }));
  EXPECT_FALSE(service_->Drain(0));
  EXPECT_EQ(begun->Wait().status, 503);
}

TEST_F(ApiTest, WhatIsReadForAClientThatGoesAwayIsUsed) {
  const std::string key = NewKey();
  std::ofstream(directory_ / "keys.toml")
      << fmt::format("[[tenant]]\nname = \"alice\"\nkeys = [\"{}\"]\ntokens_per_minute = 600\n",
                     KeyDigestText(DigestOfKey(key)));
  const SteadyClock clock;
  const auto tenants = *Tenants::Open(directory_ / "keys.toml", clock);
  Metrics metrics;
  const auto log = *AccessLog::Open(directory_ / "log");
  Door steps;
  const auto service = *Service::Start(*store_, {.engine = service_->options().engine},
                                       {.before_step = [&] { steps.Pass(); }});
  Api api(*service, *store_, {.tenants = tenants.get(), .metrics = &metrics, .log = log.get()});
  const std::string ask =
      R"({"model": "plain", "max_tokens": 50, "prompt": ")" + std::string(400, 'p') + R"("})";
  steps.Set(false);
  const auto gone = BeginOf(api, "/v1/completions", ask, key);
  steps.WaitForSomebody();
  gone->GoAway();
  steps.Set(true);
  gone->Wait();
  const std::string line = *ReadTextFile(directory_ / "log");
  EXPECT_NE(line.find(R"("status":499)"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("prompt_tokens":400)"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("finish_reason":"cancelled")"), std::string::npos) << line;
  const std::string text = metrics.Text();
  EXPECT_NE(text.find(R"(ashlar_prompt_tokens_total{model="plain",tenant="alice"} 400)"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("ashlar_request_success_total{"), std::string::npos) << text;
  EXPECT_EQ(BeginOf(api, "/v1/completions", ask, key)->Wait().status, 429);
  EXPECT_EQ(BeginOf(api, "/v1/completions", kToken, key)->Wait().status, 200)
      << "what it had not come to was given back";
}

TEST_F(ApiTest, EachAnswerIsCountedByItself) {
  Metrics metrics;
  Api api(*service_, *store_, {.metrics = &metrics});
  EXPECT_EQ(BeginOf(api, "/v1/completions",
                    R"({"model": "plain", "prompt": ["a", "b"], "n": 2, "max_tokens": 5})")
                ->Wait()
                .status,
            200);
  EXPECT_EQ(BeginOf(api, "/v1/embeddings", R"({"model": "plain", "input": "a"})")->Wait().status,
            200);
  const std::string text = metrics.Text();
  for (const char* line :
       {R"(ashlar_request_generation_tokens_count{model="plain",tenant="default"} 4)",
        R"(ashlar_request_generation_tokens_sum{model="plain",tenant="default"} 20)",
        R"(ashlar_generation_tokens_total{model="plain",tenant="default"} 20)",
        R"(finished_reason="length"} 1)"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  }
}

TEST_F(ApiTest, WhatTheHttpServerAnswersItselfIsLoggedAndCounted) {
  Metrics metrics;
  const auto log = *AccessLog::Open(directory_ / "log");
  Api api(*service_, *store_, {.metrics = &metrics, .log = log.get()});
  api.OnOwnAnswer({.method = "POST", .path = "/v1/completions", .id = "r1"}, 413);
  const std::string line = *ReadTextFile(directory_ / "log");
  for (const char* part :
       {R"("request_id":"r1")", R"("path":"/v1/completions")", R"("status":413)"}) {
    EXPECT_NE(line.find(part), std::string::npos) << line;
  }
  EXPECT_NE(metrics.Text().find(R"(ashlar_requests_total{model="",tenant="",status="413"} 1)"),
            std::string::npos);
}

}  // namespace
}  // namespace ashlar
