#include "ashlar/server/config/settings.h"

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/server/config/http_settings.h"

namespace ashlar {
namespace {

constexpr SettingSpec kTable[] = {
    {.name = "config", .doc = "a file"},
    {.name = "host", .otherwise = "here", .doc = "a place"},
    {.name = "port",
     .kind = SettingKind::kInteger,
     .value = "N",
     .otherwise = "80",
     .max = 100,
     .doc = "a number"},
    {.name = "max-body", .kind = SettingKind::kBytes, .otherwise = "1M", .doc = "bytes"},
    {.name = "wait", .kind = SettingKind::kSeconds, .otherwise = "1.5", .doc = "seconds"},
    {.name = "open", .kind = SettingKind::kFlag, .doc = "or not"},
};

class SettingsTest : public testing::Test {
 protected:
  Result<Settings> Collect(std::string_view file, std::vector<const char*> environment = {},
                           std::map<std::string, std::string, std::less<>> flags = {}) {
    std::ofstream(file_, std::ios::trunc) << file;
    flags.emplace("config", file_);
    return Settings::Collect(kTable, {.flags = std::move(flags), .environment = environment});
  }
  std::string ErrorOf(const Result<Settings>& settings) {
    return settings.ok() ? "no error" : settings.error().message;
  }
  TempDirectory directory_;
  Path file_ = directory_ / "serve.toml";
};

TEST_F(SettingsTest, AFlagGoesBeforeTheEnvironmentThatBeforeTheFileThatBeforeTheDefault) {
  const char* text = "host = \"file\"\nport = 1\nmax-body = 7\nopen = true";
  const auto settings =
      Collect(text, {"ASHLAR_SERVE_HOST=env", "ASHLAR_SERVE_PORT=2", "PATH=x"}, {{"host", "flag"}});
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->Text("host"), "flag");
  EXPECT_EQ(settings->source("host"), "--host");
  EXPECT_EQ(settings->Integer("port"), 2);
  EXPECT_EQ(settings->source("port"), "ASHLAR_SERVE_PORT");
  EXPECT_EQ(settings->Bytes("max-body"), 7u);
  EXPECT_EQ(settings->source("max-body"), file_.string() + ": max-body");
  EXPECT_EQ(settings->Seconds("wait"), 1.5);
  EXPECT_EQ(settings->source("wait"), "default");
  EXPECT_TRUE(settings->Flag("open"));
}

TEST_F(SettingsTest, EveryKindIsReadFromEveryPlace) {
  const auto file = Collect("max-body = \"2K\"\nwait = 3\nopen = false");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->Bytes("max-body"), 2000u);
  EXPECT_EQ(file->Seconds("wait"), 3);
  const auto environment = Collect("", {"ASHLAR_SERVE_MAX_BODY=3M", "ASHLAR_SERVE_OPEN=true",
                                        "ASHLAR_SERVE_WAIT=0.25", "ASHLAR_SERVE_HOST=x"});
  ASSERT_TRUE(environment.ok()) << environment.error().message;
  EXPECT_EQ(environment->Bytes("max-body"), 3'000'000u);
  EXPECT_TRUE(environment->Flag("open"));
  EXPECT_EQ(environment->Seconds("wait"), 0.25);
  EXPECT_EQ(environment->Text("host"), "x");
}

TEST_F(SettingsTest, TheFileIsNamedByAFlagOrTheEnvironment) {
  std::ofstream(directory_ / "other.json") << R"({"port": 7})";
  const std::string variable = "ASHLAR_SERVE_CONFIG=" + (directory_ / "other.json").string();
  const char* const variables[] = {variable.c_str()};
  const auto environment =
      Settings::Collect(kTable, {.environment = std::span<const char* const>(variables)});
  ASSERT_TRUE(environment.ok()) << environment.error().message;
  EXPECT_EQ(environment->Integer("port"), 7);
  EXPECT_EQ(Collect("port = 8", {variable.c_str()})->Integer("port"), 8);
}

TEST_F(SettingsTest, AnUnknownNameIsAnErrorThatNamesItAndItsPlace) {
  const std::string known =
      "there is no such setting; known: config, host, port, max-body, wait, open";
  EXPECT_EQ(ErrorOf(Collect("prot = 1")), file_.string() + ": prot: " + known);
  EXPECT_EQ(ErrorOf(Collect("[server]\nport = 1")), file_.string() + ": server: " + known);
  EXPECT_EQ(ErrorOf(Collect("", {"ASHLAR_SERVE_PROT=1"})), "ASHLAR_SERVE_PROT: " + known);
  EXPECT_EQ(ErrorOf(Collect("", {}, {{"prot", "1"}})), "--prot: " + known);
}

