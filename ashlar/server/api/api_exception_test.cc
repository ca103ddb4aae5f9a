// What becomes of a request that meets an exception of a library.
#include <stdexcept>

#include <gtest/gtest.h>

#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

// A store of which a library throws.
class ThrowingStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<Tags> ReadTags() const override { throw std::runtime_error("secret"); }
};

HttpResponse AnswerOf(Api& api, std::string_view path, std::string_view body) {
  auto responder = std::make_shared<HeardResponder>();
  api.Handle({.method = "POST",
              .path = std::string(path),
              .headers = {{"Content-Type", "application/json"}},
              .body = std::string(body),
              .id = "x"},
             responder);
  return responder->Wait();
}

TEST_F(ApiTest, AnExceptionIsAnAnswerAndIsLoggedByItsName) {
  Metrics metrics;
  const auto log = *AccessLog::Open(directory_ / "log");
  ThrowingStore throwing(*store_);
  Api api(*service_, throwing, {.metrics = &metrics, .log = log.get()});
  const HttpResponse response = AnswerOf(api, "/admin/networks/derive",
                                         R"({"name": "d", "from": "plain", "steps": [
                                            {"transform": "drop", "arguments": {"layers": [1]}}]})");
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("internal_error"), std::string::npos) << response.body;
  const std::string line = *ReadTextFile(directory_ / "log");
  EXPECT_NE(line.find(R"("exception":"std::runtime_error")"), std::string::npos) << line;
  EXPECT_EQ(line.find("secret"), std::string::npos) << line;
  EXPECT_NE(metrics.Text().find(R"(status="500"} 1)"), std::string::npos) << metrics.Text();
  EXPECT_EQ(
      AnswerOf(api, "/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 1})")
          .status,
      200);
}

}  // namespace
}  // namespace ashlar
