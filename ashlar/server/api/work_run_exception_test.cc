// How a request ends that meets an exception, or the end of its server, between two parts of it.
#include <atomic>
#include <future>
#include <stdexcept>

#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"
#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/server/api/work_run.h"

namespace ashlar {
namespace {

using testing_api::HeardResponder;

// Says nothing but "whole", or in a stream "token", and "end" or "failure".
class PlainAnswer final : public ApiAnswer {
 public:
  PlainAnswer(bool streams, bool throws) : streams_(streams), throws_(throws) {}
  std::string Take(int, const GenerationEvent&) override { return streams_ ? "token" : ""; }
  std::string End() override { return "end"; }
  std::string Fail(const Problem&) override { return "failure"; }
  Json Whole() override {
    if (throws_) {
      throw std::bad_alloc();
    }
    return Json("whole");
  }

 private:
  const bool streams_;
  const bool throws_;
};

// Of what it is asked to do it does the first so many, and not the next so many.
class WaveringResponder final : public HeardResponder {
 public:
  WaveringResponder(int does, int throws) : does_(does), throws_(throws) {}
  void Send(HttpResponse response, const std::function<void()>& sure) override {
    MayThrow();
    HeardResponder::Send(std::move(response), sure);
  }
  void BeginStream(int status, std::string_view type, HttpHeaders headers) override {
    MayThrow();
    HeardResponder::BeginStream(status, type, std::move(headers));
  }
  bool Write(std::string_view bytes) override {
    MayThrow();
    return HeardResponder::Write(bytes);
  }
  void End(std::string_view last, const std::function<void()>& sure) override {
    MayThrow();
    HeardResponder::End(last, sure);
  }

 private:
  void MayThrow() {
    if (--does_ < 0 && --throws_ >= 0) {
      throw std::bad_alloc();
    }
  }
  int does_;
  int throws_;
};

// A constraint's maker of which no copy can be made.
struct ThrowsWhenCopied {
  explicit ThrowsWhenCopied(std::shared_ptr<std::atomic<bool>> armed_in) : armed(armed_in) {}
  ThrowsWhenCopied(const ThrowsWhenCopied& other) : armed(other.armed) {
    if (*armed) {
      throw std::bad_alloc();
    }
  }
  std::unique_ptr<TokenConstraint> operator()() const { return nullptr; }
  std::shared_ptr<std::atomic<bool>> armed;
};

class WorkRunTest : public testing_api::ApiTest {
 protected:
  // Of so many generations of one token each.
  Work WorkOf(std::size_t generations, bool throws, bool stream = false) {
    Work work{.answer = std::make_unique<PlainAnswer>(stream, throws), .stream = stream};
    work.generations.assign(generations, {.network = *service_->cards().Find("plain"),
                                          .prompt = testing_service::Spelled("a"),
                                          .max_tokens = 1});
    return work;
  }
  // What is answered; the outcomes that the observer is told of go to `outcomes_`.
  HttpResponse AnswerOf(Work work, decltype(WorkObserver::on_event) on_event = {}) {
    auto responder = std::make_shared<HeardResponder>();
    Start(std::move(work), responder, std::move(on_event));
    return responder->Wait();
  }
  void Start(Work work, std::shared_ptr<HttpResponder> responder,
             decltype(WorkObserver::on_event) on_event = {}) {
    StartWork({*service_, queue_, ""}, *service_->BeginRequest(), std::move(work),
              std::move(responder),
              {.on_event = std::move(on_event),
               .on_end = [this](const WorkOutcome& outcome) { outcomes_.push_back(outcome); }});
  }
  void ExpectFailed(const HttpResponse& response) {
    EXPECT_EQ(response.status, 500);
    EXPECT_NE(response.body.find("internal_error"), std::string::npos) << response.body;
    ASSERT_EQ(outcomes_.size(), 1u);
    EXPECT_EQ(outcomes_[0].status, 500);
    EXPECT_EQ(outcomes_[0].exception, "std::bad_alloc");
  }

