// Which prompts are read together, and beside streams how much of them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/server/service/testing_service_fixture.h"

namespace ashlar {
namespace {

using testing_service::Ear;

class ServiceLongPromptsTest : public testing_service::ServiceFixture {};

// In counted rows, since a clock would measure the machine: what a step may read of prompts while
// others decode begins with four rows, and grows by a quarter at most from one step to another.
TEST_F(ServiceLongPromptsTest, StreamsGoOnWhileALongPromptIsRead) {
  std::mutex mutex;
  std::vector<StepWork> steps;
  const auto service =
      *Service::Start(*store_, Options(), {.on_step = [&](double, const StepWork& work) {
        const std::lock_guard lock(mutex);
        steps.push_back(work);
      }});
  Ear ears[2];
  for (Ear& ear : ears) {
    ASSERT_TRUE(service->Submit(Ask(base_, "One of two", 240), ear.listener()).ok());
    ear.WaitForTokens(3);
  }
  Answer(*service, Ask(base_, std::string(200, 'x'), 1));
  for (Ear& ear : ears) {
    EXPECT_EQ(ear.Wait().end, GenerationEnd::kLength);
  }
  const std::lock_guard lock(mutex);
  const auto both = std::ranges::find(steps, 2, &StepWork::decoding_rows);
  std::int64_t most = 0;
  std::int64_t without = 0;  // steps since one that only decoded
  std::int64_t read = 0;
  for (auto step = steps.begin(); step != both; ++step) {
    most = std::max(most, step->prompt_rows);
  }
  for (auto step = both; step != steps.end(); ++step) {
    if (step->decoding_rows < 2 || step->prompt_rows == 0) {
      without = 0;
      continue;
    }
    EXPECT_LE(++without, 16);
    EXPECT_LE(step->prompt_rows, std::max<std::int64_t>(4, most + (most + 3) / 4));
    most = std::max(most, step->prompt_rows);
    read += step->prompt_rows;
  }
  EXPECT_GE(read, 199);
}

TEST_F(ServiceLongPromptsTest, PromptsThatComeTogetherAreReadTogether) {
  std::mutex mutex;
  std::vector<StepWork> steps;
  ServiceOptions options = Options();
  options.gather_seconds = 1;  // as if the machine were that much faster
  const auto service =
      *Service::Start(*store_, options, {.on_step = [&](double, const StepWork& work) {
        const std::lock_guard lock(mutex);
        steps.push_back(work);
      }});
  ASSERT_TRUE(service->Load(base_).ok());
  Ear ears[3];
  for (Ear& ear : ears) {
    ASSERT_TRUE(service->Submit(Ask(base_, "Three of ten", 4), ear.listener()).ok());
  }
  for (Ear& ear : ears) {
    EXPECT_EQ(ear.Wait().end, GenerationEnd::kLength);
  }
  const std::lock_guard lock(mutex);
  EXPECT_EQ(steps.front().prompt_rows, 3 * 12);
  EXPECT_EQ(steps.size(), 4u);
}

TEST_F(ServiceLongPromptsTest, WhoComesWhileOthersRunWaitsForNobodyElse) {
  ServiceOptions options = Options();
  options.gather_seconds = 2;
  int steps = 0;
  std::atomic<bool> submitted = false;
  const auto service = *Service::Start(*store_, options, {.before_step = [&] {
    if (++steps == 5) {
      submitted.wait(false);
    }
  }});
  Ear first;
  ASSERT_TRUE(service->Submit(Ask(base_, "One", 200), first.listener()).ok());
  first.WaitForTokens(3);
  Ear second;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(service->Submit(Ask(base_, "Another one", 1), second.listener()).ok());
  submitted = true;
  submitted.notify_one();
  second.Wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  first.Wait();
}

}  // namespace
}  // namespace ashlar
