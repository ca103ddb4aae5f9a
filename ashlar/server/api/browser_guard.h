// A BrowserGuard keeps web pages from asking a server that asks for no key.
//
// Whoever can connect to such a server may use it, and a browser on the same machine connects for
// every page that it shows. Two things tell a page from a program: the Origin that browsers send
// along, and, where a page's own name was made to point at this machine (DNS rebinding), a Host
// that is not this server's. Only a name can be made to point elsewhere: a Host that is an address
// is always the server's. Where there are keys nothing of this is needed: a page has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/server/api/problem.h"
#include "ashlar/server/http/http.h"

namespace ashlar {

// Immutable.
class BrowserGuard {
 public:
  // As the server's settings of these names are. What the machine calls itself and what Docker's
  // containers call it (host.docker.internal) are allowed hosts without being named.
  BrowserGuard(std::string_view host, std::string cors_origin,
               const std::vector<std::string>& allowed_hosts);

  // Why the request is refused, if it is: 403. `administers`: then "*" does not allow a page, and
  // the one that is named does.
  std::optional<Problem> Refusal(const HttpHeaders& headers, bool administers) const;

 private:
  // Whether the Host, which may have a port, is one that no page's name can be.
  bool IsServer(std::string_view host) const;

  const bool listens_to_others_;
  const std::string cors_origin_;
  std::vector<std::string> names_;  // in lower case, without a last dot
};

// Whether a name or an address is this machine's alone: "localhost" and names below it,
// 127.0.0.0/8 in all the ways that it is written ("127.1"), "::1", also in brackets. Asks no DNS.
bool IsLoopback(std::string_view host);

}  // namespace ashlar