TEST_F(SettingsTest, AValueThatIsWrongIsAnErrorThatNamesItsPlace) {
  EXPECT_EQ(ErrorOf(Collect("port = 101")),
            file_.string() + ": port: expected an integer, from 0 to 100, found 101");
  EXPECT_EQ(ErrorOf(Collect("port = 1.5")),
            file_.string() + ": port: expected an integer, found \"1.5\"");
  EXPECT_EQ(ErrorOf(Collect("port = [1]")),
            file_.string() + ": port: expected one value, found array");
  const std::string empty = ": is empty: give it a value, or leave it out";
  EXPECT_EQ(ErrorOf(Collect("", {"ASHLAR_SERVE_PORT="})), "ASHLAR_SERVE_PORT" + empty);
  EXPECT_EQ(ErrorOf(Collect("", {"ASHLAR_SERVE_HOST="})), "ASHLAR_SERVE_HOST" + empty);
  EXPECT_EQ(ErrorOf(Collect("", {}, {{"host", ""}})), "--host" + empty);
  EXPECT_EQ(ErrorOf(Collect("host = \"\"")), file_.string() + ": host" + empty);
  EXPECT_EQ(ErrorOf(Collect("", {}, {{"config", ""}})), "--config" + empty);
  EXPECT_EQ(ErrorOf(Collect("", {"ASHLAR_SERVE_OPEN=1"})),
            "ASHLAR_SERVE_OPEN: expected true or false, found \"1\"");
  EXPECT_EQ(ErrorOf(Collect("", {}, {{"max-body", "many"}})),
            "--max-body: expected bytes, as in 300M, found \"many\"");
  EXPECT_EQ(ErrorOf(Collect("", {}, {{"wait", "inf"}})),
            "--wait: expected a number of seconds, found \"inf\"");
  EXPECT_NE(ErrorOf(Collect("host = ")).find(file_.string() + ": line 1"), std::string::npos);
  EXPECT_EQ(ErrorOf(Collect("config = \"x\"")),
            file_.string() + ": config: a file cannot name another");
  const std::string absent = ErrorOf(Collect("", {}, {{"config", directory_ / "absent"}}));
  EXPECT_TRUE(absent.starts_with("--config: ")) << absent;
}

TEST(HttpSettings, AreTheOptionsOfTheServerAndHaveItsDefaults) {
  const auto settings = Settings::Collect(kHttpSettings, {});
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  const HttpServerOptions options = *HttpOptionsOf(*settings);
  const HttpServerOptions defaults;
  EXPECT_EQ(options.host, defaults.host);
  EXPECT_EQ(options.threads, defaults.threads);
  EXPECT_EQ(options.max_connections, defaults.max_connections);
  EXPECT_EQ(options.max_requests, defaults.max_requests);
  EXPECT_EQ(options.max_header_bytes, defaults.max_header_bytes);
  EXPECT_EQ(options.max_body_bytes, defaults.max_body_bytes);
  EXPECT_EQ(options.max_all_body_bytes, defaults.max_all_body_bytes);
  EXPECT_EQ(options.max_backlog_bytes, defaults.max_backlog_bytes);
  EXPECT_EQ(options.idle_timeout, defaults.idle_timeout);
  EXPECT_EQ(options.header_timeout, defaults.header_timeout);
  EXPECT_EQ(options.body_timeout, defaults.body_timeout);
  EXPECT_EQ(options.write_timeout, defaults.write_timeout);
}

TEST(HttpSettings, AnOriginIsAsABrowserWritesIt) {
  const auto options = [](const char* origin) {
    return HttpOptionsOf(*Settings::Collect(kHttpSettings, {.flags = {{"cors-origin", origin}}}));
  };
  for (const char* const right : {"*", "https://a.example", "http://localhost:3000",
                                  "http://[::1]:80", "tauri://localhost", "moz-extension://1-a"}) {
    EXPECT_EQ(options(right)->cors_origin, right);
  }
  for (const char* const wrong : {"foo", "a.example", "https://a.example/", "https://A.example",
                                  "https://", "://a", "https://a.example,https://b.example"}) {
    const auto refused = options(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().message,
              fmt::format("--cors-origin: expected * or an origin without a path, in lower case, "
                          "as in https://a.example or http://localhost:3000, found \"{}\"",
                          wrong));
  }
}

TEST(HttpSettings, AllowedHostsAreNamesAndNothingElse) {
  const auto allowed = [](const char* names) {
    return AllowedHosts(*Settings::Collect(kHttpSettings, {.flags = {{"allowed-hosts", names}}}));
  };
  EXPECT_TRUE(AllowedHosts(*Settings::Collect(kHttpSettings, {}))->empty());
  EXPECT_EQ(*allowed("box,Ashlar.my_lan-1.example"),
            (std::vector<std::string>{"box", "Ashlar.my_lan-1.example"}));
  for (const char* const wrong : {"box:8080", "https://box", "*", "box.example/", " box"}) {
    const auto names = allowed(wrong);
    ASSERT_FALSE(names.ok()) << wrong;
    EXPECT_EQ(names.error().message,
              fmt::format("--allowed-hosts: expected names without scheme or port, as in "
                          "box.example,ashlar.lan, found \"{}\"",
                          wrong));
  }
}

TEST(HttpSettings, TheDocumentationHasEachAsItIs) {
  std::ifstream file(ASHLAR_SOURCE_DIR "/docs/serving.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  const std::string table = SettingsMarkdown(kHttpSettings);
  EXPECT_NE(page.find(table), std::string::npos) << "docs/serving.md should have\n" << table;
}

}  // namespace
}  // namespace ashlar
