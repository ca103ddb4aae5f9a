// A ServerSoak keeps a whole server, from sockets to kernels, under random load and random faults,
// and tells of every answer that is lost, late or wrong, and of everything that is not given back.
//
//   ServerSoak soak({.seconds = SoakSeconds(), .seed = TestSeed()});
//   soak.Run();
//   EXPECT_EQ(soak.soak().failures(), std::vector<std::string>());
//
// Clients ask, by several tenants, on several networks, what is known beforehand: each question was
// asked once of a server that did nothing else. Some clients vanish, dawdle, have no time, or speak
// nonsense. At rest nothing may be running or held, and each question is asked again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/api/api.h"
#include "ashlar/server/http/http_server.h"
#include "ashlar/server/http/testing_client.h"
#include "ashlar/server/service/testing_service.h"
#include "ashlar/server/soak/testing_faulty_reads.h"
#include "ashlar/server/soak/testing_soak.h"
#include "ashlar/server/tenants/keys_file.h"

namespace ashlar::testing_soak {

using testing_http::Answer;
using testing_http::Client;

// A request whose answer is known.
struct SoakQuestion {
  std::string path;
  std::string body;                 // without its closing brace
  std::string member;               // of the answer: that has what must be equal
  std::string answer;               // that member
  std::optional<std::string> text;  // of its first choice; none: it cannot be streamed
};

// Everything between a store and a port.
struct SoakServer {
  SoakServer(BlobStore& store, const ServiceOptions& options, Tenants* tenants)
      : service(*Service::Start(store, options)),
        api(*service, store, {.tenants = tenants, .metrics = &metrics}),
        http(*HttpServer::Start(
            {}, [this](HttpRequest request, std::shared_ptr<HttpResponder> responder) {
              api.Handle(std::move(request), std::move(responder));
            })) {}

  Metrics metrics;
  std::unique_ptr<Service> service;
  Api api;
  std::unique_ptr<HttpServer> http;
};

class ServerSoak {
 public:
  explicit ServerSoak(const SoakOptions& options) : options_(options), soak_(options) {
    const std::uint64_t weights = SaveNetworks();
    MakeQuestions();
    WriteKeys(true);
    tenants_ = *Tenants::Open(keys_, clock_);
    ServiceOptions service{.engine = {.isa = *ChooseIsa(""),
                                      .max_positions = 256,
                                      .max_rows = 64,
                                      .max_logit_rows = 16,
                                      .max_sequences = 4,
                                      .page_bytes = 800 << 10,
                                      .verify_blobs = true},
                           .kv_formats = {{"narrow", KvFormat::kQ8}},
                           .session_directory = directory_ / "sessions"};
    AnswerAlone(service);
    service.weight_bytes = weights * 5 / 2;  // of five networks of about one size
    service.max_waiting = 12;
    service.keep_alive_seconds = 0.5;
    server_ = std::make_unique<SoakServer>(reads_, service, tenants_.get());
    AddDisturbances();
  }

  void Run() {
    constexpr int kClients = 6;
    soak_.AddClients(kClients, [this] {
      return [this, client = std::make_shared<std::optional<Client>>()](std::mt19937_64& random) {
        Ask(*client, random);
      };
    });
    soak_.Run([this] { Rest(); });
    std::printf("read faults: %lld\n", static_cast<long long>(reads_.faults()));
  }

  const Soak& soak() const { return soak_; }

 private:
  // An administrator's request, whose status must be one of these.
  Answer Administer(std::string_view method, const std::string& path, const std::string& body,
                    std::initializer_list<int> statuses) {
    Client client(server_->http->port());
    client.patience = kPatience;
    client.Send(
        fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer key-root\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    method, path, body.size(), body));
    const Answer answer = client.Read();
    if (std::ranges::find(statuses, answer.status) == statuses.end()) {
      soak_.Fail(fmt::format("{} {} {}: {} {}", method, path, body, answer.status, answer.body));
    }
    soak_.Count(path.starts_with("/admin/prefixes/") ? "/admin/prefixes/ID" : path);
    return answer;
  }