  std::vector<WorkOutcome> outcomes_;
  WorkQueue queue_{{.threads = 1, .places = 4}};
};

TEST_F(WorkRunTest, AnExceptionWhileTheAnswerIsWrittenFailsTheRequestAlone) {
  ExpectFailed(AnswerOf(WorkOf(1, /*throws=*/true)));
  EXPECT_EQ(AnswerOf(WorkOf(1, /*throws=*/false)).status, 200);
}

TEST_F(WorkRunTest, AnExceptionWhileMoreIsBegunFailsTheRequestOnce) {
  const auto armed = std::make_shared<std::atomic<bool>>(false);
  for (const std::size_t last : {1, 40}) {  // begun by who asks, and by the queue
    outcomes_.clear();
    *armed = false;
    Work work = WorkOf(last + 1, /*throws=*/false);
    work.generations[last].constraint = ThrowsWhenCopied(armed);
    *armed = true;
    ExpectFailed(AnswerOf(std::move(work)));
  }
}

TEST_F(WorkRunTest, WhatIsToldOfARequestIsWhatItsClientHears) {
  for (const bool stream : {false, true}) {
    for (int does = 0; does < 4; ++does) {
      outcomes_.clear();
      auto responder = std::make_shared<WaveringResponder>(does, 1);
      Start(WorkOf(1, /*throws=*/false, stream), responder);
      const HttpResponse response = responder->Wait();
      const bool begun = response.content_type.starts_with("text/event-stream");
      EXPECT_EQ(begun, stream && does > 0);
      ASSERT_EQ(outcomes_.size(), 1u) << does;
      const bool whole = response.body.ends_with(stream ? "end" : "\"whole\"");
      EXPECT_EQ(whole, does >= (stream ? 3 : 1)) << response.body;
      EXPECT_EQ(outcomes_[0].status, whole ? 200 : 500) << response.body;
      EXPECT_EQ(outcomes_[0].exception, whole ? "" : "std::bad_alloc");
      if (begun) {
        EXPECT_EQ(whole, !response.body.ends_with("failure")) << response.body;
      } else {
        EXPECT_EQ(response.status, outcomes_[0].status);
      }
    }
  }
}

TEST_F(WorkRunTest, ARequestOfWhichNothingCanBeSaidIsDroppedAndHoldsNothing) {
  for (const bool stream : {false, true}) {
    auto responder = std::make_shared<WaveringResponder>(stream ? 2 : 0, 1000);
    const std::weak_ptr<HttpResponder> held = responder;
    Start(WorkOf(40, /*throws=*/false, stream), std::move(responder));
    EXPECT_TRUE(Eventually([&] { return held.expired(); }));
    EXPECT_TRUE(outcomes_.empty()) << "its observer is dropped, too";
  }
  EXPECT_EQ(AnswerOf(WorkOf(1, /*throws=*/false)).status, 200);
  EXPECT_TRUE(service_->Drain(600));
}

TEST_F(WorkRunTest, WhatIsThrownAsAGenerationIsBegunFailsItsRequestAlone) {
  Work work = WorkOf(1, /*throws=*/false);
  work.generations[0].constraint = []() -> std::unique_ptr<TokenConstraint> {
    throw std::bad_alloc();
  };
  ExpectFailed(AnswerOf(std::move(work)));
  EXPECT_EQ(AnswerOf(WorkOf(1, /*throws=*/false)).status, 200);
}

TEST_F(WorkRunTest, AnExceptionOfWhoIsToldFailsTheRequestAlone) {
  const auto throws = [](std::size_t, const GenerationEvent&) { throw std::bad_alloc(); };
  ExpectFailed(AnswerOf(WorkOf(3, /*throws=*/false), throws));
}

TEST_F(WorkRunTest, AnAnswerThatIsWholeWhenTheServerEndsIsSent) {
  std::promise<void> busy;
  queue_.Post("", {.run = [&] { busy.get_future().wait(); }, .let_go = [] {}});
  auto responder = std::make_shared<HeardResponder>();
  std::promise<void> ended;
  StartWork({*service_, queue_, ""}, *service_->BeginRequest(), WorkOf(1, /*throws=*/false),
            responder,
            {.on_event =
                 [&](std::size_t, const GenerationEvent& event) {
                   if (event.end != GenerationEnd::kNone) {
                     ended.set_value();
                   }
                 },
             .on_end = {}});
  ended.get_future().wait();
  queue_.Close();
  EXPECT_EQ(responder->Wait().status, 200);
  busy.set_value();
}

}  // namespace
}  // namespace ashlar
