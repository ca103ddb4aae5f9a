#include "ashlar/server/http/internal/transport.h"

#include <array>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace ashlar::internal {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kReadBytes = 16 << 10;  // at once; a TLS record has as many at most

// Holds no buffer while it waits for bytes: thousands of connections are idle.
class Plain final : public Transport {
 public:
  explicit Plain(TcpSocket socket) : socket_(std::move(socket)) {
    AsioError ignored;
    socket_.non_blocking(true, ignored);
  }

  void Handshake(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }

  void Read(std::function<void(AsioError, std::string_view)> done) override {
    socket_.async_wait(TcpSocket::wait_read,
                       [this, done = std::move(done)](AsioError error) mutable {
                         std::array<char, kReadBytes> buffer;
                         std::size_t bytes = 0;
                         if (!error) {
                           bytes = socket_.read_some(asio::buffer(buffer), error);
                         }
                         if (error == asio::error::would_block || error == asio::error::try_again) {
                           return Read(std::move(done));  // woken for nothing
                         }
                         done(error, {buffer.data(), bytes});
                       });
  }

  void Write(std::string_view bytes, std::function<void(AsioError, std::size_t)> done) override {
    socket_.async_write_some(asio::buffer(bytes), std::move(done));
  }

  void ShutdownSend(Done done) override {
    AsioError error;
    socket_.shutdown(TcpSocket::shutdown_send, error);
    done(error);
  }

  void Close() override {
    AsioError ignored;
    socket_.close(ignored);
  }

 private:
  TcpSocket socket_;
};

class Tls final : public Transport {
 public:
  Tls(TcpSocket socket, std::shared_ptr<asio::ssl::context> context)
      : context_(std::move(context)), stream_(std::move(socket), *context_) {}

  void Handshake(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }

  void Read(std::function<void(AsioError, std::string_view)> done) override {
    buffer_.resize(kReadBytes);
    stream_.async_read_some(asio::buffer(buffer_),
                            [this, done = std::move(done)](AsioError error, std::size_t bytes) {
                              done(error, {buffer_.data(), bytes});
                            });
  }

  void Write(std::string_view bytes, std::function<void(AsioError, std::size_t)> done) override {
    stream_.async_write_some(asio::buffer(bytes), std::move(done));
  }

  void ShutdownSend(Done done) override { stream_.async_shutdown(std::move(done)); }

  void Close() override {
    AsioError ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  const std::shared_ptr<asio::ssl::context> context_;
  asio::ssl::stream<TcpSocket> stream_;
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<Transport> PlainTransport(TcpSocket socket) {
  return std::make_unique<Plain>(std::move(socket));
}

std::unique_ptr<Transport> TlsTransport(TcpSocket socket,
                                        std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<Tls>(std::move(socket), std::move(context));
}

}  // namespace ashlar::internal
