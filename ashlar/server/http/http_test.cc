#include "ashlar/server/http/http.h"

#include <gtest/gtest.h>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

TEST(ErrorResponse, HasTheFormThatClientsOfOpenAiRead) {
  const HttpResponse named = ErrorResponse(400, "top_k: \"x\"", "bad_value", "top_k");
  EXPECT_EQ(named.status, 400);
  EXPECT_EQ(named.body, R"({"error":{"message":"top_k: \"x\"","type":"invalid_request_error",)"
                        R"("param":"top_k","code":"bad_value"}})");
  EXPECT_NE(ErrorResponse(429, "slow down")
                .body.find(R"("type":"rate_limit_error","param":null,"code":null)"),
            std::string::npos);
}

TEST(ErrorResponse, StatusFollowsFromWhatCouldBeDoneAboutIt) {
  EXPECT_EQ(ErrorResponse(Invalid("x")).status, 400);
  EXPECT_EQ(ErrorResponse(Unsupported("x")).status, 400);
  EXPECT_EQ(ErrorResponse(NotFound("x")).status, 404);
  EXPECT_EQ(ErrorResponse(Conflict("x")).status, 409);
  EXPECT_EQ(ErrorResponse(IoError("x")).status, 500);
  EXPECT_EQ(ErrorResponse(Corrupt("x")).status, 503);
  EXPECT_EQ(ErrorResponse(Exhausted("x")).status, 503);
  EXPECT_NE(ErrorResponse(Corrupt("x")).body.find(R"("code":"corrupt")"), std::string::npos);
}

TEST(DataEvent, IsOneLineWhateverTheTextIs) {
  EXPECT_EQ(DataEvent(Json::Of({{"text", "a\r\nb\n\ndata: c"}})),
            "data: {\"text\":\"a\\r\\nb\\n\\ndata: c\"}\n\n");
  EXPECT_EQ(DataEvent(Json::Of({{"x", 1}}), "response.created"),
            "event: response.created\ndata: {\"x\":1}\n\n");
}

}  // namespace
}  // namespace ashlar
