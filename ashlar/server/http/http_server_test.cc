#include "ashlar/server/http/http_server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <latch>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/base/check.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_time.h"
#include "ashlar/server/http/testing_client.h"

namespace ashlar {
namespace {

using namespace std::chrono_literals;
using testing_http::Answer;
using testing_http::Client;

// ---- A server whose answers the test gives by hand, but for a few paths

class HttpServerTest : public testing::Test {
 protected:
  using Responder = std::shared_ptr<HttpResponder>;

  void Serve(HttpServerOptions options = {}) {
    auto started = HttpServer::Start(
        options,
        [this](HttpRequest request, Responder responder) {
          Handle(std::move(request), std::move(responder));
        },
        [this](const HttpRequest& request, int status, const std::string&) {
          const std::lock_guard lock(mutex_);
          own_answers_.push_back(
              fmt::format("{} {} {} {}", request.method, request.path, request.id, status));
          EXPECT_TRUE(request.peer.starts_with("127.0.0.1:")) << request.peer;
        });
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = *std::move(started);
  }

  void Handle(HttpRequest request, Responder responder) {
    if (request.path == "/echo") {
      responder->Send({.content_type = "text/plain", .body = request.method + " " + request.body});
    } else if (request.path == "/stream") {
      responder->BeginStream(200, "text/plain");
      responder->Write("one ");
      responder->Write("two");
      responder->End();
    } else if (request.path != "/drop") {
      const std::lock_guard lock(mutex_);
      asked_.emplace_back(std::move(request), std::move(responder));
      changed_.notify_all();
    }
  }

  // The next request to any other path, oldest first.
  std::pair<HttpRequest, Responder> Next() {
    std::unique_lock lock(mutex_);
    CHECK(changed_.wait_for(lock, 60s, [&] { return !asked_.empty(); }));
    auto next = std::move(asked_.front());
    asked_.erase(asked_.begin());
    return next;
  }

