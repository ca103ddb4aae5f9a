#include "ashlar/server/api/browser_guard.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

struct GuardCase {
  const char* listens;
  const char* cors;
  const char* host;    // null: not sent
  const char* origin;  // null: not sent
  const char* asks;    // what comes of asking, and of administering: "" or a code
  const char* administers;
};

constexpr const char* kHost = "forbidden_host";
constexpr const char* kOrigin = "forbidden_origin";

constexpr GuardCase kCases[] = {
    {"127.0.0.1", "", "localhost:8080", nullptr, "", ""},
    {"127.0.0.1", "", "127.0.0.1:8080", nullptr, "", ""},
    {"127.0.0.1", "", "[::1]:8080", nullptr, "", ""},
    {"127.0.0.1", "", "ashlar.localhost", nullptr, "", ""},
    {"127.0.0.1", "", nullptr, nullptr, "", ""},
    {"127.0.0.1", "", "evil.example", nullptr, kHost, kHost},
    {"127.0.0.1", "", "127.evil.example", nullptr, kHost, kHost},
    {"127.0.0.1", "", "localhost.evil.example:8080", nullptr, kHost, kHost},
    {"127.0.0.1", "", "192.0.2.1:8080", nullptr, kHost, kHost},
    {"localhost", "", "evil.example", "http://evil.example", kHost, kHost},
    {"Localhost", "", "LOCALHOST:80", "http://localhost:80", "", ""},
    {"127.0.0.1", "", "localhost:8080", "http://localhost:8080", "", ""},
    {"127.0.0.1", "", "localhost:8080", "http://localhost:3000", kOrigin, kOrigin},
    {"127.0.0.1", "", "localhost:8080", "https://evil.example", kOrigin, kOrigin},
    {"127.0.0.1", "", "localhost:8080", "null", kOrigin, kOrigin},
    {"127.0.0.1", "https://mine.example", "localhost:8080", "https://mine.example", "", ""},
    {"127.0.0.1", "https://mine.example", "localhost", "https://mine.example.evil", kOrigin,
     kOrigin},
    {"127.0.0.1", "*", "localhost:8080", "https://evil.example", "", kOrigin},
    {"127.0.0.1", "*", "evil.example", "https://evil.example", kHost, kHost},
    {"0.0.0.0", "", "server.example:8080", nullptr, "", ""},
    {"0.0.0.0", "", "server.example:8080", "https://evil.example", kOrigin, kOrigin},
};

TEST(BrowserGuard, PagesAskOnlyWhereTheyAreAllowedAndProgramsAsTheyLike) {
  for (const GuardCase& each : kCases) {
    HttpHeaders headers;
    if (each.host != nullptr) {
      headers.push_back({"host", each.host});
    }
    if (each.origin != nullptr) {
      headers.push_back({"origin", each.origin});
    }
    const BrowserGuard guard(each.listens, each.cors);
    const auto code = [&](bool administers) {
      const std::optional<Problem> problem = guard.Refusal(headers, administers);
      EXPECT_TRUE(!problem || problem->status == 403);
      return problem ? problem->code : "";
    };
    const std::string what =
        fmt::format("{} {}: Host {}, Origin {}", each.listens, each.cors,
                    each.host ? each.host : "-", each.origin ? each.origin : "-");
    EXPECT_EQ(code(false), each.asks) << what;
    EXPECT_EQ(code(true), each.administers) << what;
  }
}

}  // namespace
}  // namespace ashlar
