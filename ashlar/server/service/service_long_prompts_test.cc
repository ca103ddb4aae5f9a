// Long prompts beside streams.
#include <algorithm>
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
  const auto service = *Service::Start(*store_, Options(),
                                       {.before_step = [&] { brake_.Pass(); },
                                        .on_step =
                                            [&](double, const StepWork& work) {
                                              const std::lock_guard lock(mutex);
                                              steps.push_back(work);
                                            }});
  Ear ears[2];
  for (Ear& ear : ears) {
    brake_.After(30);  // the streams are to outlast a late thread here
    ASSERT_TRUE(service->Submit(Ask(base_, "One of two", 240), ear.listener()).ok());
    ear.WaitForTokens(8);  // those of fewer hold no prompt back
  }
  Ear long_one;
  ASSERT_TRUE(service->Submit(Ask(base_, std::string(200, 'x'), 1), long_one.listener()).ok());
  brake_.Release();
  long_one.Wait();
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

}  // namespace
}  // namespace ashlar
