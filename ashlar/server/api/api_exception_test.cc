// What becomes of a request that meets an exception of a library.
#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>

#include <gtest/gtest.h>

#include "ashlar/server/api/request_trace.h"
#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

// A store of which a library throws.
class ThrowingStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<Tags> ReadTags() const override { throw std::runtime_error("secret"); }
};

HttpResponse AnswerOf(Api& api, std::string_view path, std::string_view body) {
  auto responder = std::make_shared<HeardResponder>();
  api.Handle({.method = "POST",
              .path = std::string(path),
              .headers = {{"Content-Type", "application/json"}},
              .body = std::string(body),
              .id = "x"},
             responder);
  return responder->Wait();
}

// Sends nothing the first time that it is asked to.
class ThrowingResponder final : public HeardResponder {
 public:
  void Send(HttpResponse response, const std::function<void()>& sure) override {
    if (!std::exchange(threw_, true)) {
      throw std::bad_alloc();
    }
    HeardResponder::Send(std::move(response), sure);
  }

 private:
  bool threw_ = false;
};

TEST_F(ApiTest, ARequestWhoseAnswerCannotBeSentIsLoggedOnceAsItsClientHearsOfIt) {
  Metrics metrics;
  Api api(*service_, *store_, {.metrics = &metrics});
  auto responder = std::make_shared<ThrowingResponder>();
  api.Handle({.method = "GET", .path = "/admin/networks", .id = "x"}, responder);
  EXPECT_EQ(responder->Wait().status, 500);
  EXPECT_NE(metrics.Text().find(R"(status="500"} 1)"), std::string::npos) << metrics.Text();
  EXPECT_EQ(metrics.Text().find(R"(status="200"} 1)"), std::string::npos) << metrics.Text();
}

TEST_F(ApiTest, ARefusalAtTheEndThatCannotBeSentLosesNoOther) {
  std::promise<void> entered;
  std::promise<void> door;
  class SlowTags final : public PassingStore {
   public:
    SlowTags(BlobStore& base, std::promise<void>& entered, std::shared_future<void> door)
        : PassingStore(base), entered_(entered), door_(std::move(door)) {}
    Result<Tags> ReadTags() const override {
      if (armed && !std::exchange(told_, true)) {
        entered_.set_value();
        door_.wait();
      }
      return PassingStore::ReadTags();
    }
    std::atomic<bool> armed = false;

   private:
    std::promise<void>& entered_;
    const std::shared_future<void> door_;
    mutable bool told_ = false;
  } slow(*store_, entered, door.get_future().share());
  const auto service = *Service::Start(slow, {.engine = service_->options().engine});
  slow.armed = true;
  Api api(*service, slow, {.workers = 1});
  const auto ask = [&](std::shared_ptr<HttpResponder> responder) {
    api.Handle({.method = "POST",
                .path = "/tokenize",
                .headers = {{"Content-Type", "application/json"}},
                .body = R"({"model": "plain", "content": "a"})",
                .id = "x"},
               std::move(responder));
  };
  auto first = std::make_shared<HeardResponder>();
  ask(first);
  entered.get_future().wait();
  auto unsent = std::make_shared<ThrowingResponder>();
  auto last = std::make_shared<HeardResponder>();
  ask(unsent);
  ask(last);
  api.Close();
  EXPECT_EQ(unsent->Wait().status, 500);
  EXPECT_EQ(last->Wait().status, 503);
  door.set_value();
  EXPECT_EQ(first->Wait().status, 200);
}

TEST_F(ApiTest, AnExceptionBeforeItsTurnIsAnAnswerAndIsLoggedOnce) {
  const auto log = *AccessLog::Open(directory_ / "log");
  Api api(*service_, *store_, {.log = log.get()});
  auto responder = std::make_shared<ThrowingResponder>();
  api.Handle({.method = "GET", .path = "/nowhere", .id = "x"}, responder);
  EXPECT_EQ(responder->Wait().status, 500);
  const std::string lines = *ReadTextFile(directory_ / "log");
  EXPECT_EQ(std::ranges::count(lines, '\n'), 1) << lines;
}

TEST_F(ApiTest, ARequestThatNobodyAnsweredIsInTheLogAndCounted) {
  Metrics metrics;
  ServerMetrics server_metrics(metrics);
  const auto log = *AccessLog::Open(directory_ / "log");
  { const RequestTrace trace({.path = "/dropped", .id = "x"}, &server_metrics, log.get()); }
  const std::string line = *ReadTextFile(directory_ / "log");
  EXPECT_NE(line.find(R"("path":"/dropped","status":500)"), std::string::npos) << line;
  EXPECT_NE(metrics.Text().find(R"(status="500"} 1)"), std::string::npos) << metrics.Text();
}

TEST_F(ApiTest, AnExceptionIsAnAnswerAndIsLoggedByItsName) {
  Metrics metrics;
  const auto log = *AccessLog::Open(directory_ / "log");
  ThrowingStore throwing(*store_);
  Api api(*service_, throwing, {.metrics = &metrics, .log = log.get()});
  const HttpResponse response = AnswerOf(api, "/admin/networks/derive",
                                         R"({"name": "d", "from": "plain", "steps": [
                                            {"transform": "drop", "arguments": {"layers": [1]}}]})");
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("internal_error"), std::string::npos) << response.body;
  const std::string line = *ReadTextFile(directory_ / "log");
  EXPECT_NE(line.find(R"("exception":"std::runtime_error")"), std::string::npos) << line;
  EXPECT_EQ(line.find("secret"), std::string::npos) << line;
  EXPECT_NE(metrics.Text().find(R"(status="500"} 1)"), std::string::npos) << metrics.Text();
  EXPECT_EQ(
      AnswerOf(api, "/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 1})")
          .status,
      200);
}

}  // namespace
}  // namespace ashlar
