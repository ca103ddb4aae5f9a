#include "ashlar/server/http/internal/response_bytes.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace ashlar::internal {
namespace {

struct Reason {
  int status;
  std::string_view phrase;
};
constexpr Reason kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

std::string_view PhraseOf(int status) {
  const auto found = std::ranges::find(kReasons, status, &Reason::status);
  return found == std::end(kReasons) ? "-" : found->phrase;
}

// RFC 9110, 5.6.7. Not by strftime, whose names of days follow the locale.
std::string HttpDate() {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

void AppendHeader(std::string& out, std::string_view name, std::string_view value) {
  const auto put = [&](std::string_view text) {
    std::ranges::transform(text, std::back_inserter(out),
                           [](char c) { return c == '\r' || c == '\n' || c == '\0' ? ' ' : c; });
  };
  put(name);
  out += ": ";
  put(value);
  out += "\r\n";
}

}  // namespace

std::string ResponseHead(const ResponseFrame& frame, int status, std::string_view content_type,
                         const HttpHeaders& headers, std::optional<std::size_t> body_bytes) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, PhraseOf(status));
  AppendHeader(head, "Date", HttpDate());
  if (status != 204) {  // which has no body, and no framing of one
    if (!content_type.empty()) {
      AppendHeader(head, "Content-Type", content_type);
    }
    if (body_bytes) {
      AppendHeader(head, "Content-Length", fmt::format("{}", *body_bytes));
    } else if (!frame.http_1_0) {
      AppendHeader(head, "Transfer-Encoding", "chunked");
    }
  }
  // HTTP/1.0 wants it said when a connection stays, HTTP/1.1 when it does not.
  const bool keep_alive = frame.keep_alive && (body_bytes || !frame.http_1_0);
  if (keep_alive == frame.http_1_0) {
    AppendHeader(head, "Connection", keep_alive ? "keep-alive" : "close");
  }
  if (!frame.request_id.empty()) {
    AppendHeader(head, "X-Request-Id", frame.request_id);
  }
  if (!frame.cors_origin.empty()) {
    AppendHeader(head, "Access-Control-Allow-Origin", frame.cors_origin);
    AppendHeader(head, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Ashlar-Plan");
    AppendHeader(head, "Vary", "Origin");
  }
  for (const HttpHeader& header : headers) {
    AppendHeader(head, header.name, header.value);
  }
  return head += "\r\n";
}

void AppendChunk(std::string& out, std::string_view bytes) {
  CHECK(!bytes.empty());
  out += fmt::format("{:x}\r\n", bytes.size());
  out.append(bytes).append("\r\n");
}

}  // namespace ashlar::internal
