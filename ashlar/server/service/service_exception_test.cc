// What becomes of a service in which a library throws.
#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>

#include <gtest/gtest.h>

#include "ashlar/server/service/task_thread.h"
#include "ashlar/server/service/testing_service_fixture.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

using testing_service::Ear;
using testing_service::Heard;

class ServiceExceptionTest : public testing_service::ServiceFixture {
 protected:
  static void ExpectFailed(const Heard& heard) {
    EXPECT_EQ(heard.end, GenerationEnd::kFailed);
    ASSERT_TRUE(heard.error.has_value());
    EXPECT_EQ(heard.error->code, ErrorCode::kIo);
    EXPECT_NE(heard.error->message.find("bad_alloc"), std::string::npos) << heard.error->message;
  }
};

// A listener of which so many copies can be made, and no more.
class ScarceListener {
 public:
  ScarceListener(int copies, std::atomic<int>& ended)
      : copies_(std::make_shared<std::atomic<int>>(copies)), ended_(&ended) {}
  ScarceListener(const ScarceListener& other) : copies_(other.copies_), ended_(other.ended_) {
    if (--*copies_ < 0) {
      throw std::bad_alloc();
    }
  }
  void operator()(const GenerationEvent& event) const {
    *ended_ += event.end != GenerationEnd::kNone ? 1 : 0;
  }

 private:
  const std::shared_ptr<std::atomic<int>> copies_;
  std::atomic<int>* const ended_;
};

TEST_F(ServiceExceptionTest, AGenerationThatCannotBeQueuedLeavesNothing) {
  std::atomic<int> ended = 0;
  const auto service = Started();
  const auto request = *service->BeginRequest();
  bool queued = false;
  for (int copies = 0; !queued; ++copies) {
    Generation generation = Ask(base_, "Hello", 1);
    generation.continuations = 3;
    try {
      queued = service->Submit(generation, ScarceListener(copies, ended), request.get()).ok();
    } catch (const std::bad_alloc&) {
      ASSERT_EQ(service->status().waiting, 0);
    }
  }
  EXPECT_TRUE(Eventually([&] { return ended == 3; }));
}

// Throws in place of its first or its second token.
class ThrowingConstraint final : public TokenConstraint {
 public:
  explicit ThrowingConstraint(bool allows) : allows_(allows) {}
  Result<std::span<const std::uint64_t>> Allowed() override {
    if (!allows_) {
      throw std::bad_alloc();
    }
    return std::span<const std::uint64_t>(all_);
  }
  Status Accept(std::int32_t) override { throw std::bad_alloc(); }
  bool finished() const override { return false; }

 private:
  const bool allows_;
  const std::uint64_t all_[2] = {~std::uint64_t{0}, ~std::uint64_t{0}};
};

TEST_F(ServiceExceptionTest, WhatAConstraintThrowsFailsItsGenerationAlone) {
  const auto service = Started();
  for (const bool allows : {false, true}) {
    Ear beside;
    brake_.After(0);
    ASSERT_TRUE(service->Submit(Ask(base_, "beside", 20), beside.listener()).ok());
    Generation generation = Ask(base_, "Hello", 4);
    generation.constraint = [allows] { return std::make_unique<ThrowingConstraint>(allows); };
    Ear ear;
    ASSERT_TRUE(service->Submit(generation, ear.listener()).ok());
    brake_.Release();
    ExpectFailed(ear.Wait());
    EXPECT_EQ(beside.Wait().end, GenerationEnd::kLength);
  }
}

// Of which a library throws, when it is told to.
class MoodyStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<Blob> Get(const Digest& digest) const override {
    if (throws) {
      throw std::bad_alloc();
    }
    return PassingStore::Get(digest);
  }
  std::atomic<bool> throws = false;
};

TEST_F(ServiceExceptionTest, WhatIsThrownAsANetworkIsReadFailsThatNetworkForAWhile) {
  MoodyStore store(*store_);
  const auto service = *Service::Start(store, Options());
  store.throws = true;
  ExpectFailed(Answer(*service, Ask(base_, "Hello", 1)));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kFailed));
  store.throws = false;
  EXPECT_EQ(Answer(*service, Ask(other_, "Hello", 1)).end, GenerationEnd::kLength);
}

TEST_F(ServiceExceptionTest, AThreadThatCannotGoOnEndsTheProcessAndSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        internal::TaskThread thread("the loader's");
        thread.Post([] { throw std::runtime_error("no more"); });
      },
      "ashlar: the loader's thread met what it cannot go on from \\(no more\\)");
}

}  // namespace
}  // namespace ashlar
