// An exception that a handler lets out, a library's say, is an answer of 500.
#include <mutex>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/server/http/http_server.h"
#include "ashlar/server/http/testing_client.h"

namespace ashlar {
namespace {

TEST(HandlerException, IsAnAnswerAndIsToldAndTheServerGoesOn) {
  std::mutex mutex;
  std::string told;
  const auto server = HttpServer::Start(
      {},
      [](HttpRequest request, std::shared_ptr<HttpResponder> responder) {
        if (request.path == "/throw") {
          throw std::runtime_error("oh");
        }
        responder->Send({.body = "fine"});
      },
      [&](const HttpRequest& request, int status, const std::string& exception) {
        const std::lock_guard lock(mutex);
        told += fmt::format("{} {} {} {} ", request.method, request.path, status, exception);
      });
  ASSERT_TRUE(server.ok()) << server.error().message;
  testing_http::Client client((*server)->port());
  EXPECT_EQ(client.Get("/throw").Read().status, 500);
  EXPECT_EQ(client.Get("/").Read().body, "fine");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(told, "GET /throw 500 std::runtime_error ");
}

}  // namespace
}  // namespace ashlar
