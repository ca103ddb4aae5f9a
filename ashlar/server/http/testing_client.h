// A client's side of a socket, in raw bytes: for tests of servers.
#pragma once

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ashlar::testing_http {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;  // of chunks, put together
  bool whole = false;
  bool Has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer != 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { Close(); }
  Client(Client&& other) noexcept
      : patience(other.patience),
        fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        ended_(other.ended_),
        buffer_(std::move(other.buffer_)) {}

  std::chrono::milliseconds patience{60'000};

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  Client& Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        break;  // the server has refused already
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return *this;
  }
  Client& Get(std::string_view path) {
    return Send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path));
  }
  Client& Post(std::string_view path, std::string_view body, std::string_view headers = "") {
    return Send(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}",
                            path, headers, body.size(), body));
  }

  // More bytes into the buffer; false at the end, or after `patience` of silence.
  bool Receive() {
    pollfd poll{.fd = fd_, .events = POLLIN};
    char bytes[4096];
    if (::poll(&poll, 1, static_cast<int>(patience.count())) <= 0) {
      return false;
    }
    const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
    buffer_.append(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
    ended_ = count <= 0;
    return !ended_;
  }
  std::string ReadUntil(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos) {
      if (!Receive()) {
        return std::exchange(buffer_, {}) + "<end>";
      }
    }
    const std::size_t end = buffer_.find(mark) + mark.size();
    std::string head = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return head;
  }
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::exchange(buffer_, {});
  }
  // One answer; `has_body` false for an answer to HEAD.
  Answer Read(bool has_body = true) {
    Answer answer{.head = ReadUntil("\r\n\r\n")};
    answer.status = answer.head.size() > 12 ? std::atoi(answer.head.c_str() + 9) : 0;
    if (const std::size_t at = answer.head.find("Content-Length: "); at != std::string::npos) {
      const auto size = has_body ? std::strtoull(answer.head.c_str() + at + 16, nullptr, 10) : 0;
      while (buffer_.size() < size && Receive()) {
      }
      answer.whole = buffer_.size() >= size;
      answer.body = buffer_.substr(0, size);
      buffer_.erase(0, size);
    } else if (answer.Has("chunked") && has_body) {
      for (;;) {
        const std::string line = ReadUntil("\r\n");
        if (line.ends_with("<end>")) {
          break;
        }
        const std::size_t size = std::strtoull(line.c_str(), nullptr, 16);
        while (buffer_.size() < size + 2 && Receive()) {
        }
        if (buffer_.size() < size + 2) {
          break;
        }
        answer.body += buffer_.substr(0, size);
        buffer_.erase(0, size + 2);
        if (size == 0) {
          answer.whole = true;
          break;
        }
      }
    }
    return answer;
  }
  // Waits for the end: whether it came, and nothing before it.
  bool IsClosed() { return ReadToEnd().empty() && ended_; }

  void ShutdownSend() { ::shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }
  void Reset() {  // as a process that dies with bytes unread
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }

 private:
  int fd_;
  bool connected_ = false;
  bool ended_ = false;  // by the server
  std::string buffer_;
};

}  // namespace ashlar::testing_http
