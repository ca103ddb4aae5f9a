#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

#include <unistd.h>

#include "ashlar/base/clock.h"
#include "ashlar/base/join.h"
#include "ashlar/server/access_log/access_log.h"
#include "ashlar/server/api/api.h"
#include "ashlar/server/api/browser_guard.h"
#include "ashlar/server/api/reference.h"
#include "ashlar/server/api/service_metrics.h"
#include "ashlar/server/config/http_settings.h"
#include "ashlar/server/config/service_settings.h"
#include "ashlar/server/http/http_server.h"
#include "ashlar/server/metrics/server_metrics.h"
#include "ashlar/server/tenants/tenants.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr std::size_t kSettingCount = std::size(kHttpSettings) + std::size(kServiceSettings);

constexpr auto kServeSettings = [] {
  std::array<SettingSpec, kSettingCount> all{};
  std::copy(std::begin(kHttpSettings), std::end(kHttpSettings), all.begin());
  std::copy(std::begin(kServiceSettings), std::end(kServiceSettings),
            all.begin() + std::size(kHttpSettings));
  return all;
}();

// "--port" of "port".
struct FlagName {
  std::array<char, 40> text{};
  std::size_t size = 0;
};
constexpr auto kFlagNames = [] {
  std::array<FlagName, kSettingCount> names{};
  for (std::size_t i = 0; i < kSettingCount; ++i) {
    names[i].text[0] = names[i].text[1] = '-';
    std::copy(kServeSettings[i].name.begin(), kServeSettings[i].name.end(),
              names[i].text.begin() + 2);
    names[i].size = kServeSettings[i].name.size() + 2;
  }
  return names;
}();

constexpr auto kServeOptions = [] {
  std::array<OptionSpec, kSettingCount + 1> options{};
  for (std::size_t i = 0; i < kSettingCount; ++i) {
    const SettingSpec& setting = kServeSettings[i];
    options[i] = {
        .name = std::string_view(kFlagNames[i].text.data(), kFlagNames[i].size),
        .kind = setting.kind == SettingKind::kFlag ? OptionKind::kFlag : OptionKind::kValue,
        .value = setting.value,
        .otherwise = setting.otherwise,
        .doc = setting.doc};
  }
  options[kSettingCount] = {.name = "--reference",
                            .kind = OptionKind::kFlag,
                            .doc = "print the reference of the HTTP API, and end"};
  return options;
}();

Result<Settings> CollectSettings(const Options& options) {
  SettingSources sources;
  for (const SettingSpec& setting : kServeSettings) {
    if (options.Typed(setting.name)) {
      sources.flags.emplace(
          setting.name, setting.kind == SettingKind::kFlag ? "true" : options.Text(setting.name));
    }
  }
  std::vector<const char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  sources.environment = environment;
  return Settings::Collect(kServeSettings, sources);
}

// What a setting asked for; an error names the setting.
template <class T>
Result<T> As(std::string_view setting, const Settings& settings, Result<T> opened) {
  if (!opened.ok()) {
    return opened.error().In(settings.source(setting));
  }
  return opened;
}

// Without a keys file everybody is one tenant, who is the administrator where only this machine can
// ask.
Result<std::unique_ptr<Tenants>> OpenTenants(const Settings& settings, const Clock& clock) {
  if (settings.Text("keys").empty()) {
    return std::make_unique<Tenants>(Tenant{.admin = IsLoopback(settings.Text("host"))}, clock);
  }
  return As("keys", settings, Tenants::Open(settings.Text("keys"), clock));
}

