#include "ashlar/server/api/browser_guard.h"

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "ashlar/base/ascii.h"

namespace ashlar {
namespace {

// As names and addresses compare: in lower case, without a last dot and without brackets.
std::string Plain(std::string_view host) {
  std::string plain = AsciiLower(host);
  if (plain.ends_with('.')) {
    plain.pop_back();
  }
  if (plain.starts_with('[') && plain.ends_with(']')) {
    plain = plain.substr(1, plain.size() - 2);
  }
  return plain;
}

enum class HostKind : std::uint8_t { kName, kAddress, kLoopback };

// Of a plain one. Addresses are read as the resolver does that the server listens by, "127.1" too:
// what is read otherwise here would be guarded as something that it is not.
HostKind KindOf(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost")) {
    return HostKind::kLoopback;
  }
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
    return HostKind::kName;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  constexpr std::uint8_t kLoopbackNet = 127;
  bool loopback = false;
  if (found->ai_family == AF_INET) {
    const auto* const v4 = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
    loopback = ntohl(v4->sin_addr.s_addr) >> 24 == kLoopbackNet;
  } else if (found->ai_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(found->ai_addr)->sin6_addr;
    constexpr int kMappedV4 = 12;  // ::ffff:127.0.0.1
    loopback = IN6_IS_ADDR_LOOPBACK(&v6) ||
               (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[kMappedV4] == kLoopbackNet);
  }
  return loopback ? HostKind::kLoopback : HostKind::kAddress;
}

// "localhost:8080" -> "localhost", "[::1]:8080" -> "::1".
std::string_view WithoutPort(std::string_view authority) {
  if (authority.starts_with('[')) {
    return authority.substr(1, authority.find(']') - 1);
  }
  return authority.substr(0, authority.find(':'));
}

}  // namespace

bool IsLoopback(std::string_view host) {
  return KindOf(Plain(host)) == HostKind::kLoopback;
}

BrowserGuard::BrowserGuard(std::string_view host, std::string cors_origin,
                           const std::vector<std::string>& allowed_hosts)
    : listens_to_others_(!IsLoopback(host)), cors_origin_(std::move(cors_origin)) {
  names_.emplace_back("host.docker.internal");
  std::array<char, HOST_NAME_MAX + 1> machine = {};
  if (gethostname(machine.data(), machine.size() - 1) == 0 && machine[0] != '\0') {
    names_.push_back(Plain(machine.data()));
  }
  for (const std::string& each : allowed_hosts) {
    names_.push_back(Plain(each));
  }
}

bool BrowserGuard::IsServer(std::string_view host) const {
  const std::string plain = Plain(WithoutPort(host));
  return KindOf(plain) != HostKind::kName || std::ranges::find(names_, plain) != names_.end();
}

std::optional<Problem> BrowserGuard::Refusal(const HttpHeaders& headers, bool administers) const {
  const std::string* const host = headers.Find("Host");
  const bool to_server = host != nullptr && IsServer(*host);
  // Programs elsewhere call a server that others can reach by names that it does not know.
  if (host != nullptr && !to_server && !listens_to_others_) {
    const std::string name = QuoteForError(WithoutPort(*host));
    return Problem{.status = 403,
                   .message = fmt::format(
                       "this server asks for no key, and takes requests whose Host is an "
                       "address, this machine's own name or one of --allowed-hosts, not {}, "
                       "lest any web page could ask: if {} is this server, name it in "
                       "--allowed-hosts, or give it --keys",
                       name, name),
                   .code = "forbidden_host"};
  }
  const std::string* const origin = headers.Find("Origin");
  if (origin == nullptr) {
    return std::nullopt;
  }
  const std::size_t scheme = origin->find("://");
  const bool like_host = host != nullptr && scheme != std::string::npos &&
                         Plain(origin->substr(scheme + 3)) == Plain(*host);
  // A page whose name was made to point here has a Host like its Origin, too.
  const bool own = like_host && to_server;
  if (own || *origin == cors_origin_ || (cors_origin_ == "*" && !administers)) {
    return std::nullopt;
  }
  const std::string page = QuoteForError(*origin);
  const std::string remedy =
      like_host ? fmt::format("if {} is this server, name it in --allowed-hosts, or give it --keys",
                              QuoteForError(WithoutPort(*host)))
                : "give it --keys, or that origin as --cors-origin";
  return Problem{
      .status = 403,
      .message = fmt::format("this server asks for no key, and pages of {} may not {}: {}", page,
                             administers ? "administer it" : "ask it", remedy),
      .code = "forbidden_origin"};
}

}  // namespace ashlar
