// A service with two networks behind an Api, and a client that hears what is sent.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/server/api/api.h"
#include "ashlar/server/api/testing_networks.h"
#include "ashlar/server/http/http_server.h"
#include "ashlar/server/service/testing_service.h"

namespace ashlar::testing_api {

// The client's side of one request.
class HeardResponder : public HttpResponder {
 public:
  using HttpResponder::Send;
  void Send(HttpResponse response, const std::function<void()>& sure) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(over_);
    sure();
    response_ = std::move(response);
    over_ = true;
    changed_.notify_all();
  }
  void BeginStream(int status, std::string_view type, HttpHeaders headers) override {
    const std::lock_guard lock(mutex_);
    response_ = {.status = status, .content_type = std::string(type), .headers = headers};
  }
  bool Write(std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(over_);
    response_.body += bytes;
    changed_.notify_all();
    return !gone_;
  }
  using HttpResponder::End;
  void End(std::string_view last, const std::function<void()>& sure) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(over_);
    sure();
    response_.body += last;
    over_ = true;
    changed_.notify_all();
  }
  void OnClosed(std::function<void()> closed) override {
    const std::lock_guard lock(mutex_);
    closed_ = std::move(closed);
  }

  HttpResponse Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_; });
    return response_;
  }
  bool over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }
  // Waits for something of a stream.
  void WaitForBytes() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_ || !response_.body.empty(); });
  }
  void GoAway() {
    std::unique_lock lock(mutex_);
    gone_ = true;
    const auto closed = closed_;
    lock.unlock();
    closed();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  HttpResponse response_;
  bool over_ = false;
  bool gone_ = false;
  std::function<void()> closed_;
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    Network plain = testing_service::SpellingNetwork(*store_, {});
    const auto source = std::as_bytes(std::span(kToolTemplate));
    Network chat = testing_service::SpellingNetwork(*store_, {.seed = 2});
    chat.files["chat_template.jinja"] = {*store_->Put(source), source.size()};
    Catalog catalog(*store_, AllKinds());
    const auto lease = *store_->BeginWriting();
    CHECK(catalog.Save(plain, "plain", Json::Array()).ok());
    CHECK(catalog.Save(chat, "chat", Json::Array()).ok());
    service_ = *Service::Start(*store_,
                               {.engine = {.max_positions = 512,
                                           .max_rows = 64,
                                           .max_logit_rows = 16,
                                           .max_sequences = 8,
                                           .page_bytes = 8 << 20},
                                .session_directory = directory_ / "sessions"},
                               {.before_step = [this] { brake_.Pass(); }});
    api_ = std::make_unique<Api>(*service_, *store_);
  }

  std::shared_ptr<HeardResponder> Begin(std::string_view method, std::string_view path,
                                        std::string_view body = "") {
    auto responder = std::make_shared<HeardResponder>();
    api_->Handle({.method = std::string(method),
                  .path = std::string(path),
                  .headers = {{"Content-Type", "application/json"}},
                  .body = std::string(body),
                  .id = "test-id"},
                 responder);
    return responder;
  }
  HttpResponse Ask(std::string_view path, std::string_view body) {
    return Begin("POST", path, body)->Wait();
  }
  // The answer to what must succeed.
  Json Asked(std::string_view path, std::string_view body) {
    const HttpResponse response = Ask(path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return *ParseJson(response.body);
  }
  Json Got(std::string_view path) {
    const HttpResponse response = Begin("GET", path)->Wait();
    EXPECT_EQ(response.status, 200) << response.body;
    return *ParseJson(response.body);
  }
  static const Json& At(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* at = &json;
    for (const std::string_view key : path) {
      at = at->array() != nullptr ? &at->array()->at(static_cast<std::size_t>(key[0] - '0'))
                                  : at->Find(key);
      CHECK(at != nullptr);
    }
    return *at;
  }

  const TempDirectory directory_;
  testing_service::Brake brake_;  // of service_
  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::unique_ptr<Service> service_;
  std::unique_ptr<Api> api_;
};

}  // namespace ashlar::testing_api
