#include "ashlar/server/tenants/tenants.h"

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/server/config/toml.h"

namespace ashlar {
namespace {

class TestClock final : public Clock {
 public:
  std::int64_t NowMicros() const override { return micros; }
  std::int64_t micros = 1'000'000;
};

const std::string kAliceKey = "ash-alice";
const std::string kBobKey = "ash-bob";

std::string KeysText(std::string_view alice = "", std::string_view bob = "") {
  return fmt::format(
      "[[tenant]]\nname = \"alice\"\nkeys = [\"{}\"]\n{}\n"
      "[[tenant]]\nname = \"bob\"\nkeys = [\"{}\"]\n{}\n",
      KeyDigestText(DigestOfKey(kAliceKey)), alice, KeyDigestText(DigestOfKey(kBobKey)), bob);
}

class TenantsTest : public testing::Test {
 protected:
  void Write(std::string_view text) { std::ofstream(file_, std::ios::trunc) << text; }
  void Open(std::string_view text) {
    Write(text);
    auto opened = Tenants::Open(file_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    tenants_ = *std::move(opened);
  }
  AdmissionResult Admit(std::int64_t tokens) {
    const auto alice = tenants_->Find(kAliceKey);
    AdmissionResult result = tenants_->Admit(*alice);
    if (result.ok()) {
      result.refusal = tenants_->Charge(*alice, tokens, result.admission);
    }
    return result;
  }

  TempDirectory directory_;
  Path file_ = directory_ / "keys.toml";
  TestClock clock_;
  std::unique_ptr<Tenants> tenants_;
};

TEST(Glob, MatchesAsAShellDoes) {
  const std::tuple<const char*, const char*, bool> cases[] = {
      {"*", "", true},
      {"*", "anything", true},
      {"lab", "lab", true},
      {"lab", "labs", false},
      {"lab*", "lab-docs", true},
      {"*docs", "lab-docs", true},
      {"l?b", "lab", true},
      {"l?b", "lb", false},
      {"*a*b*", "xxaxxbxx", true},
      {"*a*b*", "xxbxxaxx", false},
      {"a*a", "a", false},
      {"", "", true},
      {"", "a", false},
      {"**", "a", true},
      {"*ab", "aab", true},
  };
  for (const auto& [glob, text, matches] : cases) {
    EXPECT_EQ(MatchesGlob(glob, text), matches) << glob << " " << text;
  }
  const std::string many(100'000, 'a');
  EXPECT_FALSE(MatchesGlob("*a*a*a*a*a*a*b", many.substr(0, 2000))) << "and soon";
}

TEST(KeysFile, SaysWhatATenantMayDo) {
  const auto json = ParseToml(
      KeysText("networks = [\"lab*\", \"x\"]\nconcurrent_requests = 2\ntokens_per_minute = 600\n"
               "context_length = 4096\npriority = -3\nshare_prefix_cache = "
               "true\nreuse_any_precision = true\nadmin = true"));
  ASSERT_TRUE(json.ok()) << json.error().message;
  const auto parsed = ParseKeys(*json);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Tenant& alice = (*parsed)[0].tenant;
  EXPECT_EQ(alice.name, "alice");
  EXPECT_TRUE(alice.MayUse("lab-docs"));
  EXPECT_FALSE(alice.MayUse("llama"));
  EXPECT_EQ(alice.limits.concurrent_requests, 2);
  EXPECT_EQ(alice.limits.tokens_per_minute, 600);
  EXPECT_EQ(alice.limits.context_length, 4096);
  EXPECT_EQ(alice.priority, -3);
  EXPECT_TRUE(alice.share_prefix_cache);
  EXPECT_TRUE(alice.reuse_any_precision);
  EXPECT_TRUE(alice.admin);
  const Tenant& bob = (*parsed)[1].tenant;
  EXPECT_TRUE(bob.MayUse("llama"));
  EXPECT_EQ(bob.limits.concurrent_requests, 0);
  EXPECT_FALSE(bob.share_prefix_cache);
  EXPECT_FALSE(bob.reuse_any_precision);
  EXPECT_FALSE(bob.admin);
}

TEST(KeysFile, NamesWhatIsWrongAndWhereAndNeverQuotesAKey) {
  const std::string digest = KeyDigestText(DigestOfKey("k"));
  const std::pair<std::string, const char*> lies[] = {
      {"", "tenant"},
      {"[tenant]\nname = \"a\"", "expected an array"},
      {"[[tenants]]", "tenants"},
      {"[[tenant]]\nkeys = []", "name"},
      {"[[tenant]]\nname = \"a b\"\nkeys = []", "a b"},
      {"[[tenant]]\nname = \"a\"", "keys"},
      {"[[tenant]]\nname = \"a\"\nkeys = []\nlimit = 3", "limit"},
      {"[[tenant]]\nname = \"a\"\nkeys = [\"ash-secret\"]",
       "$.tenant[0].keys[0]: expected \"sha256:"},
      {"[[tenant]]\nname = \"a\"\nkeys = []\npriority = 101", "-100"},
      {"[[tenant]]\nname = \"a\"\nkeys = []\ntokens_per_minute = 0", "tokens_per_minute"},
      {"[[tenant]]\nname = \"a\"\nkeys = []\nadmin = \"yes\"", "admin: expected a boolean"},
      {"[[tenant]]\nname = \"a\"\nkeys = []\n[[tenant]]\nname = \"a\"\nkeys = []", "another"},
      {fmt::format("[[tenant]]\nname = \"a\"\nkeys = [\"{0}\"]\n[[tenant]]\nname = \"b\"\n"
                   "keys = [\"{0}\"]",
                   digest),
       "$.tenant[1]: one of its keys"},
      {"[[tenant]]\nname = ", "line 2"},
      {"[[tenant]]\nname = 2020-01-01", "date"},
      {"x = nan", "finite"},
  };
  for (const auto& [text, says] : lies) {
    const auto json = ParseToml(text);
    const std::string message = json.ok() ? ParseKeys(*json).error().message : json.error().message;
    EXPECT_NE(message.find(says), std::string::npos) << text << "\n-> " << message;
    EXPECT_EQ(message.find("secret"), std::string::npos);
  }
}

TEST(KeysFile, NewKeysAreLongAndDiffer) {
  EXPECT_EQ(NewKey().size(), 68u);
  EXPECT_NE(NewKey(), NewKey());
  EXPECT_EQ(KeyDigestText(DigestOfKey("abc")),  // FIPS 180-4's example
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Bearer, IsTakenOutOfTheHeader) {
  EXPECT_EQ(BearerKey({{"authorization", "Bearer abc"}}), "abc");
  EXPECT_EQ(BearerKey({{"Authorization", "bEARER  abc"}}), "abc");
  EXPECT_EQ(BearerKey({{"Authorization", "Basic abc"}}), "");
  EXPECT_EQ(BearerKey({{"Authorization", "Bearer"}}), "");
  EXPECT_EQ(BearerKey({}), "");
}

TEST_F(TenantsTest, AreFoundByTheirKeysOnly) {
  Open(KeysText());
  EXPECT_EQ(tenants_->Find(kAliceKey)->name, "alice");
  EXPECT_EQ(tenants_->Find(kBobKey)->name, "bob");
  for (const std::string& wrong : {std::string(), std::string("ash-alic"), kAliceKey + "x",
                                   KeyDigestText(DigestOfKey(kAliceKey))}) {
    EXPECT_EQ(tenants_->Find(wrong), nullptr) << wrong;
  }
}

TEST_F(TenantsTest, WithoutAFileEverybodyIsOneTenantWithoutLimits) {
  Tenants tenants(Tenant{}, clock_);
  EXPECT_EQ(tenants.Find("")->name, "default");
  EXPECT_EQ(tenants.Find("any"), tenants.Find(""));
  std::vector<AdmissionResult> admitted;
  for (int i = 0; i < 1000; ++i) {
    admitted.push_back(tenants.Admit(*tenants.Find("")));
    ASSERT_TRUE(admitted.back().ok());
    ASSERT_FALSE(tenants.Charge(*tenants.Find(""), 1 << 30, admitted.back().admission));
  }
  EXPECT_FALSE(*tenants.ReloadIfChanged());
}

TEST_F(TenantsTest, RunNoMoreRequestsAtOnceThanTheirLimit) {
  Open(KeysText("concurrent_requests = 2"));
  AdmissionResult first = Admit(1);
  AdmissionResult second = Admit(1);
  EXPECT_TRUE(second.ok());
  const AdmissionResult third = Admit(1);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.refusal->message, "2 requests of alice are running, which is its limit");
  EXPECT_EQ(third.refusal->retry_after_seconds, 1);
  EXPECT_TRUE(tenants_->Admit(*tenants_->Find(kBobKey)).ok()) << "a limit of alice's";
  Admission moved = std::move(first.admission);
  EXPECT_FALSE(Admit(1).ok());
  moved = Admission();
  EXPECT_TRUE(Admit(1).ok());
}

TEST_F(TenantsTest, TokensComeBackWithTime) {
  Open(KeysText("tokens_per_minute = 600"));  // ten in a second
  EXPECT_TRUE(Admit(500).ok());
  const AdmissionResult refused = Admit(150);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.refusal->retry_after_seconds, 5) << "50 are missing";
  clock_.micros += 4'999'000;
  EXPECT_FALSE(Admit(150).ok());
  clock_.micros += 1'000;
  EXPECT_TRUE(Admit(150).ok());
  clock_.micros += 3'600'000'000;
  EXPECT_TRUE(Admit(600).ok()) << "an hour fills no more than a minute's worth";
  EXPECT_FALSE(Admit(1).ok());
}

TEST_F(TenantsTest, WhatWasNotUsedIsGivenBackAndWhatWasUsedBeyondIsOwed) {
  Open(KeysText("tokens_per_minute = 600"));
  AdmissionResult large = Admit(600);
  EXPECT_FALSE(Admit(100).ok());
  large.admission.Settle(400);
  large.admission.Settle(400);  // once more changes nothing
  AdmissionResult rest = Admit(200);
  EXPECT_TRUE(rest.ok());
  rest.admission.Settle(800);
  EXPECT_EQ(Admit(100).refusal->retry_after_seconds, 70) << "600 owed, and 100 more";
  clock_.micros += 120'000'000;
  EXPECT_TRUE(Admit(100'000).ok()) << "more than a minute's takes a minute's";
  EXPECT_FALSE(Admit(1).ok());
}

TEST_F(TenantsTest, AChangedFileIsReadAgainAndRunningRequestsStillCount) {
  Open(KeysText("concurrent_requests = 1\ntokens_per_minute = 600"));
  const AdmissionResult running = Admit(600);
  EXPECT_FALSE(*tenants_->ReloadIfChanged());
  Write(KeysText("concurrent_requests = 2\ntokens_per_minute = 1200"));
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  EXPECT_TRUE(Admit(600).ok()) << "the limit grew by 600";
  EXPECT_FALSE(Admit(1).ok()) << "and is used up";
  Write("[[tenant]]\nname = \"carol\"\nkeys = []\n");
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  EXPECT_EQ(tenants_->Find(kAliceKey), nullptr);
  EXPECT_EQ(tenants_->all().size(), 1u);
  EXPECT_TRUE(tenants_->has_one());
}

TEST_F(TenantsTest, WhatWasUsedWithoutALimitIsNotOwedWhenOneComes) {
  Open(KeysText());
  AdmissionResult before = Admit(5000);
  AdmissionResult across = Admit(5000);
  before.admission.Settle(5000);
  Write(KeysText("tokens_per_minute = 600"));
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  across.admission.Settle(5000);
  EXPECT_TRUE(Admit(600).ok());
  EXPECT_FALSE(Admit(1).ok());
  Write(KeysText());
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  EXPECT_TRUE(Admit(5000).ok());
  Write(KeysText("tokens_per_minute = 700"));
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  EXPECT_TRUE(Admit(700).ok()) << "it begins full";
}

TEST_F(TenantsTest, ABrokenFileLeavesThemAsTheyWereAndSaysSoOnce) {
  Open(KeysText());
  Write("[[tenant]]\nname = \n");
  const auto broken = tenants_->ReloadIfChanged();
  ASSERT_FALSE(broken.ok());
  EXPECT_TRUE(broken.error().message.starts_with(file_.string() + ": line 2"))
      << broken.error().message;
  EXPECT_FALSE(*tenants_->ReloadIfChanged());
  EXPECT_EQ(tenants_->Find(kAliceKey)->name, "alice");
  std::filesystem::remove(file_);
  EXPECT_FALSE(tenants_->ReloadIfChanged().ok());
  EXPECT_EQ(tenants_->Find(kAliceKey)->name, "alice");
  Write(KeysText("priority = 5"));
  EXPECT_TRUE(*tenants_->ReloadIfChanged());
  EXPECT_EQ(tenants_->Find(kAliceKey)->priority, 5);
}

TEST_F(TenantsTest, JsonServesAsWellAsToml) {
  file_ = directory_ / "keys.json";
  Open(fmt::format(R"({{"tenant":[{{"name":"alice","keys":["{}"]}}]}})",
                   KeyDigestText(DigestOfKey(kAliceKey))));
  EXPECT_EQ(tenants_->Find(kAliceKey)->name, "alice");
}

}  // namespace
}  // namespace ashlar
