#include "ashlar/server/api/work_queue.h"

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

QueuedTask Task(std::function<void()> run) {
  return {.run = std::move(run), .let_go = [] {}};
}

// A task that runs until it is let go. Stands before the queue it is given to, which waits for it.
class Gate {
 public:
  QueuedTask task() {
    return Task([this] {
      entered_.set_value();
      open_.get_future().wait();
    });
  }
  void WaitUntilEntered() { entered_.get_future().wait(); }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> open_;
};

TEST(WorkQueue, ThoseWhoAskTakeTurns) {
  std::string order;
  Gate gate;
  std::latch left(7);
  WorkQueue queue({.threads = 1, .places = 100});
  queue.Post("alice", gate.task());
  gate.WaitUntilEntered();
  const auto task = [&](char name) {
    return Task([&, name] {
      order += name;
      left.count_down();
    });
  };
  for (const char* tenant : {"alice", "alice", "alice", "bob", "bob", "carol"}) {
    EXPECT_FALSE(queue.Post(tenant, task(*tenant)));
  }
  queue.PostMore("bob", task('+'));
  gate.Open();
  left.wait();
  EXPECT_EQ(order, "+cababa") << "the rest of what was begun is its tenant's next";
}

TEST(WorkQueue, WhoComesBackAtOnceHasNoTurnBeforeWhoWaits) {
  std::string order;
  constexpr int kAsked = 8;
  int asked = 0;
  Gate gate;
  std::latch left(kAsked + 1);
  std::function<void(char)> ask;
  WorkQueue queue({.threads = 1, .places = 100});
  ask = [&](char tenant) {
    ++asked;
    queue.Post(
        std::string(1, tenant), Task([&, tenant] {
          order += tenant;
          if (asked < kAsked) {
            ask(tenant == 'a' ? 'b' : 'a');  // who has had an answer asks while the other's runs
          }
          left.count_down();
        }));
  };
  queue.Post("a", gate.task());
  gate.WaitUntilEntered();
  ask('b');
  queue.Post("z", Task([&] {
               order += 'z';
               left.count_down();
             }));
  gate.Open();
  left.wait();
  EXPECT_LT(order.find('z'), 3u) << order;
}

TEST(WorkQueue, NoneOfSeveralTenantsHasEveryThread) {
  Gate first;
  Gate second;
  std::promise<void> other;
  WorkQueue queue({.threads = 2, .places = 100});
  queue.Post("alice", first.task());
  first.WaitUntilEntered();
  queue.Post("alice", second.task());
  queue.Post("bob", Task([&] { other.set_value(); }));
  other.get_future().wait();  // while alice's first runs, and her second waits
  first.Open();
  second.WaitUntilEntered();
  second.Open();
}

TEST(WorkQueue, TheOnlyTenantHasEveryThreadUntilThereIsAnother) {
  Gate first;
  Gate second;
  Gate third;
  Gate fourth;
  std::promise<void> other;
  std::atomic<bool> one = true;
  WorkQueue queue({.threads = 2, .places = 100, .one_tenant = [&] { return one.load(); }});
  queue.Post("all", first.task());
  queue.Post("all", second.task());
  first.WaitUntilEntered();
  second.WaitUntilEntered();
  one = false;
  first.Open();
  second.Open();
  queue.Post("all", third.task());
  third.WaitUntilEntered();
  queue.Post("all", fourth.task());
  queue.Post("bob", Task([&] { other.set_value(); }));
  other.get_future().wait();
  third.Open();
  fourth.WaitUntilEntered();
  fourth.Open();
}

TEST(WorkQueue, WhenItClosesWhatWaitsIsLetGoAndWhatRunsIsWaitedFor) {
  std::string heard;
  const QueuedTask task{.run = [&] { heard += 'r'; }, .let_go = [&] { heard += 'l'; }};
  Gate gate;
  bool ended = false;
  {
    WorkQueue queue({.threads = 1, .places = 100});
    queue.Post("alice", Task([&, held = gate.task()] {
                 held.run();
                 ended = true;
               }));
    gate.WaitUntilEntered();
    EXPECT_FALSE(queue.Post("alice", task));
    EXPECT_FALSE(queue.Post("bob", task));
    queue.PostMore("alice", task);
    queue.Close();
    EXPECT_EQ(heard, "lll");
    EXPECT_FALSE(queue.Post("alice", task));
    queue.PostMore("alice", task);
    gate.Open();
  }
  EXPECT_EQ(heard, "lllll");
  EXPECT_TRUE(ended);
}

TEST(WorkQueue, WhoHasMuchWaitingIsToldToComeAgainAndOthersAreNot) {
  Gate gate;
  WorkQueue queue({.threads = 1, .places = 4});
  queue.Post("alice", gate.task());
  gate.WaitUntilEntered();
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(queue.Post("alice", Task([] {})));
  }
  const auto seconds = queue.Post("alice", Task([] {}));
  ASSERT_TRUE(seconds);
  EXPECT_GE(*seconds, 1);
  EXPECT_FALSE(queue.Post("bob", Task([] {})));
  gate.Open();
}

}  // namespace
}  // namespace ashlar
