#include "ashlar/server/api/browser_guard.h"

#include <array>

#include <gtest/gtest.h>
#include <unistd.h>

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

const std::vector<std::string> kAllowed = {"Ashlar.lan", "box.example"};

constexpr GuardCase kCases[] = {
    {"127.0.0.1", "", "localhost:8080", nullptr, "", ""},
    {"127.0.0.1", "", "127.0.0.1:8080", nullptr, "", ""},
    {"127.0.0.1", "", "[::1]:8080", nullptr, "", ""},
    {"127.0.0.1", "", "ashlar.localhost", nullptr, "", ""},
    {"127.0.0.1", "", nullptr, nullptr, "", ""},
    {"127.0.0.1", "", "evil.example", nullptr, kHost, kHost},
    {"127.0.0.1", "", "127.evil.example", nullptr, kHost, kHost},
    {"127.0.0.1", "", "localhost.evil.example:8080", nullptr, kHost, kHost},
    // An address can be no page's that was made to point here.
    {"127.0.0.1", "", "192.0.2.1:8080", nullptr, "", ""},
    {"127.0.0.1", "", "[2001:db8::1]:8080", nullptr, "", ""},
    {"127.0.0.1", "", "127.1:8080", nullptr, "", ""},
    {"127.0.0.1", "", "192.0.2.1.evil.example", nullptr, kHost, kHost},
    {"127.0.0.1", "", "192.0.2.1:8080", "https://evil.example", kOrigin, kOrigin},
    {"127.0.0.1", "", "", nullptr, kHost, kHost},
    // What this machine is called, and what the table's guards are told that it is.
    {"127.0.0.1", "", "host.docker.internal:8080", nullptr, "", ""},
    {"127.0.0.1", "", "evil.host.docker.internal:8080", nullptr, kHost, kHost},
    {"127.0.0.1", "", "ashlar.lan:8080", nullptr, "", ""},
    {"127.0.0.1", "", "ASHLAR.lan.", nullptr, "", ""},
    {"127.0.0.1", "", "box.example", "https://box.example", "", ""},
    {"127.0.0.1", "", "ashlar.lan", "https://evil.example", kOrigin, kOrigin},
    {"127.0.0.1", "", "evil.ashlar.lan", nullptr, kHost, kHost},
    {"127.0.0.1", "", "lan", nullptr, kHost, kHost},
    // Other ways to write that only this machine can connect.
    {"127.1", "", "127.0.0.1:8080", nullptr, "", ""},
    {"127.1", "", "evil.example", nullptr, kHost, kHost},
    {"0x7f000001", "", "evil.example", nullptr, kHost, kHost},
    {"::ffff:127.0.0.1", "", "evil.example", nullptr, kHost, kHost},
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
    // Both are the page's, whose name was made to point here.
    {"0.0.0.0", "", "evil.example", "http://evil.example", kOrigin, kOrigin},
    {"0.0.0.0", "", "evil.example:8080", "http://evil.example:8080", kOrigin, kOrigin},
    {"192.0.2.1", "", "evil.example", "http://evil.example", kOrigin, kOrigin},
    {"0.0.0.0", "*", "evil.example", "http://evil.example", "", kOrigin},
    {"0.0.0.0", "", "192.0.2.1:8080", "http://192.0.2.1:8080", "", ""},
    {"0.0.0.0", "", "[2001:db8::1]:8080", "http://[2001:db8::1]:8080", "", ""},
    {"0.0.0.0", "", "localhost:8080", "http://localhost:8080", "", ""},
    {"0.0.0.0", "", "ashlar.lan:8080", "http://ashlar.lan:8080", "", ""},
    {"0.0.0.0", "", "ashlar.lan:8080", "http://ashlar.lan:3000", kOrigin, kOrigin},
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
    const BrowserGuard guard(each.listens, each.cors, kAllowed);
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

TEST(BrowserGuard, TheMachinesOwnNameNeedNotBeAllowed) {
  std::array<char, 256> machine = {};
  ASSERT_EQ(gethostname(machine.data(), machine.size() - 1), 0);
  const std::string name = machine.data();
  for (const char* const listens : {"127.0.0.1", "0.0.0.0"}) {
    const BrowserGuard guard(listens, "", {});
    EXPECT_FALSE(guard.Refusal({{"host", name + ":8080"}, {"origin", "http://" + name + ":8080"}},
                               /*administers=*/true))
        << listens << ' ' << name;
  }
}

TEST(BrowserGuard, ARefusalSaysWhichSettingWouldAllowTheName) {
  const auto message = [](const char* listens, const HttpHeaders& headers) {
    const auto problem = BrowserGuard(listens, "", {}).Refusal(headers, /*administers=*/false);
    return problem ? problem->message : "";
  };
  EXPECT_EQ(message("127.0.0.1", {{"host", "box.example:8080"}}),
            "this server asks for no key, and takes requests whose Host is an address, this "
            "machine's own name or one of --allowed-hosts, not \"box.example\", lest any web page "
            "could ask: if \"box.example\" is this server, name it in --allowed-hosts, or give it "
            "--keys");
  EXPECT_EQ(
      message("0.0.0.0", {{"host", "box.example:80"}, {"origin", "http://box.example:80"}}),
      "this server asks for no key, and pages of \"http://box.example:80\" may not ask it: if "
      "\"box.example\" is this server, name it in --allowed-hosts, or give it --keys");
  EXPECT_EQ(message("0.0.0.0", {{"host", "localhost"}, {"origin", "https://page.example"}}),
            "this server asks for no key, and pages of \"https://page.example\" may not ask it: "
            "give it --keys, or that origin as --cors-origin");
}

TEST(BrowserGuard, AnAddressIsThisMachinesAloneHoweverItIsWritten) {
  for (const char* const each :
       {"127.0.0.1", "127.1", "127.255.255.254", "0x7f.1", "0177.0.0.1", "2130706433", "::1",
        "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LocalHost.", "a.localhost"}) {
    EXPECT_TRUE(IsLoopback(each)) << each;
  }
  for (const char* const each :
       {"", "0", "0.0.0.0", "::", "128.1", "10.0.0.127", "::2", "::ffff:10.0.0.1",
        "127.evil.example", "127.0.0.1 evil.example", "localhost.evil.example", "notlocalhost"}) {
    EXPECT_FALSE(IsLoopback(each)) << each;
  }
}

}  // namespace
}  // namespace ashlar
