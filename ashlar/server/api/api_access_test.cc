// Who may ask a server for what: with keys and without them.
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/clock.h"
#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/server/http/testing_client.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

// As `curl -d` of a machine's user, and as a browser that shows a page.
TEST_F(ApiTest, NoWebPageAdministersAServerWithoutKeys) {
  const auto server =
      *HttpServer::Start({}, [&](HttpRequest request, std::shared_ptr<HttpResponder> responder) {
        api_->Handle(std::move(request), std::move(responder));
      });
  const auto ask = [&](std::string_view path, std::string_view headers, std::string_view body) {
    return testing_http::Client(server->port())
        .Send(fmt::format("{} {} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{}",
                          body.empty() ? "GET" : "POST", path, headers, body.size(), body))
        .Read();
  };
  const std::string json = "Host: localhost:8080\r\nContent-Type: application/json\r\n";
  struct PageCase {
    const char* path;
    std::string headers;
    const char* body;
    int status;
  };
  constexpr const char* kDrain = R"({"seconds": 0})";
  constexpr const char* kUnload = R"({"model": "plain"})";
  constexpr const char* kPrompt = R"({"model": "plain", "prompt": "a", "max_tokens": 1})";
  const PageCase cases[] = {
      {"/admin/drain", json + "Origin: https://evil.example\r\n", kDrain, 403},
      {"/admin/drain",
       "Host: localhost\r\nOrigin: https://evil.example\r\nContent-Type: text/plain\r\n", kDrain,
       403},
      {"/admin/drain", "Host: evil.example\r\nContent-Type: application/json\r\n", kDrain, 403},
      {"/admin/drain", "Host: localhost\r\nContent-Type: text/plain\r\n", kDrain, 415},
      {"/admin/drain", "Host: localhost\r\n", kDrain, 415},
      {"/admin/networks/unload", json + "Origin: null\r\n", kUnload, 403},
      {"/admin/networks/unload", json, kUnload, 404},  // it is not loaded
      {"/metrics", "Host: evil.example\r\n", "", 403},
      {"/metrics", "Host: 127.0.0.1\r\n", "", 200},
      {"/v1/completions", "Host: evil.example\r\n", kPrompt, 403},
      {"/v1/completions", "Host: localhost\r\nOrigin: https://evil.example\r\n", kPrompt, 403},
      {"/v1/completions", "Host: localhost\r\n", kPrompt, 200},
      {"/health", "Host: evil.example\r\n", "", 200},
  };
  for (const PageCase& each : cases) {
    const testing_http::Answer answer = ask(each.path, each.headers, each.body);
    EXPECT_EQ(answer.status, each.status) << each.path << ' ' << each.headers << answer.body;
    EXPECT_EQ(answer.body.find("--keys") != std::string::npos, each.status == 403) << answer.body;
  }
  EXPECT_FALSE(service_->draining());
  EXPECT_EQ(ask("/admin/drain", json, kDrain).status, 200);
  EXPECT_TRUE(service_->draining());
}

TEST_F(ApiTest, AServerWithoutKeysIsAskedByTheNamesThatItIsAllowed) {
  Api api(*service_, *store_, {.allowed_hosts = {"box.example"}});
  const auto status = [&](const char* host) {
    auto responder = std::make_shared<HeardResponder>();
    api.Handle({.method = "GET", .path = "/v1/models", .headers = {{"Host", host}}, .id = "x"},
               responder);
    return responder->Wait().status;
  };
  EXPECT_EQ(status("box.example:8080"), 200);
  EXPECT_EQ(status("evil.example:8080"), 403);
}

