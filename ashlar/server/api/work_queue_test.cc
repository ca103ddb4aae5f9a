#include "ashlar/server/api/work_queue.h"

#include <functional>
#include <future>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

// A task that runs until it is let go. Stands before the queue it is given to, which waits for it.
class Gate {
 public:
  std::function<void()> task() {
    return [this] {
      entered_.set_value();
      open_.get_future().wait();
    };
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
  {
    WorkQueue queue(1, 100);
    queue.Post("alice", gate.task());
    gate.WaitUntilEntered();
    const auto post = [&](const std::string& tenant) {
      EXPECT_FALSE(queue.Post(tenant, [&order, tenant] { order += tenant.front(); }));
    };
    for (const char* tenant : {"alice", "alice", "alice", "bob", "bob", "carol"}) {
      post(tenant);
    }
    queue.PostMore("bob", [&order] { order += '+'; });
    gate.Open();
  }
  EXPECT_EQ(order, "+cababa") << "the rest of what was begun is its tenant's next";
}

TEST(WorkQueue, WhoComesBackAtOnceHasNoTurnBeforeWhoWaits) {
  std::string order;
  int left = 8;
  Gate gate;
  std::function<void(char)> ask;
  {
    WorkQueue queue(1, 100);
    ask = [&](char tenant) {
      queue.Post(std::string(1, tenant), [&, tenant] {
        order += tenant;
        if (--left > 0) {
          ask(tenant == 'a' ? 'b'
                            : 'a');  // who has had an answer asks again while the other's runs
        }
      });
    };
    queue.Post("a", gate.task());
    gate.WaitUntilEntered();
    ask('b');
    queue.Post("z", [&] { order += 'z'; });
    gate.Open();
  }
  EXPECT_LT(order.find('z'), 3u) << order;
}

TEST(WorkQueue, NobodyHasEveryThread) {
  Gate first;
  Gate second;
  std::promise<void> other;
  WorkQueue queue(2, 100);
  queue.Post("alice", first.task());
  first.WaitUntilEntered();
  queue.Post("alice", second.task());
  queue.Post("bob", [&] { other.set_value(); });
  other.get_future().wait();  // while alice's first runs, and her second waits
  first.Open();
  second.WaitUntilEntered();
  second.Open();
}

TEST(WorkQueue, WhoHasMuchWaitingIsToldToComeAgainAndOthersAreNot) {
  Gate gate;
  WorkQueue queue(1, 4);
  queue.Post("alice", gate.task());
  gate.WaitUntilEntered();
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(queue.Post("alice", [] {}));
  }
  const auto seconds = queue.Post("alice", [] {});
  ASSERT_TRUE(seconds);
  EXPECT_GE(*seconds, 1);
  EXPECT_FALSE(queue.Post("bob", [] {}));
  gate.Open();
}

}  // namespace
}  // namespace ashlar
