// A BrowserGuard keeps web pages from asking a server that asks for no key.
//
// Whoever can connect to such a server may use it, and a browser on the same machine connects for
// every page that it shows. Two things tell a page from a program: the Origin that browsers send
// along, and, where a page's own name was made to point at this machine (DNS rebinding), a Host
// that is not this server's. Where there are keys nothing of this is needed: a page has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ashlar/server/api/problem.h"
#include "ashlar/server/http/http.h"

namespace ashlar {

// Immutable.
class BrowserGuard {
 public:
  // As the server's settings of these names are.
  BrowserGuard(std::string host, std::string cors_origin)
      : host_(std::move(host)), cors_origin_(std::move(cors_origin)) {}

  // Why the request is refused, if it is: 403. `administers`: then "*" does not allow a page, and
  // the one that is named does.
  std::optional<Problem> Refusal(const HttpHeaders& headers, bool administers) const;

 private:
  const std::string host_;
  const std::string cors_origin_;
};

// Whether a name or an address is this machine's alone: "localhost" and names below it,
// 127.0.0.0/8,
// "::1", also in brackets.
bool IsLoopback(std::string_view host);

}  // namespace ashlar
