#include "ashlar/server/api/problem.h"

#include <cmath>

namespace ashlar {
namespace {

struct ProblemRow {
  ErrorCode error;
  bool of_parameter;  // whether the error names a part of the request
  int status;
  std::string_view code;
};

constexpr ProblemRow kProblemRows[] = {
    {ErrorCode::kInvalid, true, 400, "invalid_value"},
    {ErrorCode::kInvalid, false, 400, "invalid_request"},
    {ErrorCode::kUnsupported, true, 400, "unsupported_parameter"},
    {ErrorCode::kUnsupported, false, 400, "unsupported"},
    {ErrorCode::kNotFound, true, 404, "not_found"},
    {ErrorCode::kNotFound, false, 404, "not_found"},
    {ErrorCode::kExhausted, true, 400, "context_length_exceeded"},
    {ErrorCode::kExhausted, false, 503, "exhausted"},
    {ErrorCode::kConflict, true, 409, "conflict"},
    {ErrorCode::kConflict, false, 429, "overloaded"},
    {ErrorCode::kCorrupt, true, 400, "invalid_value"},
    {ErrorCode::kCorrupt, false, 503, "corrupt"},
    {ErrorCode::kIo, true, 500, "io"},
    {ErrorCode::kIo, false, 500, "io"},
};

constexpr std::string_view kRoot = "$";

// "$.messages[2].role: expected..." -> "messages[2].role"; nothing for other messages.
std::string_view PathOf(std::string_view message) {
  if (!message.starts_with(kRoot)) {
    return {};
  }
  return message.substr(0, message.find(": "));
}

}  // namespace

Problem ProblemOf(const Error& error) {
  Problem problem{.message = error.message};
  const std::string_view path = PathOf(error.message);
  for (const ProblemRow& row : kProblemRows) {
    if (row.error == error.code && row.of_parameter == !path.empty()) {
      problem.status = row.status;
      problem.code = row.code;
    }
  }
  if (path.size() > kRoot.size()) {
    problem.param = path.substr(path[kRoot.size()] == '.' ? kRoot.size() + 1 : kRoot.size());
    problem.message = problem.param + error.message.substr(path.size());
  }
  if (problem.param == "model" && problem.status == 404) {
    problem.code = "model_not_found";
  }
  constexpr double kComeAgain = 1;
  if (problem.status == 429) {
    problem.retry_after_seconds = kComeAgain;
  }
  return problem;
}

Problem ProblemOf(const std::exception& exception) {
  return {.status = 500,
          .message = fmt::format("internal error: {}", exception.what()),
          .code = "internal_error"};
}

Problem ShuttingDown() {
  return {.status = 503,
          .message = "the server is shutting down",
          .code = "draining",
          .retry_after_seconds = 1};
}

Json Problem::Body() const {
  return HttpErrorBody(status, message, code, param);
}

HttpResponse Problem::Response() const {
  HttpResponse response = ErrorResponse(status, message, code, param);
  if (status == 401) {  // RFC 9110, 11.6.1
    response.headers.push_back({"WWW-Authenticate", "Bearer"});
  }
  if (retry_after_seconds > 0) {
    response.headers.push_back(
        {"Retry-After", std::to_string(static_cast<std::int64_t>(std::ceil(retry_after_seconds)))});
  }
  return response;
}

}  // namespace ashlar
