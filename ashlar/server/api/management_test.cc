// What an administrator asks of a server: networks, prefixes, sessions, memory.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>

#include <gtest/gtest.h>

#include "ashlar/base/clock.h"
#include "ashlar/base/test_time.h"
#include "ashlar/server/api/testing_api_fixture.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

class ManagementTest : public ApiTest {
 protected:
  // Of those tenants, the second of which shares its prefixes.
  std::unique_ptr<Tenants> TenantsOfAFile() {
    std::ofstream(directory_ / "keys.toml") << fmt::format(
        "[[tenant]]\nname = \"root\"\nkeys = [\"{}\"]\nadmin = true\n"
        "[[tenant]]\nname = \"ann\"\nkeys = [\"{}\"]\nshare_prefix_cache = true\n"
        "[[tenant]]\nname = \"bob\"\nkeys = [\"{}\"]\n",
        KeyDigestText(DigestOfKey(root_)), KeyDigestText(DigestOfKey(ann_)),
        KeyDigestText(DigestOfKey(bob_)));
    return *Tenants::Open(directory_ / "keys.toml", clock_);
  }
  static HttpResponse AskAs(Api& api, const std::string& key, std::string_view path,
                            std::string_view body) {
    auto responder = std::make_shared<HeardResponder>();
    api.Handle(
        {.method = "POST",
         .path = std::string(path),
         .headers = {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + key}},
         .body = std::string(body),
         .id = "x"},
        responder);
    return responder->Wait();
  }
  static std::int64_t CachedOf(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return *At(*ParseJson(response.body), {"usage", "prompt_tokens_details", "cached_tokens"})
                .integer();
  }

  const SteadyClock clock_{};
  const std::string root_ = NewKey();
  const std::string ann_ = NewKey();
  const std::string bob_ = NewKey();
};

std::string PromptBody(const std::string& prompt, std::string_view more = "") {
  return fmt::format(R"({{"model": "plain", "prompt": "{}"{}}})", prompt, more);
}

TEST_F(ManagementTest, UnpinningANameLetsGoOfAllThatItEverStoodFor) {
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "f32", "pin": true})");
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "q8"})");
  EXPECT_EQ(Ask("/admin/networks/unload", R"({"model": "plain"})").status, 409);
  Asked("/admin/networks/pin", R"({"model": "plain", "pinned": false})");
  Asked("/admin/networks/unload", R"({"model": "plain"})");

  constexpr const char* kDerive = R"({{"name": "d", "from": "plain", "replace": true,
      "steps": [{{"transform": "drop", "arguments": {{"layers": [{}]}}}}]}})";
  Asked("/admin/networks/derive", fmt::format(kDerive, 1));
  Asked("/admin/networks/load", R"({"model": "d", "pin": true})");
  Asked("/admin/networks/derive", fmt::format(kDerive, 2));
  Asked("/v1/completions", R"({"model": "d", "prompt": "a", "max_tokens": 1})");
  Asked("/admin/networks/pin", R"({"model": "d", "pinned": false})");
  Asked("/admin/networks/unload", R"({"model": "d"})");

  Asked("/admin/networks/load", R"({"model": "d", "pin": true})");
  ASSERT_TRUE(Catalog(*store_, AllKinds()).Remove({"d"}).ok());
  Asked("/admin/networks/pin", R"({"model": "d", "pinned": false})");
  Asked("/admin/networks/unload", R"({"model": "d"})");
  EXPECT_EQ(Ask("/admin/networks/pin", R"({"model": "d", "pinned": false})").status, 404);
}

TEST_F(ManagementTest, WhoAsksForAPrefixWhileTheServerEndsIsToldThatItEnds) {
  service_->Drain(0);
  const HttpResponse response = Ask("/admin/prefixes", PromptBody("a prompt"));
  EXPECT_EQ(response.status, 503) << response.body;
  EXPECT_NE(response.body.find("draining"), std::string::npos) << response.body;
}

TEST_F(ManagementTest, APinnedPrefixFollowsItsNetworksName) {
  const std::string prompt(80, 's');
  Asked("/admin/prefixes", PromptBody(prompt));
  const auto read_again = [&](std::string_view before) {
    std::string now = "never";
    EXPECT_TRUE(Eventually([&] {
      const Json prefixes = Got("/admin/prefixes");
      const Json& plan = At(prefixes, {"prefixes", "0", "plan"});
      if (plan.is_null() || WriteJson(plan) == before) {
        return false;
      }
      EXPECT_EQ(At(prefixes, {"prefixes", "0", "cached_tokens"}), Json(80));
      now = WriteJson(plan);
      return true;
    }));
    return now;
  };
  const auto cached = [&] {
    return CachedOf(Ask("/v1/completions", PromptBody(prompt + "more", R"(, "max_tokens": 1)")));
  };
  const std::string first = read_again("");
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "q8"})");
  const std::string second = read_again(first);
  EXPECT_NE(second, "never");
  EXPECT_EQ(cached(), 80);
  Asked("/admin/networks/derive", R"({"name": "plain", "from": "plain", "replace": true,
      "steps": [{"transform": "drop", "arguments": {"layers": [1]}}]})");
  Asked("/admin/networks/load", R"({"model": "plain"})");
  EXPECT_NE(read_again(second), "never");
  EXPECT_EQ(cached(), 80);
}