// SIGTERM and SIGINT end the server, SIGHUP opens the log anew. They are held back in this thread
// and those that it starts; once the server is to end, a second one ends the process at once.
class ServerSignals {
 public:
  ServerSignals() {
    sigemptyset(&signals_);
    for (const int each : {SIGTERM, SIGINT, SIGHUP}) {
      sigaddset(&signals_, each);
    }
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  // Calls `each_second` and `hang_up` until the server is to end.
  template <class EachSecond, class HangUp>
  void Wait(EachSecond each_second, HangUp hang_up) {
    for (;;) {
      const timespec second{.tv_sec = 1, .tv_nsec = 0};
      const int which = sigtimedwait(&signals_, nullptr, &second);
      if (which == SIGTERM || which == SIGINT) {
        break;
      }
      which == SIGHUP ? hang_up() : each_second();
    }
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }

 private:
  sigset_t signals_;
};

// A network that a setting names must be there: nothing that was asked for is passed over.
Status CheckKvFormats(const Settings& settings, Service& service) {
  for (const auto& [name, format] : service.options().kv_formats) {
    if (const auto card = service.cards().Find(name); !card.ok()) {
      return card.error().In(settings.source("kv"));
    }
  }
  return {};
}

Status Preload(const Settings& settings, Service& service) {
  for (const std::string& name : PreloadedNetworks(settings)) {
    const auto found = service.cards().Find(name);
    if (!found.ok()) {
      return found.error().In(settings.source("preload"));
    }
    const auto& card = *found;
    ASHLAR_TRY(service.Pin(card));
    ASHLAR_TRY(service.Load(card));
  }
  return {};
}

void Announce(Session& session, const Settings& settings, std::uint16_t port,
              const std::vector<std::string>& names) {
  const std::string& host = settings.Text("host");
  const bool v6 = host.find(':') != std::string::npos;
  const std::string url =
      fmt::format("{}://{}:{}", settings.Text("tls-certificate").empty() ? "http" : "https",
                  v6 ? "[" + host + "]" : host, port);
  if (session.json) {
    Json::Array models(names.begin(), names.end());
    session.terminal.PrintJson(Json::Of({{"url", url}, {"models", std::move(models)}}));
    return;
  }
  session.terminal.PrintLine(fmt::format("listening on {}; {} network{}: {}", url, names.size(),
                                         names.size() == 1 ? "" : "s", Join(names, ", ")));
  session.terminal.PrintLine(
      fmt::format("try:  curl {}/v1/completions {}-H 'Content-Type: application/json' -d "
                  "'{{\"model\": \"{}\", \"prompt\": \"Once upon a time\", \"max_tokens\": 32}}'",
                  url, settings.Text("keys").empty() ? "" : "-H 'Authorization: Bearer KEY' ",
                  names.empty() ? "NAME" : names.front()));
}

Status RunServe(Session& session) {
  if (session.options.Flag("reference")) {
    session.terminal.Print(ApiReference());
    return {};
  }
  Terminal& terminal = session.terminal;
  ServerSignals signals;
  ASHLAR_TRY(const Settings settings, CollectSettings(session.options));
  ASHLAR_TRY(ServiceOptions service_options, ServiceOptionsOf(settings));
  ASHLAR_TRY(const HttpServerOptions http_options, HttpOptionsOf(settings));
  ASHLAR_TRY(std::vector<std::string> allowed_hosts, AllowedHosts(settings));
  const char* const forced = std::getenv("ASHLAR_ISA");
  ASHLAR_TRY(service_options.engine.isa, ChooseIsa(forced == nullptr ? "" : forced));
  const SteadyClock clock;
  ASHLAR_TRY(const std::unique_ptr<Tenants> tenants, OpenTenants(settings, clock));
  ASHLAR_TRY(const std::unique_ptr<AccessLog> log,
             As("access-log", settings, AccessLog::Open(settings.Text("access-log"))));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  Metrics metrics;
  SampleProcess(metrics);
  ServiceObserver observer = ObserveSteps(metrics);
  // (On another thread, where the terminal is not to be touched.)
  observer.on_failure = [](const Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());  // fmt::print throws when nobody reads it
  };
  ASHLAR_TRY(const std::unique_ptr<Service> service,
             Service::Start(*store, service_options, std::move(observer)));
  ASHLAR_TRY(CheckKvFormats(settings, *service));
  ASHLAR_TRY(Preload(settings, *service));
  Api api(*service, *store,
          {.tenants = tenants.get(),
           .metrics = &metrics,
           .log = log.get(),
           .host = http_options.host,
           .cors_origin = http_options.cors_origin,
           .allowed_hosts = std::move(allowed_hosts)});
  ASHLAR_TRY(const std::unique_ptr<HttpServer> server,
             HttpServer::Start(
                 http_options,
                 [&](HttpRequest request, std::shared_ptr<HttpResponder> responder) {
                   api.Handle(std::move(request), std::move(responder));
                 },
                 [&](const HttpRequest& request, int status, const std::string& exception) {
                   api.OnOwnAnswer(request, status, exception);
                 }));
  SampleHttpServer(metrics, *server);
  ASHLAR_TRY(const std::vector<std::string> names, service->cards().Names());
  Announce(session, settings, server->port(), names);
  std::uint64_t refused_connections = 0;  // that were told of
  signals.Wait(
      [&] {
        // A line a second, however many there are.
        const std::uint64_t refused = server->counts().refused_connections;
        if (const std::uint64_t more = refused - std::exchange(refused_connections, refused);
            more > 0) {
          terminal.Note(
              fmt::format("refused connections: {} (--max-connections, or the system's "
                          "limit on open files)",
                          more));
        }
        const Result<bool> reloaded = tenants->ReloadIfChanged();
        if (!reloaded.ok()) {
          terminal.Note("the keys are as before: " + reloaded.error().message);
        }
        const Result<bool> renewed = server->ReloadCertificate();
        if (!renewed.ok()) {
          terminal.Note("the certificate is as before: " + renewed.error().message);
        }
      },
      [&] {
        const Status reopened = log->Reopen();
        if (!reopened.ok()) {
          terminal.Note("the access log: " + reopened.error().message);
        }
      });
  terminal.Note("shutting down: answers that were begun are finished");
  const bool whole = service->Drain(settings.Seconds("drain-timeout"));
  api.Close();
  // What the service has ended is still on its way to the clients.
  constexpr std::chrono::seconds kLastBytes{5};
  const bool sent = server->Drain(kLastBytes);
  if (!whole || !sent) {
    terminal.Note("some answers were cut off (--drain-timeout)");
  }
  return {};
}

}  // namespace

constinit const Verb kServe{
    .name = "serve",
    .summary = "serve the store's networks over HTTP, to OpenAI's clients and others",
    .details =
        "All networks of the store are there by name; each is loaded when it is first asked for, "
        "and those that share blocks share them in memory and in each step. Each setting can also "
        "be a variable of the environment or a line of a file (docs/serving.md); docs/api.md has "
        "every endpoint. SIGTERM finishes what was begun and ends.",
    .examples =
        "  ashlar serve --memory 4G\n"
        "  ashlar serve --host 0.0.0.0 --port 80 --keys keys.toml --preload base",
    .options = kServeOptions,
    .run = RunServe,
};

}  // namespace ashlar::cli
