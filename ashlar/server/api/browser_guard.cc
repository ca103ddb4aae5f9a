#include "ashlar/server/api/browser_guard.h"

#include <algorithm>

#include <arpa/inet.h>

namespace ashlar {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
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
  std::string name = LowerCase(host);
  if (name.ends_with('.')) {
    name.pop_back();
  }
  if (name == "localhost" || name.ends_with(".localhost")) {
    return true;
  }
  if (name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
  }
  in_addr v4 = {};
  in6_addr v6 = {};
  constexpr std::uint32_t kLoopbackNet = 127;
  return (inet_pton(AF_INET, name.c_str(), &v4) == 1 && ntohl(v4.s_addr) >> 24 == kLoopbackNet) ||
         (inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

std::optional<Problem> BrowserGuard::Refusal(const HttpHeaders& headers, bool administers) const {
  const std::string* const host = headers.Find("Host");
  // One that others can reach has names that it does not know.
  if (host != nullptr && IsLoopback(host_) && !IsLoopback(WithoutPort(*host)) &&
      LowerCase(WithoutPort(*host)) != LowerCase(host_)) {
    return Problem{
        .status = 403,
        .message = fmt::format("this server asks for no key, and takes requests to {} and to this "
                               "machine's own names only, not to {}, lest any web page could ask: "
                               "give it --keys, or that name as --host",
                               host_, QuoteForError(*host)),
        .code = "forbidden_host"};
  }
  const std::string* const origin = headers.Find("Origin");
  if (origin == nullptr) {
    return std::nullopt;
  }
  const std::size_t scheme = origin->find("://");
  const bool own = host != nullptr && scheme != std::string::npos &&
                   LowerCase(origin->substr(scheme + 3)) == LowerCase(*host);
  if (own || *origin == cors_origin_ || (cors_origin_ == "*" && !administers)) {
    return std::nullopt;
  }
  return Problem{
      .status = 403,
      .message = fmt::format("this server asks for no key, and pages of {} may not {}: give it "
                             "--keys, or that origin as --cors-origin",
                             QuoteForError(*origin), administers ? "administer it" : "ask it"),
      .code = "forbidden_origin"};
}

}  // namespace ashlar
