#include "ashlar/server/http/http_server.h"

#include <algorithm>
#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ashlar/server/http/internal/connection.h"

namespace ashlar {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using internal::AsioError;
using internal::Connection;
using internal::ServerCore;
using internal::TlsCertificate;

// Connections over the limit that are told so; further ones are closed without a word.
constexpr std::size_t kMaxRefusals = 64;
// Open files that are left to the rest of the process.
constexpr std::size_t kOtherFiles = 128;

// Returns the limit after raising it as far as this process may.
std::size_t RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 1024;
  }
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

// A file to give up when there are none left, so that a connection can be taken off the queue and
// closed: left there, it would wake the acceptor for ever.
class SpareFile {
 public:
  SpareFile() { Reopen(); }
  ~SpareFile() { GiveUp(); }
  SpareFile(const SpareFile&) = delete;
  SpareFile& operator=(const SpareFile&) = delete;

  void GiveUp() {
    if (file_ >= 0) {
      ::close(file_);
    }
    file_ = -1;
  }
  void Reopen() { file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

 private:
  int file_ = -1;
};

class Server final : public HttpServer {
 public:
  explicit Server(std::shared_ptr<ServerCore> core)
      : core_(std::move(core)),
        work_(core_->io.get_executor()),
        acceptor_(asio::make_strand(core_->io)),
        retry_(acceptor_.get_executor()) {}

  // What posting throws is of executors that are empty, which none here is.
  ~Server() override {  // NOLINT(bugprone-exception-escape)
    core_->draining = true;
    asio::post(acceptor_.get_executor(), [this] { StopAccepting(); });
    ForEachConnection(&Connection::Close);
    {
      std::unique_lock lock(core_->mutex);
      core_->gone.wait(lock, [&] { return core_->connections.empty(); });
    }
    work_.reset();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    core_->handler = nullptr;  // responders that are still about share the core
    core_->own_answers = nullptr;
  }

  Status Listen() {
    const HttpServerOptions& options = core_->options;
    AsioError error;
    tcp::resolver resolver(core_->io);
    const auto found = resolver.resolve(options.host, fmt::format("{}", options.port),
                                        tcp::resolver::passive, error);
    if (error || found.empty()) {
      return Invalid("cannot listen on {}: {}", QuoteForError(options.host), error.message());
    }
    const tcp::endpoint endpoint = *found.begin();
    const auto failed = [&](const char* what) {
      const std::string message =
          fmt::format("{} {} port {}: {}", what, options.host, options.port, error.message());
      return error == asio::error::address_in_use ? Conflict("{}", message)
                                                  : IoError("{}", message);
    };
    if (acceptor_.open(endpoint.protocol(), error)) {
      return failed("cannot open a socket for");
    }
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (endpoint.protocol() == tcp::v6()) {
      acceptor_.set_option(asio::ip::v6_only(false), error);
    }
    if (acceptor_.bind(endpoint, error) ||
        acceptor_.listen(asio::socket_base::max_listen_connections, error)) {
      return failed("cannot listen on");
    }
    port_ = acceptor_.local_endpoint(error).port();
    return {};
  }

  void Run() {
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (int i = 0; i < core_->options.threads; ++i) {
      threads_.emplace_back([core = core_] { core->io.run(); });
    }
  }

  std::uint16_t port() const override { return port_; }

  HttpServerCounts counts() const override {
    const auto connections = [&] {
      const std::lock_guard lock(core_->mutex);
      return core_->connections.size();
    };
    return {.connections = connections(),
            .requests = core_->requests,
            .accepted_connections = core_->accepted_connections,
            .refused_connections = core_->refused_connections,
            .handled_requests = core_->handled_requests,
            .refused_requests = core_->refused_requests,
            .cut_streams = core_->cut_streams};
  }

  Result<bool> ReloadCertificate() override {
    return core_->tls != nullptr ? core_->tls->ReloadIfChanged() : false;
  }

