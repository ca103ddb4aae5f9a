#include "ashlar/server/http/internal/request_reader.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

constexpr std::size_t kHeaderLimit = 1000;
constexpr std::size_t kBodyLimit = 100;

// What a reader makes of `pieces`: each request as "METHOD path?query body", at the end the status
// of a refusal, or "..." when a request is not whole yet.
std::vector<std::string> RequestsIn(const std::vector<std::string>& pieces) {
  RequestReader reader(kHeaderLimit, kBodyLimit);
  std::vector<std::string> requests;
  for (const std::string& piece : pieces) {
    if (reader.stage() == RequestStage::kRefused) {
      break;
    }
    reader.Append(piece);
    while (reader.Advance() == RequestStage::kWhole) {
      const HttpRequest request = reader.Take().request;
      requests.push_back(fmt::format("{} {}{}{} {}", request.method, request.path,
                                     request.query.empty() ? "" : "?", request.query,
                                     request.body));
    }
  }
  if (reader.stage() == RequestStage::kRefused) {
    requests.push_back(fmt::format("{}", reader.refusal().status));
  } else if (reader.stage() != RequestStage::kIdle) {
    requests.push_back("...");
  }
  return requests;
}

std::vector<std::string> RequestsIn(const std::string& bytes) {
  return RequestsIn(std::vector<std::string>{bytes});
}

std::string Post(std::string_view headers, std::string_view body) {
  return fmt::format("POST /x HTTP/1.1\r\nHost: a\r\n{}\r\n{}", headers, body);
}

using Requests = std::vector<std::string>;