TEST_F(ApiTest, AKeySaysWhoMayUseWhatAndHowMuch) {
  const TempDirectory directory;
  const std::string alice = NewKey();
  const std::string root = NewKey();
  std::ofstream(directory / "keys.toml") << fmt::format(
      "[[tenant]]\nname = \"alice\"\nkeys = [\"{}\"]\nnetworks = [\"pl*\"]\n"
      "tokens_per_minute = 100\ncontext_length = 90\n"
      "[[tenant]]\nname = \"root\"\nkeys = [\"{}\"]\nadmin = true\n",
      KeyDigestText(DigestOfKey(alice)), KeyDigestText(DigestOfKey(root)));
  const SteadyClock clock;
  const auto tenants = *Tenants::Open(directory / "keys.toml", clock);
  Metrics metrics;
  const auto log = *AccessLog::Open(directory / "log");
  Api api(*service_, *store_, {.tenants = tenants.get(), .metrics = &metrics, .log = log.get()});
  const auto ask = [&](const std::string& key, std::string_view path, std::string_view body) {
    auto responder = std::make_shared<HeardResponder>();
    HttpRequest request{.method = body.empty() ? "GET" : "POST",
                        .path = std::string(path),
                        .body = std::string(body),
                        .id = "x"};
    if (!key.empty()) {
      request.headers.push_back({"authorization", "Bearer " + key});
    }
    api.Handle(std::move(request), responder);
    return responder->Wait();
  };
  constexpr std::string_view kAsk = R"({"model": "plain", "prompt": "secret", "max_tokens": 60})";
  const HttpResponse none = ask("", "/v1/completions", kAsk);
  EXPECT_EQ(none.status, 401);
  EXPECT_NE(none.body.find("none was sent"), std::string::npos) << none.body;
  ASSERT_NE(none.headers.Find("WWW-Authenticate"), nullptr);
  EXPECT_EQ(*none.headers.Find("WWW-Authenticate"), "Bearer");
  const HttpResponse wrong = ask("ash-wrong", "/v1/completions", kAsk);
  EXPECT_EQ(wrong.status, 401);
  EXPECT_NE(wrong.body.find("no such key"), std::string::npos) << wrong.body;
  EXPECT_EQ(ask("", "/health", "").status, 200);
  EXPECT_EQ(ask(alice, "/admin/status", "").status, 403);
  EXPECT_EQ(ask(alice, "/metrics", "").status, 403);
  EXPECT_EQ(ask(alice, "/v1/completions", R"({"model": "chat", "prompt": "a"})").status, 404);
  EXPECT_EQ(ask(alice, "/v1/models/chat", "").status, 404);
  EXPECT_EQ(ask(alice, "/v1/models", "").body.find("chat"), std::string::npos);
  // Not how many others there are, nor what they are called.
  EXPECT_EQ(ask(alice, "/v1/completions", R"({"prompt": "a", "max_tokens": 1})").status, 200);
  const HttpResponse nobodys = ask(root, "/v1/completions", R"({"prompt": "a"})");
  EXPECT_NE(nobodys.body.find("2 networks"), std::string::npos) << nobodys.body;
  const HttpResponse near = ask(alice, "/v1/models/plaim", "");
  EXPECT_EQ(near.status, 404);
  EXPECT_EQ(near.body.find("did you mean"), std::string::npos) << near.body;
  EXPECT_EQ(ask(alice, "/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 90})")
                .status,
            400);
  EXPECT_EQ(ask(alice, "/v1/completions", kAsk).status, 200);
  const HttpResponse limited = ask(alice, "/v1/completions", kAsk);  // 66 of 100 are used
  EXPECT_EQ(limited.status, 429);
  EXPECT_NE(limited.headers.Find("Retry-After"), nullptr);
  const HttpResponse exposed = ask(root, "/metrics", "");
  EXPECT_TRUE(exposed.content_type.starts_with("text/plain"));
  EXPECT_NE(exposed.body.find("tenant=\"alice\""), std::string::npos) << exposed.body;
  EXPECT_NE(exposed.body.find("\nashlar_network_unique_bytes{model=\"plain\"} "), std::string::npos)
      << exposed.body;
  const std::string lines = *ReadTextFile(directory / "log");
  EXPECT_NE(lines.find("\"completion_tokens\":60"), std::string::npos) << lines;
  EXPECT_EQ(lines.find("secret"), std::string::npos);
}

TEST_F(ApiTest, WhatIsOnlyReadCountsAmongATenantsRequestsToo) {
  const TempDirectory directory;
  const std::string key = NewKey();
  std::ofstream(directory / "keys.toml")
      << fmt::format("[[tenant]]\nname = \"alice\"\nkeys = [\"{}\"]\nconcurrent_requests = 1\n",
                     KeyDigestText(DigestOfKey(key)));
  const SteadyClock clock;
  const auto tenants = *Tenants::Open(directory / "keys.toml", clock);
  Api api(*service_, *store_, {.tenants = tenants.get()});
  const auto begin = [&](std::string_view path, std::string_view body) {
    auto responder = std::make_shared<HeardResponder>();
    api.Handle({.method = "POST",
                .path = std::string(path),
                .headers = {{"Authorization", "Bearer " + key}},
                .body = std::string(body),
                .id = "x"},
               responder);
    return responder;
  };
  constexpr std::string_view kContent = R"({"model": "plain", "content": "a"})";
  brake_.After(10);
  const auto streamed = begin("/v1/completions", R"({"model": "plain", "prompt": "a",
      "max_tokens": 400, "stream": true})");
  streamed->WaitForBytes();
  EXPECT_EQ(begin("/tokenize", kContent)->Wait().status, 429);
  brake_.Release();
  streamed->Wait();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(begin("/tokenize", kContent)->Wait().status, 200) << "the one before is over";
  }
  EXPECT_EQ(begin("/v1/completions", R"({"model": "plain"})")->Wait().status, 400);
  EXPECT_EQ(begin("/tokenize", kContent)->Wait().status, 200);
}

}  // namespace
}  // namespace ashlar