  Client Connect(int receive_buffer = 0) { return Client(server_->port(), receive_buffer); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<HttpRequest, Responder>> asked_;
  std::vector<std::string> own_answers_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ARequestIsHandedOverAndAnswered) {
  Serve();
  Client client = Connect();
  client.Post("/a%20b?c=d", "body", "X-Request-Id: mine-1\r\nAuthorization: Bearer k\r\n");
  auto [request, responder] = Next();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/a b");
  EXPECT_EQ(request.query, "c=d");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.id, "mine-1");
  EXPECT_EQ(*request.headers.Find("authorization"), "Bearer k");
  EXPECT_TRUE(request.peer.starts_with("127.0.0.1:")) << request.peer;
  responder->Send({.status = 429,
                   .headers = {{"Retry-After", "3"}, {"X-Bad", "a\r\nSet-Cookie: b"}},
                   .body = "{}"});
  responder->Send({.body = "a second answer is no answer"});
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body, "{}");
  EXPECT_TRUE(answer.Has("HTTP/1.1 429 Too Many Requests\r\nDate: ")) << answer.head;
  EXPECT_TRUE(answer.Has("\r\nContent-Type: application/json\r\n"));
  EXPECT_TRUE(answer.Has("\r\nX-Request-Id: mine-1\r\n"));
  EXPECT_TRUE(answer.Has("\r\nRetry-After: 3\r\n"));
  EXPECT_TRUE(answer.Has("\r\nX-Bad: a  Set-Cookie: b\r\n")) << "no header of a header's making";
  EXPECT_FALSE(answer.Has("Connection:"));
  client.Get("/hold").Get("/hold");
  EXPECT_EQ(Next().first.id.size(), 32u) << "an id of ours";
}

TEST_F(HttpServerTest, RequestsSentAheadAreAnsweredInOrder) {
  Serve();
  Client client = Connect();
  client.Get("/slow").Post("/echo", "2").Get("/slow").Post("/echo", std::string(200'000, 'x'));
  for (const char* body : {"1", "3"}) {
    auto [request, responder] = Next();
    std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->counts().requests, 1u) << "one at a time";
    responder->Send({.body = body});
  }
  EXPECT_EQ(client.Read().body, "1");
  EXPECT_EQ(client.Read().body, "POST 2");
  EXPECT_EQ(client.Read().body, "3");
  EXPECT_EQ(client.Read().body.size(), 200'005u);
}

TEST_F(HttpServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  Serve();
  Client client = Connect();
  client.Send("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  const Answer whole = client.Read(false);
  EXPECT_TRUE(whole.Has("Content-Length: 5\r\n")) << whole.head;
  EXPECT_TRUE(client.Read(false).Has("chunked"));
  EXPECT_EQ(client.Get("/echo").Read().body, "GET ") << "nothing of a body came before this";
}

TEST_F(HttpServerTest, HttpOneZeroGetsNoChunksAndClosesUnlessAsked) {
  Serve();
  Client stream = Connect();
  stream.Send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = stream.ReadToEnd();
  EXPECT_TRUE(answer.ends_with("\r\n\r\none two")) << answer;
  EXPECT_EQ(answer.find("keep-alive"), std::string::npos) << "only its end ends the stream";
  Client kept = Connect();
  kept.Send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(kept.Read().Has("Connection: keep-alive"));
  EXPECT_FALSE(kept.Read().Has("keep-alive"));
  EXPECT_TRUE(kept.IsClosed());
}

TEST_F(HttpServerTest, BrowsersOfAnAllowedOriginMayAsk) {
  Serve({.cors_origin = "https://a.example"});
  Client client = Connect();
  const auto options = [&](std::string_view origin) {
    client.Send(
        fmt::format("OPTIONS /v1/x HTTP/1.1\r\nHost: a\r\nOrigin: {}\r\n"
                    "Access-Control-Request-Method: POST\r\n"
                    "Access-Control-Request-Headers: x-stainless-os\r\n\r\n",
                    origin));
    return client.Read();
  };
  const Answer allowed = options("https://a.example");
  EXPECT_EQ(allowed.status, 204);
  EXPECT_TRUE(allowed.Has("Access-Control-Allow-Origin: https://a.example\r\n")) << allowed.head;
  EXPECT_TRUE(allowed.Has("Access-Control-Allow-Headers: x-stainless-os\r\n"));
  EXPECT_TRUE(allowed.Has("Access-Control-Allow-Methods: GET, HEAD, POST, PATCH, DELETE, OPTIONS"))
      << allowed.head;
  EXPECT_FALSE(options("https://b.example").Has("Access-Control-"));
  client.Post("/echo", "", "Origin: https://a.example\r\n");
  EXPECT_TRUE(client.Read().Has("Access-Control-Allow-Origin: https://a.example"));
}

TEST_F(HttpServerTest, ABodyIsAskedForWhenTheClientWaits) {
  Serve();
  Client client = Connect();
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.Send("ab").Read().body, "POST ab");
  client.Send(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(client.Read().status, 413) << "before the body was sent";
}

TEST_F(HttpServerTest, ARefusalIsReadAlsoByAClientThatStillSends) {
  Serve({.max_body_bytes = 1000});
  Client client = Connect();
  client.Post("/echo", std::string(2'000'000, 'x')).Get("/echo");
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(
      answer.body,
      R"({"error":{"message":"the body is larger than 1000 bytes, which is this server's limit",)"
      R"("type":"invalid_request_error","param":null,"code":"body_too_large"}})");
  EXPECT_TRUE(answer.Has("Connection: close"));
  client.ShutdownSend();
  EXPECT_TRUE(client.IsClosed()) << "what follows a refusal is not read";
  EXPECT_EQ(server_->counts().handled_requests, 0u);
}

TEST_F(HttpServerTest, OneTooManyOfAnythingIsRefusedAndTheOthersGoOn) {
  Serve({.max_connections = 3,
         .max_requests = 1,
         .max_body_bytes = 1000,
         .max_all_body_bytes = 1500});
  Client first = Connect();
  first.Post("/hold", std::string(900, 'x'));
  auto [request, responder] = Next();
  Client second = Connect();
  const Answer busy = second.Get("/echo").Read();
  EXPECT_EQ(busy.status, 503);
  EXPECT_TRUE(busy.Has("Retry-After: 1"));
  EXPECT_EQ(second.Post("/echo", std::string(900, 'x')).Read().status, 503) << "all bodies";
  Client third = Connect();
  Client fourth = Connect();
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections >= 3; }));
  const Answer crowded = Connect().Get("/echo").Read();
  EXPECT_EQ(crowded.status, 503) << "connections";
  EXPECT_TRUE(crowded.Has("Retry-After: 1"));
  responder->Send({.body = "answered"});
  EXPECT_EQ(first.Read().body, "answered");
  EXPECT_EQ(first.Post("/echo", "free again").Read().body, "POST free again");
}

TEST_F(HttpServerTest, ARefusedConnectionIsNoRequest) {
  Serve({.max_connections = 1});
  Client first = Connect();
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == 1; }));
  EXPECT_EQ(Connect().Read().status, 503);
  const HttpServerCounts counts = server_->counts();
  EXPECT_EQ(counts.refused_connections, 1u);
  EXPECT_EQ(counts.accepted_connections, 1u);
  EXPECT_EQ(counts.refused_requests, 0u);
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(own_answers_.empty());
}