TEST_F(ManagementTest, APinnedPrefixIsOfTheTokenizerThatItsNameMovedTo) {
  struct Told {
    std::mutex mutex;
    std::vector<std::string> messages;
  };
  const auto told = std::make_shared<Told>();
  api_.reset();
  service_ =
      *Service::Start(*store_, service_->options(), {.on_failure = [told](const Error& error) {
        const std::lock_guard lock(told->mutex);
        told->messages.push_back(error.message);
      }});
  api_ = std::make_unique<Api>(*service_, *store_);
  const std::string prompt(80, 's');
  const auto pin_ids = [&](int id) {
    std::string ids;
    for (int i = 0; i < 80; ++i) {
      ids += fmt::format("{}{}", i > 0 ? "," : "", id);
    }
    Asked("/admin/prefixes", R"({"model": "plain", "prompt": [)" + ids + "]}");
  };
  Asked("/admin/prefixes", PromptBody(prompt));
  pin_ids('i' - ' ');
  Network other = testing_service::SpellingNetwork(*store_, {.seed = 3});
  const std::string tokenizer = testing_service::BackwardTokenizer();
  other.files["tokenizer.json"] = {*store_->Put(std::as_bytes(std::span(tokenizer))),
                                   tokenizer.size()};
  const Network before = *Catalog(*store_, AllKinds()).Load("plain");
  const auto move_to = [&](const Network& network) {
    Catalog catalog(*store_, AllKinds());
    const auto lease = *store_->BeginWriting();
    ASSERT_TRUE(catalog.Save(network, "plain", Json::Array()).ok());
    Asked("/admin/networks/load", R"({"model": "plain"})");
  };
  const auto entries = [&](std::initializer_list<bool> kept) {
    const auto are = [&](const Json& prefixes) {
      std::size_t i = 0;
      return std::ranges::all_of(kept, [&](bool each) {
        const Json& entry = At(prefixes, {"prefixes"}).array()->at(i++);
        return each == !entry.Find("plan")->is_null() && each == entry.Find("failure")->is_null();
      });
    };
    Json prefixes;
    EXPECT_TRUE(Eventually([&] {
      prefixes = Got("/admin/prefixes");
      return are(prefixes);
    })) << WriteJson(prefixes);
    return prefixes;
  };
  const auto cached = [&] {
    return CachedOf(Ask("/v1/completions", PromptBody(prompt + "more", R"(, "max_tokens": 1)")));
  };
  move_to(other);
  const Json moved = entries({true, false});
  ASSERT_NE(At(moved, {"prefixes", "1", "failure"}).string(), nullptr);
  const std::string failure = *At(moved, {"prefixes", "1", "failure"}).string();
  EXPECT_NE(failure.find("token ids"), std::string::npos) << failure;
  EXPECT_EQ(cached(), 80);
  {
    const std::lock_guard lock(told->mutex);
    ASSERT_EQ(told->messages.size(), 1u);
    EXPECT_EQ(told->messages[0], "the pinned prefix 2 of network \"plain\": " + failure);
  }
  move_to(before);
  entries({true, true});
  EXPECT_EQ(cached(), 80);
}

TEST_F(ManagementTest, WhatIsKeptForATenantIsFoundByIt) {
  const auto tenants = TenantsOfAFile();
  Api api(*service_, *store_, {.tenants = tenants.get()});
  const std::string prompt(80, 's');
  const std::string other(80, 'o');
  const auto cached = [&](const std::string& key, const std::string& text) {
    return CachedOf(
        AskAs(api, key, "/v1/completions", PromptBody(text + "!", R"(, "max_tokens": 1)")));
  };
  const auto pin = [&](const std::string& text, std::string_view tenant) {
    return AskAs(api, root_, "/admin/prefixes",
                 PromptBody(text, fmt::format(R"(, "tenant": "{}")", tenant)));
  };
  EXPECT_EQ(pin(prompt, "ann").status, 200);
  EXPECT_EQ(cached(bob_, prompt), 0);
  EXPECT_EQ(cached(ann_, prompt), 80);
  EXPECT_EQ(pin(other, "bob").status, 200);
  EXPECT_EQ(cached(ann_, other), 0);
  EXPECT_EQ(cached(bob_, other), 80);
  EXPECT_EQ(pin(std::string(80, 'a'), "*").status, 200);
  EXPECT_EQ(cached(ann_, std::string(80, 'a')), 80);
  const HttpResponse unknown = pin(prompt, "carl");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("\"param\":\"tenant\""), std::string::npos) << unknown.body;
  EXPECT_NE(unknown.body.find("carl"), std::string::npos) << unknown.body;
}

