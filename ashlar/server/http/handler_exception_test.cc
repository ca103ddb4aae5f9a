// An exception that a handler lets out, a library's say, is an answer of 500.
#include <stdexcept>

#include <gtest/gtest.h>

#include "ashlar/server/http/http_server.h"
#include "ashlar/server/http/testing_client.h"

namespace ashlar {
namespace {

TEST(HandlerException, IsAnAnswerAndTheServerGoesOn) {
  const auto server =
      HttpServer::Start({}, [](HttpRequest request, std::shared_ptr<HttpResponder> responder) {
        if (request.path == "/throw") {
          throw std::runtime_error("oh");
        }
        responder->Send({.body = "fine"});
      });
  ASSERT_TRUE(server.ok()) << server.error().message;
  testing_http::Client client((*server)->port());
  EXPECT_EQ(client.Get("/throw").Read().status, 500);
  EXPECT_EQ(client.Get("/").Read().body, "fine");
}

}  // namespace
}  // namespace ashlar
