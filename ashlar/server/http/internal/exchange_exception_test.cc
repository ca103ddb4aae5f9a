// What is said to an exchange whose connection cannot be woken has not been said.
#include "ashlar/server/http/internal/exchange.h"

#include <memory>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/server/http/internal/server_core.h"

namespace ashlar::internal {
namespace {

class ExchangeExceptionTest : public ::testing::Test {
 protected:
  void FailTheNext(int wakes) { failing_ = wakes; }
  int sure() const { return sure_; }
  const std::function<void()> count_sure_ = [this] { ++sure_; };

  const std::shared_ptr<ServerCore> core_ = std::make_shared<ServerCore>();
  Exchange exchange_{core_, {}, [this] {
                       if (failing_ > 0) {
                         --failing_;
                         throw std::bad_alloc();
                       }
                     }};

 private:
  int failing_ = 0;
  int sure_ = 0;
};

TEST_F(ExchangeExceptionTest, AnAnswerThatIsToldToNobodyMayBeGivenAnew) {
  FailTheNext(1);
  EXPECT_THROW(exchange_.Send({.body = "first"}, count_sure_), std::bad_alloc);
  EXPECT_FALSE(exchange_.ended());
  EXPECT_EQ(sure(), 0);
  exchange_.Send({.body = "second"}, count_sure_);
  EXPECT_TRUE(exchange_.ended());
  EXPECT_EQ(sure(), 1);
  EXPECT_TRUE(exchange_.TakeOutput().ends_with("second"));
}

TEST_F(ExchangeExceptionTest, AStreamGoesOnWhereItWas) {
  FailTheNext(1);
  EXPECT_THROW(exchange_.BeginStream(200, "text/plain", {}), std::bad_alloc);
  exchange_.BeginStream(200, "text/plain", {});
  EXPECT_TRUE(exchange_.TakeOutput().starts_with("HTTP/1.1 200"));
  FailTheNext(1);
  EXPECT_THROW(exchange_.Write("a"), std::bad_alloc);
  EXPECT_TRUE(exchange_.Write("b"));
  EXPECT_EQ(exchange_.TakeOutput(), "1\r\nb\r\n");
  FailTheNext(1);
  EXPECT_THROW(exchange_.End("c", count_sure_), std::bad_alloc);
  EXPECT_FALSE(exchange_.ended());
  EXPECT_EQ(sure(), 0);
  exchange_.End("d", count_sure_);
  EXPECT_EQ(sure(), 1);
  EXPECT_EQ(exchange_.TakeOutput(), "1\r\nd\r\n0\r\n\r\n");
}

TEST_F(ExchangeExceptionTest, WhatIsDroppedWithoutAnAnswerIsAnsweredOrCut) {
  FailTheNext(1);
  exchange_.Abandon();
  EXPECT_TRUE(exchange_.is_cut());
}

TEST_F(ExchangeExceptionTest, NothingThatIsThrownLeavesTheEndOfAnExchange) {
  FailTheNext(2);
  exchange_.Abandon();
  EXPECT_TRUE(exchange_.is_cut());
}

}  // namespace
}  // namespace ashlar::internal
