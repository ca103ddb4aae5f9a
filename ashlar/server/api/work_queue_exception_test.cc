// What becomes of a queue whose tasks throw.
#include <future>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/server/api/work_queue.h"

namespace ashlar {
namespace {

TEST(WorkQueue, WhatATaskThrowsEndsThatTaskAlone) {
  std::string heard;
  const auto hear = [&](char said) {
    return [&heard, said] {
      heard += said;
      throw std::bad_alloc();
    };
  };
  std::promise<void> entered;
  std::promise<void> door;
  WorkQueue queue({.threads = 1, .places = 100});
  queue.Post("alice", {.run = hear('r'), .let_go = [] {}});
  queue.Post("alice", {.run =
                           [&] {
                             entered.set_value();
                             door.get_future().wait();
                           },
                       .let_go = [] {}});
  entered.get_future().wait();
  for (const char* tenant : {"alice", "alice", "bob"}) {
    queue.Post(tenant, {.run = [] {}, .let_go = hear('l')});
  }
  queue.Close();
  queue.Post("alice", {.run = [] {}, .let_go = hear('p')});
  queue.PostMore("alice", {.run = [] {}, .let_go = hear('m')});
  EXPECT_EQ(heard, "rlllpm");
  door.set_value();
}

}  // namespace
}  // namespace ashlar
