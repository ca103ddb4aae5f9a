// A Transport is one connection's bytes, plain or through TLS, so that what is above it is compiled
// once and knows no difference.
//
// Confined to the strand of its socket, on which callbacks run too; at most one Read and one Write
// at a time, which may overlap. A callback keeps alive what it captures until it has run.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace ashlar::internal {

using AsioError = boost::system::error_code;

class Transport {
 public:
  using Done = std::function<void(AsioError)>;

  virtual ~Transport() = default;
  virtual void Handshake(Done done) = 0;
  // Some bytes, valid during the call; none with an error, which is the end.
  virtual void Read(std::function<void(AsioError, std::string_view)> done) = 0;
  // Writes some of `bytes`, which must stay until `done`, which says how many.
  virtual void Write(std::string_view bytes, std::function<void(AsioError, std::size_t)> done) = 0;
  // Tells the peer that nothing more will be written.
  virtual void ShutdownSend(Done done) = 0;
  virtual void Close() = 0;  // at once; callbacks that wait get an error
};

using TcpSocket = boost::asio::ip::tcp::socket;

std::unique_ptr<Transport> PlainTransport(TcpSocket socket);
std::unique_ptr<Transport> TlsTransport(TcpSocket socket,
                                        std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace ashlar::internal
