// What a service keeps of prompts.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/server/service/testing_service_fixture.h"

namespace ashlar {
namespace {

using testing_service::Heard;
using testing_service::Spelled;
using testing_service::SpellingNetwork;

class ServicePrefixesTest : public testing_service::ServiceFixture {};

TEST_F(ServicePrefixesTest, APinnedPrefixFollowsItsNetworkWhenItIsResized) {
  const auto levels = [&](std::string name, std::uint64_t seed) {
    return Card(
        std::move(name),
        SpellingNetwork(
            *store_,
            {.layers = 3, .codec = "bitplane", .seed = seed, .width = 256, .channels = 1024}));
  };
  const auto network = levels("levels", 5);
  ServiceOptions options = Options();
  options.weight_bytes = network->weight_bytes * 5 / 4;
  const auto service = Started(options);
  ASSERT_TRUE(service->Pin(network).ok());
  Generation generation = Ask(network, std::string(70, 'p'), 4);
  generation.cache_scope = "alice";
  const Result<PrefixStatus> pinned = service->PinPrefix(generation);
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  EXPECT_EQ(pinned->positions, 64);
  const auto plan = [&]() -> std::uint64_t {
    for (const NetworkStatus& status : service->status().networks) {
      if (status.name == "levels") {
        return status.plan;
      }
    }
    return 0;
  };
  EXPECT_EQ(plan(), pinned->plan);
  const auto read_again = [&] {
    const std::vector<PrefixStatus> now = service->PinnedPrefixes();
    return now.size() == 1 && now[0].id == pinned->id && now[0].positions == 64 &&
           now[0].plan == plan() && service->status().page_bytes_pinned == pinned->bytes;
  };
  EXPECT_TRUE(Eventually(read_again));

  const auto more = levels("more", 6);
  ASSERT_TRUE(service->Pin(more).ok());  // there is no room for all levels of both
  ASSERT_TRUE(Eventually([&] { return plan() != pinned->plan; }));
  EXPECT_TRUE(Eventually(read_again));
  generation.prompt.push_back(3);
  EXPECT_EQ(Answer(*service, generation).usage.cached_tokens, 64);

  ASSERT_TRUE(service->Unpin("more").ok());
  ASSERT_TRUE(service->Unload("more").ok());  // its levels return
  ASSERT_TRUE(Eventually([&] { return plan() == pinned->plan; }));
  EXPECT_TRUE(Eventually(read_again));
  EXPECT_TRUE(service->UnpinPrefix(pinned->id).ok());
  EXPECT_TRUE(Eventually([&] { return service->status().page_bytes_held == 0; }));
}

TEST_F(ServicePrefixesTest, APinnedPrefixStaysWithTheNewerOfTwoNetworksOfOneName) {
  const auto version = [&](const Network& network, std::uint64_t number) {
    auto card = *MakeNetworkCard("moving", network, *store_);
    card->number = number;
    return std::shared_ptr<const NetworkCard>(std::move(card));
  };
  const auto older = version(base_network_, 1);
  const auto newer = version(tuned_network_, 2);
  const auto service = Started();
  const std::string prompt(70, 'p');
  const Result<PrefixStatus> pinned = service->PinPrefix(Ask(older, prompt, 0));
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  const auto plan = [&] { return service->PinnedPrefixes().at(0).plan; };
  const auto follows = [&] {
    EXPECT_TRUE(Eventually([&] { return plan() != 0 && plan() != pinned->plan; }));
    return plan();
  };
  ASSERT_TRUE(service->Pin(newer).ok()) << "who pins asks for it, too";
  const std::uint64_t followed = follows();
  Answer(*service, Ask(older, prompt + "more", 1));
  EXPECT_EQ(plan(), followed);
  ASSERT_TRUE(service->Load(older).ok());
  EXPECT_EQ(plan(), followed);
  EXPECT_EQ(Answer(*service, Ask(newer, prompt + "more", 1)).usage.cached_tokens, 64);
}

TEST_F(ServicePrefixesTest, APrefixIsCachedWithinItsScope) {
  const auto service = Started();
  const std::string prompt(65, 'x');
  const auto cached = [&](const std::string& scope) {
    Generation generation = Ask(base_, prompt, 1);
    generation.cache_scope = scope;
    return Answer(*service, std::move(generation)).usage.cached_tokens;
  };
  EXPECT_EQ(cached("ann"), 0);
  EXPECT_EQ(cached("bob"), 0);
  EXPECT_EQ(cached("ann"), 64);
  EXPECT_EQ(cached(""), 0);
}

TEST_F(ServicePrefixesTest, APinnedPrefixStaysCachedForItsScope) {
  ServiceOptions options = Options();
  options.engine.page_bytes = 256 << 10;
  const auto service = Started(options);
  const std::string system(100, 's');
  Generation generation = Ask(base_, system, 0);
  generation.cache_scope = "ann";
  const Result<PrefixStatus> pinned = service->PinPrefix(generation);
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  EXPECT_EQ(pinned->tokens, 100);
  EXPECT_EQ(pinned->positions, 96);
  for (int i = 0; i < 8; ++i) {
    Answer(*service, Ask(base_, std::string(90, static_cast<char>('a' + i)), 20));
  }
  generation.prompt = Spelled(system + "more");
  generation.max_tokens = 2;
  EXPECT_EQ(Answer(*service, generation).usage.cached_tokens, 96);
  ASSERT_EQ(service->PinnedPrefixes().size(), 1u);
  EXPECT_EQ(service->PinnedPrefixes()[0].network, "base");
  generation.prompt = Spelled(std::string(180, 'l'));
  EXPECT_EQ(service->PinPrefix(generation).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(service->UnpinPrefix(pinned->id).ok());
  EXPECT_EQ(service->UnpinPrefix(pinned->id).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(service->PinnedPrefixes().empty());
  service->Drain(600);
  EXPECT_EQ(service->PinPrefix(generation).error().code, ErrorCode::kConflict);
}

TEST_F(ServicePrefixesTest, ASavedSessionIsFoundByAnotherService) {
  const std::string prompt(70, 'x');
  Generation generation = Ask(base_, prompt, 12);
  Session session;
  Heard before;
  {
    const auto service = Started();
    before = Answer(*service, generation);
    session = *service->SaveSession(generation);
  }
  const auto service = Started();
  ASSERT_EQ(*service->RestoreSession(base_, session, ""), 64);
  const Heard after = Answer(*service, generation);
  EXPECT_EQ(after.usage.cached_tokens, 64);
  EXPECT_EQ(after.ids(), before.ids());
  EXPECT_EQ(service->RestoreSession(tuned_, session, "").error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace ashlar