  static constexpr std::chrono::milliseconds kPatience{60'000};  // of a client: then it is stuck
  static constexpr const char* kNetworks[] = {"base", "tuned", "narrow", "other"};
  static constexpr const char* kTenants[] = {"ann", "bob", "eve"};

  // ---- Before

  std::uint64_t SaveNetworks() {
    const Network base = testing_service::SpellingNetwork(*store_, {.layers = 3});
    const Network other = testing_service::SpellingNetwork(*store_, {.layers = 3, .seed = 2});
    Catalog catalog(*store_, AllKinds());
    const auto lease = *store_->BeginWriting();
    std::set<Digest> weights;
    const auto save = [&](const Network& network, std::string_view name) {
      CHECK(catalog.Save(network, name, Json::Array()).ok());
      for (const auto& [digest, block] : network.blocks) {
        for (const auto& [tensor, manifest] : block->tensors) {
          weights.insert(manifest.levels[0].blob);
        }
      }
    };
    save(base, "base");
    save(base, "narrow");
    save(testing_networks::WithUpperLayersOf(base, 2, other), "tuned");
    save(other, "other");
    reads_.SetFragile(weights);
    const Network* const one[] = {&base};
    return PredictMemory({.networks = one, .max_positions = 1}).weight_bytes;
  }

  void MakeQuestions() {
    std::mt19937_64 random(options_.seed);
    const auto letters = [&](std::size_t count) {
      std::string text;
      for (std::size_t i = 0; i < count; ++i) {
        text += static_cast<char>('a' + random() % 26);
      }
      return text;
    };
    const std::string common = letters(70);
    for (const char* network : kNetworks) {
      for (int i = 0; i < 6; ++i) {
        const std::string prompt = (i % 2 == 0 ? common : "") + letters(1 + random() % 60);
        const std::string head = fmt::format(R"({{"model": "{}")", network);
        if (i == 5) {
          questions_.push_back({.path = "/v1/embeddings",
                                .body = head + fmt::format(R"(, "input": "{}")", prompt),
                                .member = "data"});
          continue;
        }
        questions_.push_back(
            {.path = "/v1/completions",
             .body = head + fmt::format(R"(, "prompt": "{}", "max_tokens": {}, "temperature": {}, )"
                                        R"("seed": {}, "n": {}, "logprobs": 2)",
                                        prompt, 1 + random() % 40, i % 3 == 0 ? 0 : 1,
                                        random() % 1000, i == 4 ? 3 : 1),
             .member = "choices"});
      }
    }
  }

  void AnswerAlone(const ServiceOptions& options) {
    ServiceOptions quiet = options;
    quiet.engine.prefix_cache = false;
    quiet.engine.page_bytes = 8 << 20;
    SoakServer server(*store_, quiet, nullptr);
    for (SoakQuestion& question : questions_) {
      Client client(server.http->port());
      const Answer answer = client.Post(question.path, question.body + "}").Read();
      CHECK_EQ(answer.status, 200);
      const Json json = *ParseJson(answer.body);
      question.answer = WriteJson(*json.Find(question.member));
      const Json::Array& list = *json.Find(question.member)->array();
      if (question.member == "choices" && list.size() == 1) {
        question.text = *list[0].Find("text")->string();
      }
    }
  }

  void WriteKeys(bool eve) const {
    std::ofstream file(keys_, std::ios::trunc);
    const auto tenant = [&](std::string_view name, std::string_view more) {
      file << fmt::format("[[tenant]]\nname = \"{}\"\nkeys = [\"{}\"]\n{}\n", name,
                          KeyDigestText(DigestOfKey(fmt::format("key-{}", name))), more);
    };
    tenant("root", "admin = true");
    tenant("ann", "");
    tenant("bob", "concurrent_requests = 2\npriority = 1");
    if (eve) {
      tenant("eve", "share_prefix_cache = true");
    }
  }

  void AddDisturbances() {
    soak_.Disturb("keys", 0.3, [this](std::mt19937_64& random) {
      WriteKeys(random() % 2 == 0);
      if (const Result<bool> reloaded = tenants_->ReloadIfChanged(); !reloaded.ok()) {
        soak_.Fail("keys: " + reloaded.error().message);
      }
    });
    soak_.Disturb("reads", 0.5, [this](std::mt19937_64& random) { reads_.Arm(random() % 3 == 0); });
    soak_.Disturb("unload", 0.2, [this](std::mt19937_64& random) {
      Administer("POST", "/admin/networks/unload", ModelBody(random) + "}", {200, 404, 409, 429});
    });
    soak_.Disturb("load", 0.3, [this](std::mt19937_64& random) {
      Administer("POST", "/admin/networks/load", ModelBody(random) + "}", {200, 500, 503});
    });
    soak_.Disturb("prefixes", 0.2, [this](std::mt19937_64& random) {
      if (pinned_.size() < 4) {
        const Answer answer =
            Administer("POST", "/admin/prefixes", PromptBody(random) + R"(, "tenant": "ann"})",
                       {200, 400, 409, 429, 500, 503});
        if (answer.status == 200) {
          pinned_.push_back(*ParseJson(answer.body)->Find("id")->string());
        }
      } else {
        UnpinAll();
      }
    });
    soak_.Disturb("sessions", 0.4, [this](std::mt19937_64& random) {
      const std::string model = ModelBody(random);
      const bool save = random() % 2 == 0;
      Administer("POST", save ? "/admin/sessions/save" : "/admin/sessions/restore",
                 (save ? PromptBody(random) : model) + R"(, "file": "s", "tenant": "ann"})",
                 {200, 400, 404, 409, 429, 500, 503});
    });
    soak_.Disturb("status", 0.3, [this](std::mt19937_64& random) {
      Administer("GET", random() % 2 == 0 ? "/metrics" : "/admin/status", "", {200});
    });
    // More at once than may wait.
    soak_.Disturb("flood", 1.5, [this](std::mt19937_64& random) {
      std::vector<Client> flood;
      for (int i = 0; i < 40; ++i) {
        flood.emplace_back(server_->http->port());
        flood.back().patience = kPatience;
        const SoakQuestion& question = AnyQuestion(random);
        flood.back().Post(question.path, question.body + "}", KeyHeader("ann"));
        flood_asked_.push_back(&question);
      }
      for (std::size_t i = 0; i < flood.size(); ++i) {
        if (i % 4 == 0) {
          flood[i].Reset();
        } else {
          Judge(flood[i].Read(), *flood_asked_[i], "ann", /*hurried=*/false);
        }
      }
      flood_asked_.clear();
    });
  }

  static std::string KeyHeader(std::string_view tenant) {
    return fmt::format("Authorization: Bearer key-{}\r\n", tenant);
  }
  static std::string ModelBody(std::mt19937_64& random) {
    return fmt::format(R"({{"model": "{}")", kNetworks[random() % std::size(kNetworks)]);
  }
  static std::string PromptBody(std::mt19937_64& random) {
    return ModelBody(random) +
           fmt::format(R"(, "prompt": "{}")", std::string(20 + random() % 60, 'p'));
  }
  const SoakQuestion& AnyQuestion(std::mt19937_64& random) const {
    return questions_[random() % questions_.size()];
  }
  void UnpinAll() {
    for (const std::string& id : std::exchange(pinned_, {})) {
      Administer("DELETE", "/admin/prefixes/" + id, "", {200});
    }
  }

  // ---- In a round

  // `kept`: the client's connection, as long as it goes on.
  void Ask(std::optional<Client>& kept, std::mt19937_64& random) {
    const char* const tenant = kTenants[random() % std::size(kTenants)];
    const SoakQuestion& question = AnyQuestion(random);
    if (!kept || random() % 8 == 0) {
      kept.emplace(server_->http->port());
      kept->patience = kPatience;
    }
    Client& client = *kept;
    const auto way = random() % 12;
    if (way == 0) {  // goes away before the request is whole
      client.Send(
          fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: 400\r\n\r\n{}",
                      question.path, KeyHeader(tenant), question.body.substr(0, 20)));
      Leave(kept, random, "half a request");
    } else if (way == 1) {  // nonsense
      const Answer answer =
          client
              .Post(question.path, question.body.substr(0, question.body.size() / 2),
                    KeyHeader("ann"))
              .Read();
      if (answer.status != 400) {
        soak_.Fail(fmt::format("half a body: {} {}", answer.status, answer.body));
      }
      soak_.Count("nonsense");
    } else if (way == 2) {  // has little time
      client.Post(question.path,
                  question.path == "/v1/embeddings"
                      ? question.body + "}"
                      : question.body + fmt::format(R"(, "timeout": 0.{:03}}})", 1 + random() % 99),
                  KeyHeader(tenant));
      Judge(client.Read(), question, tenant, /*hurried=*/true);
    } else if (way <= 6 && question.text) {
      client.Post(question.path, question.body + R"(, "stream": true})", KeyHeader(tenant));
      if (way == 3) {  // vanishes in the middle
        client.Receive();
        Leave(kept, random, "vanished");
        return;
      }
      if (way == 4) {  // is slow
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 30));
      }
      JudgeStream(client.Read(), question, tenant);
    } else {
      client.Post(question.path, question.body + "}", KeyHeader(tenant));
      Judge(client.Read(), question, tenant, /*hurried=*/false);
    }
  }

  void Leave(std::optional<Client>& kept, std::mt19937_64& random, const char* how) {
    if (random() % 2 == 0) {
      kept->Reset();
    }
    kept.reset();
    soak_.Count(how);
  }

  // ---- Answers

  // Whether an answer that is none may be that.
  bool Excused(const Answer& answer, std::string_view tenant, bool hurried) {
    const auto says = [&](std::string_view what) {
      return answer.body.find(what) != std::string::npos;
    };
    switch (answer.status) {
      case 401:
        return tenant == "eve";
      case 429:
        return answer.Has("Retry-After");
      case 500:
      case 503:
        return says("blob");  // the one that could not be read
      case 504:
        return hurried;
      default:
        return false;
    }
  }

  void Judge(const Answer& answer, const SoakQuestion& question, std::string_view tenant,
             bool hurried) {
    soak_.Count(fmt::format("status {}", answer.status));
    if (answer.status != 200) {
      if (!Excused(answer, tenant, hurried)) {
        soak_.Fail(
            fmt::format("{}: {}}}: {} {}", tenant, question.body, answer.status, answer.body));
      }
      return;
    }
    const Result<Json> json = ParseJson(answer.body);
    if (!json.ok() || WriteJson(*json->Find(question.member)) != question.answer) {
      soak_.Fail(fmt::format("{}}}: not what it is alone, {}, but {}", question.body,
                             question.answer, answer.body));
    }
  }

  void JudgeStream(const Answer& answer, const SoakQuestion& question, std::string_view tenant) {
    soak_.Count(fmt::format("streams {}", answer.status));
    if (answer.status != 200) {
      if (!Excused(answer, tenant, false)) {
        soak_.Fail(fmt::format("{}: {}, streamed: {} {}", tenant, question.body, answer.status,
                               answer.body));
      }
      return;
    }
    std::string text;
    std::string_view events = answer.body;
    while (events.starts_with("data: {")) {
      const std::size_t end = events.find("\n\n");
      const Result<Json> event = ParseJson(events.substr(6, end - 6));
      events.remove_prefix(end + 2);
      if (!event.ok() || event->Find("choices") == nullptr) {
        break;
      }
      for (const Json& choice : *event->Find("choices")->array()) {
        text += *choice.Find("text")->string();
      }
    }
    const bool excused = answer.body.find("blob") != std::string::npos;  // could not be read
    if (!excused && (!answer.whole || events != "data: [DONE]\n\n" || text != *question.text)) {
      soak_.Fail(fmt::format("{}, streamed: not what it is alone, {}, but {}", question.body,
                             *question.text, answer.body));
    }
  }

  // ---- After a round

  void Rest() {
    reads_.Arm(false);
    UnpinAll();
    const auto idle = [&] {
      const ServiceStatus status = server_->service->status();
      return status.running == 0 && status.waiting == 0 && status.page_bytes_held == 0 &&
             status.page_bytes_pinned == 0 && server_->http->counts().requests == 0;
    };
    for (int i = 0; i < 2000 && !idle(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (!idle()) {
      const ServiceStatus status = server_->service->status();
      soak_.Fail(
          fmt::format("at rest {} run, {} wait, {} requests are open, {} bytes of pages are held",
                      status.running, status.waiting, server_->http->counts().requests,
                      status.page_bytes_held));
    }
    AskAll();
    if (!idle()) {
      for (int i = 0; i < 100 && !idle(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
  }

  // What could not be read a moment ago is tried again, once the service has.
  void AskAll() {
    for (const SoakQuestion& question : questions_) {
      Answer answer;
      for (int i = 0; i < 100; ++i) {
        Client client(server_->http->port());
        client.patience = kPatience;
        answer = client.Post(question.path, question.body + "}", KeyHeader("ann")).Read();
        if (answer.status != 503 && answer.status != 500) {
          break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      if (answer.status == 200) {
        Judge(answer, question, "ann", false);
      } else {
        soak_.Fail(fmt::format("at rest {}}}: {} {}", question.body, answer.status, answer.body));
      }
    }
  }

  const SoakOptions options_;
  Soak soak_;
  const SteadyClock clock_;
  const TempDirectory directory_;
  const Path keys_ = directory_ / "keys.toml";
  const std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  FaultyReads reads_{*store_};
  std::unique_ptr<Tenants> tenants_;
  std::vector<SoakQuestion> questions_;
  std::unique_ptr<SoakServer> server_;

  std::vector<std::string> pinned_;  // of the disturbances' thread
  std::vector<const SoakQuestion*> flood_asked_;
};

}  // namespace ashlar::testing_soak