TEST_F(HttpServerTest, WhatTheServerAnswersItselfIsTold) {
  Serve({.max_requests = 1, .max_body_bytes = 1000, .body_timeout = 100ms});
  const auto send = [&](std::string_view bytes) { return Connect().Send(bytes).Read().status; };
  EXPECT_EQ(send("POST /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: r1\r\n\r\n"), 200);
  EXPECT_EQ(send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(send("NONSENSE\r\n\r\n"), 400);
  EXPECT_EQ(send("POST /slow HTTP/1.1\r\nHost: a\r\nX-Request-Id: r2\r\n"
                 "Content-Length: 9\r\n\r\n"),
            408);
  // (An answer counts until the server knows that it was sent, which its client may sooner.)
  const auto answered = [&] { return server_->counts().requests == 0; };
  EXPECT_TRUE(Eventually(answered));
  EXPECT_EQ(send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: r3\r\n\r\n"), 204);
  EXPECT_TRUE(Eventually(answered));
  Client holds = Connect();
  holds.Get("/hold");
  const auto held = Next();
  EXPECT_EQ(send("GET /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: r4\r\n\r\n"), 503);
  const std::lock_guard lock(mutex_);
  ASSERT_EQ(own_answers_.size(), 5u);
  EXPECT_TRUE(own_answers_[0].starts_with("POST /large ")) << own_answers_[0];
  EXPECT_TRUE(own_answers_[0].ends_with(" 413")) << own_answers_[0];
  EXPECT_TRUE(own_answers_[1].ends_with(" 400")) << own_answers_[1];
  EXPECT_EQ(own_answers_[2], "POST /slow r2 408");
  EXPECT_EQ(own_answers_[3], "OPTIONS /echo r3 204");
  EXPECT_EQ(own_answers_[4], "GET /echo r4 503");
}

TEST_F(HttpServerTest, SlowSendersAreTimedOutHoweverTheyTrickle) {
  Serve({.header_timeout = 150ms, .body_timeout = 150ms});
  // The status of the answer that comes while it still sends.
  const auto trickled = [&](std::string_view first, std::string_view more) {
    Client client = Connect();
    const auto patience = std::exchange(client.patience, 40ms);
    client.Send(first);
    for (int i = 0; i < 500; ++i) {
      if (client.Receive()) {
        client.patience = patience;
        return client.Read().status;
      }
      client.Send(more);
    }
    return 0;
  };
  EXPECT_EQ(trickled("GET / HTTP/1.1\r\n", "X: y\r\n"), 408);
  EXPECT_EQ(trickled("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "z"), 408);
  Serve({.idle_timeout = 50ms});
  EXPECT_TRUE(Connect().IsClosed()) << "without a word";
}

TEST_F(HttpServerTest, AStreamArrivesAsItIsWritten) {
  Serve();
  Client client = Connect();
  client.Get("/hold");
  auto [request, responder] = Next();
  EXPECT_FALSE(responder->Write("too early"));
  responder->BeginStream(200, "text/event-stream", {{"Cache-Control", "no-cache"}});
  EXPECT_TRUE(client.ReadUntil("\r\n\r\n").find("Cache-Control: no-cache") != std::string::npos);
  EXPECT_TRUE(responder->Write("data: 1\n\n"));
  EXPECT_EQ(client.ReadUntil("\n\n\r\n"), "9\r\ndata: 1\n\n\r\n");
  EXPECT_TRUE(responder->Write(""));  // would end the stream as a chunk
  EXPECT_TRUE(responder->Write("data: 2\n\n"));
  EXPECT_EQ(client.ReadUntil("\n\n\r\n"), "9\r\ndata: 2\n\n\r\n");
  responder->End();
  EXPECT_FALSE(responder->Write("too late"));
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(client.Get("/echo").Read().status, 200) << "the connection goes on";
}

TEST_F(HttpServerTest, AResponderThatGoesWithoutAnAnswerIsNoticed) {
  Serve();
  Client client = Connect();
  EXPECT_EQ(client.Get("/drop").Read().status, 500);
  client.Get("/hold");
  {
    auto [request, responder] = Next();
    responder->BeginStream(200, "text/plain");
    responder->Write("half");
    EXPECT_EQ(client.ReadUntil("half\r\n").substr(0, 12), "HTTP/1.1 200");
  }
  EXPECT_EQ(client.ReadToEnd(), "") << "cut, without the chunk that ends a stream";
}

TEST_F(HttpServerTest, ASlowReaderIsCutOffAndCostsNoMoreThanItsBacklog) {
  Serve({.max_backlog_bytes = 100'000});
  Client client = Connect(/*receive_buffer=*/4096);
  client.Get("/hold");
  auto [request, responder] = Next();
  std::atomic<int> closed = 0;
  responder->OnClosed([&] { ++closed; });
  responder->BeginStream(200, "text/plain");
  std::size_t sent = 0;
  while (sent < 100'000'000 && responder->Write(std::string(10'000, 'x'))) {
    sent += 10'000;
  }
  EXPECT_LT(sent, 20'000'000u) << "the system's buffers and the backlog";
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(server_->counts().cut_streams, 1u);
}

TEST_F(HttpServerTest, AClientThatReadsNothingAtAllIsTimedOut) {
  Serve({.write_timeout = 200ms});
  Client client = Connect(/*receive_buffer=*/4096);
  client.Get("/hold");
  Next().second->Send({.body = std::string(50'000'000, 'x')});
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == 0; }));
}

TEST_F(HttpServerTest, AClientThatGoesIsNoticedWhileNothingIsWritten) {
  Serve();
  const std::function<void(Client&)> ways[] = {[](Client& client) { client.Close(); },
                                               [](Client& client) { client.Reset(); },
                                               [](Client& client) { client.ShutdownSend(); }};
  for (const auto& go : ways) {
    for (const bool streaming : {false, true}) {
      Client client = Connect();
      client.Get("/hold");
      auto [request, responder] = Next();
      if (streaming) {
        responder->BeginStream(200, "text/plain");
        client.ReadUntil("\r\n\r\n");
      }
      std::latch closed(1);
      responder->OnClosed([&] { closed.count_down(); });
      go(client);
      closed.wait();
      EXPECT_FALSE(responder->Write("x"));
      bool at_once = false;
      responder->OnClosed([&] { at_once = true; });
      EXPECT_TRUE(at_once) << "it has gone already";
    }
  }
  Client client = Connect();
  client.Get("/hold");
  auto [request, responder] = Next();
  auto alive = std::make_shared<int>();
  responder->OnClosed([alive] { ADD_FAILURE() << "called after the end"; });
  responder->Send({});
  EXPECT_EQ(alive.use_count(), 1) << "dropped uncalled";
  client.Read();
  client.Close();
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == 0; }));
}

TEST_F(HttpServerTest, DrainFinishesWhatRunsAndTakesNothingNew) {
  Serve();
  Client idle = Connect();
  idle.Get("/echo").Read();
  Client busy = Connect();
  busy.Get("/hold");
  auto [request, responder] = Next();
  std::atomic<bool> done = false;
  std::thread drain([&] {
    EXPECT_TRUE(server_->Drain(600s));
    done = true;
  });
  EXPECT_TRUE(idle.IsClosed());
  idle.Close();
  EXPECT_FALSE(Connect().connected());
  EXPECT_FALSE(done);
  responder->Send({.body = "the last"});
  const Answer answer = busy.Read();
  EXPECT_EQ(answer.body, "the last");
  EXPECT_TRUE(answer.Has("Connection: close"));
  busy.Close();
  drain.join();
}

TEST_F(HttpServerTest, DrainCutsWhatTakesTooLong) {
  Serve();
  Client client = Connect();
  client.Get("/hold");
  auto [request, responder] = Next();
  std::latch closed(1);
  responder->OnClosed([&] { closed.count_down(); });
  EXPECT_FALSE(server_->Drain(20ms));
  closed.wait();
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(HttpServerTest, ResponderOutlivesItsServer) {
  Serve();
  Client client = Connect();
  client.Get("/hold");
  auto [request, responder] = Next();
  bool closed = false;
  responder->OnClosed([&] { closed = true; });
  server_.reset();
  EXPECT_TRUE(closed);
  responder->BeginStream(200, "text/plain");
  EXPECT_FALSE(responder->Write("x"));
}

TEST_F(HttpServerTest, OptionsThatCannotBeServedAreErrors) {
  Serve();
  const auto code = [](HttpServerOptions options) {
    const auto server = HttpServer::Start(options, [](HttpRequest, Responder) {});
    return server.ok() ? std::string("started") : ErrorCodeName(server.error().code);
  };
  EXPECT_EQ(code({.port = server_->port()}), "conflict");
  // (A name that is too long to be one: no resolver is asked.)
  EXPECT_EQ(code({.host = std::string(64, 'x')}), "invalid");
  EXPECT_EQ(code({.threads = 0}), "invalid");
  EXPECT_EQ(code({.certificate_file = "x"}), "invalid");
  EXPECT_EQ(code({.certificate_file = "/dev/null", .key_file = "/dev/null"}), "invalid");
}

// Hundreds in every run; ten thousand when ASHLAR_LONG is set and the system allows it.
TEST_F(HttpServerTest, SoakManyIdleConnectionsCostOthersNothing) {
  Serve();
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = std::getenv("ASHLAR_LONG") != nullptr ? 10'000 : 300;
  const std::size_t count = std::min(wanted, (std::max<rlim_t>(limit.rlim_cur, 202) - 200) / 2);
  std::vector<Client> idle;
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(Connect());
    ASSERT_TRUE(idle.back().connected());
    if (i % 3 == 0) {
      idle.back().Send("GET /half HTTP/1.1\r\n");  // half-open, as far as can be seen
    }
  }
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == count; }));
  Client client = Connect();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(client.Get("/echo").Read().status, 200);
  }
  idle.clear();
  EXPECT_TRUE(Eventually([&] { return server_->counts().connections == 1; }));
}