TEST(RequestReader, ReadsMethodTargetHeadersAndBody) {
  RequestReader reader(kHeaderLimit, kBodyLimit);
  reader.Append(
      "POST /v1/models/a%2Fb?x=%20&y HTTP/1.1\r\nHost: a\r\nX-Thing:  two words \r\n"
      "x-request-id: id-7\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(reader.Advance(), RequestStage::kWhole);
  const ReceivedRequest received = reader.Take();
  EXPECT_EQ(received.request.method, "POST");
  EXPECT_EQ(received.request.path, "/v1/models/a/b");
  EXPECT_EQ(received.request.query, "x=%20&y");
  EXPECT_EQ(*received.request.headers.Find("x-thing"), "two words");
  EXPECT_EQ(received.request.headers.Find("absent"), nullptr);
  EXPECT_EQ(received.request.body, "hello");
  EXPECT_EQ(received.request.id, "id-7");
  EXPECT_TRUE(received.keep_alive);
  EXPECT_FALSE(received.http_1_0);
}

TEST(RequestReader, ReadsWhatEveryClientMaySend) {
  EXPECT_EQ(RequestsIn("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Requests{"GET / "});
  EXPECT_EQ(RequestsIn("GET / HTTP/1.0\r\n\r\n"), Requests{"GET / "});  // needs no Host
  EXPECT_EQ(RequestsIn("GET http://a:80/x?y HTTP/1.1\r\nHost: b\r\n\r\n"), Requests{"GET /x?y "});
  EXPECT_EQ(RequestsIn("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Requests{"OPTIONS * "});
  EXPECT_EQ(RequestsIn("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Requests{"GET / "});
  EXPECT_EQ(RequestsIn(Post("Content-Length: 0\r\n", "")), Requests{"POST /x "});
  EXPECT_EQ(RequestsIn(Post("Content-Length: 3\r\n", "abcGET / HTTP/1.1\r\nHost: a\r\n\r\n")),
            (Requests{"POST /x abc", "GET / "}));
  EXPECT_EQ(RequestsIn(Post("Transfer-Encoding: Chunked\r\n",
                            "3;name=\"a b\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n")),
            Requests{"POST /x abc0123456789"});
  EXPECT_EQ(
      RequestsIn(Post("Transfer-Encoding: chunked\r\n",
                      "1\r\na\r\n0\r\nX-Trailer: 1\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")),
      (Requests{"POST /x a", "GET /next "}));
}

// Two readers could take each of these for different messages, or none can take it for one.
TEST(RequestReader, RefusesWhatCouldBeReadInTwoWays) {
  const std::pair<const char*, std::string> lies[] = {
      {"length and chunks",
       Post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"chunks and length",
       Post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n")},
      {"two lengths", Post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")},
      {"two equal lengths", Post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")},
      {"a list of lengths", Post("Content-Length: 3, 3\r\n", "abc")},
      {"a signed length", Post("Content-Length: +3\r\n", "abc")},
      {"a negative length", Post("Content-Length: -3\r\n", "abc")},
      {"a hexadecimal length", Post("Content-Length: 0x3\r\n", "abc")},
      {"an empty length", Post("Content-Length: \r\n", "abc")},
      {"a length over 64 bits", Post("Content-Length: 99999999999999999999999\r\n", "")},
      {"space before the colon", Post("Content-Length : 3\r\n", "abc")},
      {"two codings",
       Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"a vertical tab in the coding", Post("Transfer-Encoding: \x0b"
                                            "chunked\r\n",
                                            "0\r\n\r\n")},
      {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"a chunk without size", Post("Transfer-Encoding: chunked\r\n", "\r\nabc\r\n0\r\n\r\n")},
      {"a negative chunk", Post("Transfer-Encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n")},
      {"a chunk of 2^64", Post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\nabc\r\n")},
      {"a chunk that is longer", Post("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n")},
      {"a chunk with a prefix", Post("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n")},
      {"a chunk that ends in LF", Post("Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n")},
      {"a folded line", Post("X: a\r\n b\r\n", "")},
      {"a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"lines that end in LF", "GET / HTTP/1.1\nHost: a\n\n"},
      {"one line that ends in LF", Post("X: a\nY: b\r\n", "")},
      {"a bare CR", Post("X: a\rY: b\r\n", "")},
      {"a NUL", Post(std::string("X: a\0b\r\n", 8), "")},
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"two Authorizations", Post("Authorization: a\r\nAuthorization: b\r\n", "")},
      {"a header without a name", Post(": a\r\n", "")},
      {"a header without a colon", Post("nothing\r\n", "")},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a target without a slash", "GET x HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a target with a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a target with a NUL", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a target with half an escape", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a target with bytes over 127", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a TLS handshake", std::string("\x16\x03\x01\x02\x00", 5)},
  };
  for (const auto& [name, bytes] : lies) {
    EXPECT_EQ(RequestsIn(bytes), Requests{"400"}) << name;
  }
}

TEST(RequestReader, RefusalsSayWhatWasTooMuchOrIsNotKnown) {
  const std::pair<std::string, std::string> refusals[] = {
      {"413", Post("Content-Length: 101\r\n", "")},
      {"413", Post("Transfer-Encoding: chunked\r\n", "65\r\n")},
      {"413",
       Post("Transfer-Encoding: chunked\r\n", "40\r\n" + std::string(64, 'a') + "\r\n25\r\n")},
      {"415", Post("Content-Encoding: gzip\r\n", "")},
      {"417", Post("Expect: miracles\r\n", "")},
      {"431", Post("X: " + std::string(kHeaderLimit, 'a') + "\r\n", "")},
      {"431", "GET /" + std::string(kHeaderLimit, 'a')},
      {"431", Post("Transfer-Encoding: chunked\r\n", "0\r\nX: " + std::string(2000, 'a'))},
      {"501", Post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
      {"501", Post("Transfer-Encoding: identity\r\n", "")},
      {"505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"505", "GET / HTTP/3.1\r\nHost: a\r\n\r\n"},
  };
  for (const auto& [status, bytes] : refusals) {
    EXPECT_EQ(RequestsIn(bytes), Requests{status}) << bytes.substr(0, 100);
  }
}

TEST(RequestReader, AsksForABodyOnceAndOnlyWhenItIsWaitedFor) {
  RequestReader reader(kHeaderLimit, kBodyLimit);
  reader.Append(Post("Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
  EXPECT_EQ(reader.Advance(), RequestStage::kBody);
  EXPECT_TRUE(reader.TakeContinue());
  EXPECT_FALSE(reader.TakeContinue());
  reader.Append("abc" + Post("Expect: 100-continue\r\nContent-Length: 3\r\n", "a"));
  EXPECT_EQ(reader.Advance(), RequestStage::kWhole);
  EXPECT_EQ(reader.Take().request.body, "abc");
  EXPECT_EQ(reader.Advance(), RequestStage::kBody);
  EXPECT_FALSE(reader.TakeContinue()) << "its body has begun";
}

TEST(RequestReader, RandomCutsMakeNoDifference) {
  std::mt19937_64 random(TestSeed());
  const std::string alphabet[] = {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      Post("Content-Length: 3\r\n", "abc"),
      Post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\n"),
      "\r\n",
      "\n",
      "GET / HTTP/1.0\r\n\r\n",
      Post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      Post("Content-Length: 4\r\nContent-Length: 4\r\n", "abcd"),
  };
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) {
      bytes += alphabet[random() % std::size(alphabet)];
    }
    if (random() % 4 == 0) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    Requests pieces;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = 1 + random() % (random() % 2 == 0 ? 2 : 40);
      pieces.push_back(bytes.substr(at, size));
      at += size;
    }
    ASSERT_EQ(RequestsIn(pieces), RequestsIn(bytes)) << QuoteForError(bytes);
  }
}

}  // namespace
}  // namespace ashlar::internal
