// What the thread of texts makes of what the engine has done.
#include "ashlar/server/service/text_channel.h"

#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/server/service/testing_service_fixture.h"

namespace ashlar {
namespace {

using internal::News;
using internal::TextChannel;

class TextChannelTest : public testing_service::ServiceFixture {
 protected:
  TextChannel Channel() {
    return TextChannel(
        Ask(base_, "a", 4), /*continuation=*/0,
        [this](const GenerationEvent& event) { heard_.push_back(event); }, [this] { ++stopped_; });
  }
  // News with scores of which one met an exception.
  static News Failed(GenerationEnd end) {
    News news{.end = end, .usage = {.prompt_tokens = 7}};
    news.prompt_scores = std::make_shared<internal::PromptScores>();
    news.prompt_scores->exception = std::make_exception_ptr(std::bad_alloc());
    return news;
  }

  std::vector<GenerationEvent> heard_;
  int stopped_ = 0;  // so many times the engine was told to generate no more
};

TEST_F(TextChannelTest, AnExceptionEndsTheContinuationAndStopsWhatGoesOn) {
  TextChannel channel = Channel();
  channel.Take(Failed(GenerationEnd::kNone));
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(heard_[0].end, GenerationEnd::kFailed);
  ASSERT_TRUE(heard_[0].error.has_value());
  EXPECT_EQ(heard_[0].error->code, ErrorCode::kIo);
  EXPECT_NE(heard_[0].error->message.find("bad_alloc"), std::string::npos);
  EXPECT_TRUE(heard_[0].thrown != nullptr);
  EXPECT_EQ(heard_[0].usage.prompt_tokens, 7) << "what it used counts";
  EXPECT_EQ(stopped_, 1);
  channel.Take({.end = GenerationEnd::kCancelled});
  EXPECT_EQ(heard_.size(), 1u) << "nothing comes after its end";
}

TEST_F(TextChannelTest, AnExceptionAtTheEndIsTheEnd) {
  TextChannel channel = Channel();
  channel.Take(Failed(GenerationEnd::kLength));
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(heard_[0].end, GenerationEnd::kFailed);
  EXPECT_EQ(stopped_, 0) << "the engine has let go of it";
}

}  // namespace
}  // namespace ashlar