TEST_F(ManagementTest, OfTwoThatDeriveOneNameAtOnceOneIsRefused) {
  for (int i = 0; i < 20; ++i) {
    const std::string body = fmt::format(R"({{"name": "d{}", "from": "plain",
        "steps": [{{"transform": "drop", "arguments": {{"layers": [1]}}}}]}})",
                                         i);
    const auto one = Begin("POST", "/admin/networks/derive", body);
    const auto other = Begin("POST", "/admin/networks/derive", body);
    const HttpResponse answers[] = {one->Wait(), other->Wait()};
    EXPECT_EQ(answers[0].status + answers[1].status, 200 + 409);
    const HttpResponse& refused = answers[answers[0].status == 200 ? 1 : 0];
    EXPECT_NE(refused.body.find("\"param\":\"name\""), std::string::npos) << refused.body;
    EXPECT_NE(refused.body.find("replace"), std::string::npos) << refused.body;
  }
}

TEST_F(ManagementTest, TheFirstBudgetIsMeasuredToo) {
  const auto patch = [&](std::string_view body) {
    return Begin("PATCH", "/admin/budget", body)->Wait();
  };
  const HttpResponse refused = patch(R"({"bytes": 1})");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_NE(refused.body.find("\"param\":\"bytes\""), std::string::npos) << refused.body;
  EXPECT_TRUE(At(Got("/admin/budget"), {"bytes"}).is_null());
  Asked("/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 1})");

  EXPECT_EQ(patch(R"({"bytes": 4000000000})").status, 200);
  const HttpResponse lifted = patch(R"({"bytes": null})");
  ASSERT_EQ(lifted.status, 200) << lifted.body;
  EXPECT_TRUE(At(*ParseJson(lifted.body), {"bytes"}).is_null());
  EXPECT_EQ(At(*ParseJson(lifted.body), {"old_bytes"}), Json(4'000'000'000));
  EXPECT_EQ(At(Got("/admin/budget"), {"full"}), Json(false));
  Asked("/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 1})");
  EXPECT_EQ(patch("{}").status, 400);
}

TEST_F(ManagementTest, APromptWithoutAWholePageIsTheFaultOfThePrompt) {
  for (const char* const path : {"/admin/sessions/save", "/admin/prefixes"}) {
    const bool saves = std::string_view(path).find("save") != std::string_view::npos;
    const HttpResponse refused = Ask(path, PromptBody("hi", saves ? R"(, "file": "a")" : ""));
    EXPECT_EQ(refused.status, 400) << refused.body;
    EXPECT_NE(refused.body.find("\"param\":\"prompt\""), std::string::npos) << refused.body;
    EXPECT_NE(refused.body.find("whole page"), std::string::npos) << refused.body;
  }
}

TEST_F(ManagementTest, ASessionIsItsOwnersAlone) {
  Asked("/admin/sessions/save", PromptBody(std::string(40, 'p'), R"(, "file": "a")"));
  const auto mode = std::filesystem::status(directory_ / "sessions" / "a").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ManagementTest, ANetworkInTwoFormatsIsCountedOnce) {
  Metrics metrics;
  api_ = std::make_unique<Api>(*service_, *store_, ApiOptions{.metrics = &metrics});
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "f32"})");
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "q8"})");
  const Json bytes = At(Got("/v1/models/plain"), {"weight_bytes"});
  const auto formats = [&] {
    std::size_t loaded = 0;
    for (const NetworkStatus& network : service_->status().networks) {
      loaded += network.residency == Residency::kLoaded && network.unique_bytes > 0 ? 1 : 0;
    }
    return loaded;
  };
  ASSERT_TRUE(Eventually([&] { return formats() == 2; })) << "known after a step";
  const std::string text = metrics.Text();
  for (const char* const name : {"weight", "unique"}) {
    const std::string line =
        fmt::format("\nashlar_network_{}_bytes{{model=\"plain\"}} {}\n", name, WriteJson(bytes));
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace ashlar