TEST_F(HttpServerTest, OutOfFilesItRefusesAndRecovers) {
  Serve();
  Client before = Connect();
  Client waiting = Connect();
  waiting.Get("/echo").Read();
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit low{.rlim_cur = std::min<rlim_t>(200, limit.rlim_max), .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> files;
  for (int file = ::open("/dev/null", O_RDONLY); file >= 0; file = ::open("/dev/null", O_RDONLY)) {
    files.push_back(file);
  }
  ::close(files.back());
  files.pop_back();
  Client refused = Connect();  // takes the last file; the server's end finds none
  EXPECT_TRUE(refused.Get("/echo").ReadToEnd().empty());
  EXPECT_EQ(waiting.Get("/echo").Read().status, 200) << "those that are there go on";
  std::this_thread::sleep_for(50ms);  // it has looked for others
  EXPECT_TRUE(Eventually([&] { return server_->counts().refused_connections == 1; }));
  for (const int file : files) {
    ::close(file);
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
  // (Who comes while it still acts on its last look is refused, too.)
  EXPECT_TRUE(Eventually([&] { return Connect().Get("/echo").Read().status == 200; }));
}

// ---- TLS

// A certificate that signs itself, and its key, as PEM files.
void WriteCertificate(const Path& certificate_file, const Path& key_file, int serial = 1) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

TEST_F(HttpServerTest, TlsServesTheSame) {
  const TempDirectory directory;
  WriteCertificate(directory / "certificate.pem", directory / "key.pem");
  Serve({.certificate_file = directory / "certificate.pem", .key_file = directory / "key.pem"});
  Client plain = Connect();
  plain.Get("/echo");
  EXPECT_EQ(plain.ReadToEnd().find("HTTP"), std::string::npos);

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  Client socket = Connect();
  SSL* tls = SSL_new(context);
  SSL_set_fd(tls, socket.fd());
  ASSERT_EQ(SSL_connect(tls), 1);
  const auto ask = [&](const std::string& request, const std::string& end) {
    EXPECT_EQ(SSL_write(tls, request.data(), static_cast<int>(request.size())),
              static_cast<int>(request.size()));
    std::string answer;
    char bytes[4096];
    while (!answer.ends_with(end)) {
      const int count = SSL_read(tls, bytes, sizeof(bytes));
      if (count <= 0) {
        break;
      }
      answer.append(bytes, static_cast<std::size_t>(count));
    }
    return answer;
  };
  const std::string body(100'000, 'x');
  EXPECT_TRUE(ask(fmt::format("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}",
                              body.size(), body),
                  body)
                  .ends_with("\r\n\r\nPOST " + body));
  EXPECT_TRUE(ask("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n")
                  .ends_with("4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
  EXPECT_TRUE(ask("BAD\r\n\r\n", "never").find("HTTP/1.1 400") != std::string::npos)
      << "and then the connection ends";
  SSL_shutdown(tls);
  SSL_free(tls);

  Client vanishing = Connect();  // in mid-stream
  tls = SSL_new(context);
  SSL_set_fd(tls, vanishing.fd());
  ASSERT_EQ(SSL_connect(tls), 1);
  const std::string hold = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
  SSL_write(tls, hold.data(), static_cast<int>(hold.size()));
  auto [request, responder] = Next();
  std::latch closed(1);
  responder->OnClosed([&] { closed.count_down(); });
  vanishing.Reset();
  closed.wait();
  SSL_free(tls);
  SSL_CTX_free(context);
  EXPECT_TRUE(server_->Drain(600s));
}

// The serial number of the certificate that a connection gets, which says something on it too.
std::int64_t SerialOver(int socket) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL* const tls = SSL_new(context);
  SSL_set_fd(tls, socket);
  EXPECT_EQ(SSL_connect(tls), 1);
  X509* const certificate = SSL_get1_peer_certificate(tls);
  const std::int64_t serial = ASN1_INTEGER_get(X509_get0_serialNumber(certificate));
  X509_free(certificate);
  SSL_free(tls);
  SSL_CTX_free(context);
  return serial;
}

TEST_F(HttpServerTest, ACertificateIsReplacedWhileTheServerRuns) {
  const TempDirectory directory;
  const Path certificate = directory / "certificate.pem";
  const Path key = directory / "key.pem";
  WriteCertificate(certificate, key, 1);
  Serve({.certificate_file = certificate, .key_file = key});
  const auto serial = [&] { return SerialOver(Connect().fd()); };
  EXPECT_EQ(serial(), 1);
  EXPECT_EQ(*server_->ReloadCertificate(), false);
  // One file comes before the other: until both are there, the old ones serve.
  WriteCertificate(directory / "next.pem", directory / "next-key.pem", 2);
  std::filesystem::rename(directory / "next.pem", certificate);
  const Result<bool> half = server_->ReloadCertificate();
  ASSERT_FALSE(half.ok());
  EXPECT_NE(half.error().message.find("key.pem"), std::string::npos) << half.error().message;
  EXPECT_EQ(*server_->ReloadCertificate(), false) << "it is said once";
  EXPECT_EQ(serial(), 1);
  std::filesystem::rename(directory / "next-key.pem", key);
  EXPECT_EQ(*server_->ReloadCertificate(), true);
  EXPECT_EQ(serial(), 2);
  std::filesystem::remove(key);
  EXPECT_FALSE(server_->ReloadCertificate().ok());
  EXPECT_EQ(serial(), 2);
}

}  // namespace
}  // namespace ashlar
