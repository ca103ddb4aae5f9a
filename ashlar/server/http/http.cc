#include "ashlar/server/http/http.h"

#include <algorithm>
#include <typeinfo>

#include <boost/core/demangle.hpp>

#include "ashlar/base/ascii.h"

namespace ashlar {
namespace {

const char* ErrorType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Json TextOrNull(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace

const std::string* HttpHeaders::Find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      *this, [&](const HttpHeader& header) { return EqualsIgnoringCase(header.name, name); });
  return found == end() ? nullptr : &found->value;
}

HttpResponse JsonResponse(const Json& body, int status) {
  return {.status = status, .body = WriteJson(body)};
}

Json HttpErrorBody(int status, std::string_view message, std::string_view code,
                   std::string_view param) {
  return Json::Of({{"error", Json::Of({{"message", message},
                                       {"type", ErrorType(status)},
                                       {"param", TextOrNull(param)},
                                       {"code", TextOrNull(code)}})}});
}

HttpResponse ErrorResponse(int status, std::string_view message, std::string_view code,
                           std::string_view param) {
  return JsonResponse(HttpErrorBody(status, message, code, param), status);
}

int HttpStatusOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kCorrupt:
    case ErrorCode::kExhausted:
      return 503;
    case ErrorCode::kIo:
      return 500;
  }
  return 500;
}

HttpResponse ErrorResponse(const Error& error, std::string_view param) {
  return ErrorResponse(HttpStatusOf(error), error.message, ErrorCodeName(error.code), param);
}

HttpResponse ErrorResponse(const std::exception& exception) {
  return ErrorResponse(500, fmt::format("internal error: {}", exception.what()), "internal_error");
}

std::string ExceptionName(const std::exception& exception) {
  return boost::core::demangle(typeid(exception).name());
}

}  // namespace ashlar
