#include "ashlar/server/config/http_settings.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/ascii.h"

namespace ashlar {
namespace {

std::chrono::milliseconds MillisOf(double seconds) {
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

bool IsHostName(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return IsAsciiLetterOrDigit(c) || c == '-' || c == '_' || c == '.'; });
}

// "https://a.example", "http://localhost:3000", "tauri://localhost": as a browser writes it (the
// Fetch standard, "serializing an origin"), for it is compared byte by byte.
bool IsOrigin(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == 0 || colon == std::string_view::npos) {
    return false;
  }
  const std::string_view authority = text.substr(colon + 3);
  const auto is_lower = [](char c) { return c < 'A' || c > 'Z'; };
  return IsHostName(text.substr(0, colon)) && std::ranges::all_of(text, is_lower) &&
         !authority.empty() && std::ranges::all_of(authority, [](char c) {
           return IsHostName({&c, 1}) || c == ':' || c == '[' || c == ']';
         });
}

}  // namespace

Result<HttpServerOptions> HttpOptionsOf(const Settings& settings) {
  const std::string& origin = settings.Text("cors-origin");
  if (!origin.empty() && origin != "*" && !IsOrigin(origin)) {
    return Invalid(
        "{}: expected * or an origin without a path, in lower case, as in https://a.example or "
        "http://localhost:3000, found {}",
        settings.source("cors-origin"), QuoteForError(origin));
  }
  const auto count = [&](std::string_view name) {
    return static_cast<std::size_t>(settings.Integer(name));
  };
  return HttpServerOptions{.host = settings.Text("host"),
                           .port = static_cast<std::uint16_t>(settings.Integer("port")),
                           .threads = static_cast<int>(settings.Integer("http-threads")),
                           .certificate_file = settings.Text("tls-certificate"),
                           .key_file = settings.Text("tls-key"),
                           .cors_origin = origin,
                           .max_connections = count("max-connections"),
                           .max_requests = count("max-requests"),
                           .max_header_bytes = settings.Bytes("max-header"),
                           .max_body_bytes = settings.Bytes("max-body"),
                           .max_all_body_bytes = settings.Bytes("max-bodies"),
                           .max_backlog_bytes = settings.Bytes("max-backlog"),
                           .idle_timeout = MillisOf(settings.Seconds("idle-timeout")),
                           .header_timeout = MillisOf(settings.Seconds("header-timeout")),
                           .body_timeout = MillisOf(settings.Seconds("body-timeout")),
                           .write_timeout = MillisOf(settings.Seconds("write-timeout"))};
}

Result<std::vector<std::string>> AllowedHosts(const Settings& settings) {
  std::vector<std::string> names = SplitList(settings.Text("allowed-hosts"));
  for (const std::string& name : names) {
    if (!IsHostName(name)) {
      return Invalid(
          "{}: expected names without scheme or port, as in box.example,ashlar.lan, found {}",
          settings.source("allowed-hosts"), QuoteForError(name));
    }
  }
  return names;
}

}  // namespace ashlar