  bool Drain(std::chrono::milliseconds patience) override {
    core_->draining = true;
    // (A task has its own half of what is waited for: the thread that runs it may still be in it
    // when this one goes on.)
    asio::post(acceptor_.get_executor(), std::packaged_task<void()>([this] { StopAccepting(); }))
        .wait();
    ForEachConnection(&Connection::Drain);
    bool all_gone = false;
    {
      std::unique_lock lock(core_->mutex);
      all_gone = core_->gone.wait_for(lock, patience, [&] { return core_->connections.empty(); });
    }
    const bool all_answered = core_->requests == 0;
    ForEachConnection(&Connection::Close);
    return all_gone || all_answered;
  }

 private:
  void ForEachConnection(void (Connection::*act)()) {
    const std::lock_guard lock(core_->mutex);
    for (const auto& [key, weak] : core_->connections) {
      if (const auto connection = weak.lock()) {
        asio::post(connection->executor(), [connection, act] { ((*connection).*act)(); });
      }
    }
  }

  void StopAccepting() {
    AsioError ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }

  void Accept() {
    acceptor_.async_accept(asio::make_strand(core_->io), [this](AsioError error,
                                                                tcp::socket socket) {
      if (!acceptor_.is_open()) {
        return;
      }
      if (error == asio::error::no_descriptors || error == AsioError(ENFILE, error.category())) {
        return AcceptWithoutFiles();
      }
      if (!error) {
        Take(std::move(socket));
      }
      Accept();
    });
  }

  void Take(tcp::socket socket) {
    std::size_t open = 0;
    std::shared_ptr<Connection> connection;
    {
      const std::lock_guard lock(core_->mutex);
      open = core_->connections.size();
      if (core_->draining || open >= core_->options.max_connections + kMaxRefusals) {
        ++core_->refused_connections;
        return;  // closes it
      }
      connection = std::make_shared<Connection>(core_, std::move(socket));
      core_->connections.emplace(connection.get(), connection);
    }
    const bool refused = open >= core_->options.max_connections;
    ++(refused ? core_->refused_connections : core_->accepted_connections);
    asio::post(connection->executor(), [connection, refused] {
      if (refused) {
        connection->StartRefusing(
            internal::Overloaded("the server has as many connections as it may; try again"));
      } else {
        connection->Start();
      }
    });
  }

  void AcceptWithoutFiles() {
    spare_.GiveUp();
    AsioError error;
    acceptor_.non_blocking(true, error);
    acceptor_.accept(error);  // what it returns is closed at once
    spare_.Reopen();
    core_->refused_connections += error ? 0 : 1;  // without files it fails also where nobody waits
    retry_.expires_after(std::chrono::milliseconds(10));
    retry_.async_wait([this](AsioError error) {
      if (!error && acceptor_.is_open()) {
        Accept();
      }
    });
  }

  const std::shared_ptr<ServerCore> core_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  tcp::acceptor acceptor_;  // with retry_ and spare_ confined to its strand once it runs
  asio::steady_timer retry_;
  SpareFile spare_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

Status OpenCertificate(ServerCore& core) {
  const HttpServerOptions& options = core.options;
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Invalid("TLS needs both a certificate and a key; there is only {}",
                   options.key_file.empty() ? "a certificate" : "a key");
  }
  if (!options.certificate_file.empty()) {
    ASHLAR_TRY(core.tls, TlsCertificate::Open(options.certificate_file, options.key_file));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                      HttpHandler handler,
                                                      HttpOwnAnswers own_answers) {
  if (options.threads < 1 || options.threads > 256) {
    return Invalid("a server has 1 to 256 threads, not {}", options.threads);
  }
  if (options.max_connections == 0 || options.max_requests == 0) {
    return Invalid("a server needs room for a connection and a request");
  }
  const std::size_t files = RaiseFileLimit();
  const std::size_t others = std::min(kOtherFiles + kMaxRefusals, files / 2);
  options.max_connections = std::min(options.max_connections, files - others);
  auto core = std::make_shared<ServerCore>();
  core->options = std::move(options);
  core->handler = std::move(handler);
  core->own_answers = std::move(own_answers);
  ASHLAR_TRY(OpenCertificate(*core));
  auto server = std::make_unique<Server>(core);
  ASHLAR_TRY(server->Listen());
  server->Run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace ashlar
